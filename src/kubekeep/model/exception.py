"""Exceptions: approved deviations with a reason and an expiry date. Never matches findings."""

from __future__ import annotations

import datetime as dt
import enum

import msgspec

from kubekeep.model.location import Location
from kubekeep.model.subject import format_name


class ExceptionSource(enum.StrEnum):
    """Kind of source in which an exception is written."""

    FILE = "exceptions file"
    OBJECT = "object"
    """A `SecurityException` or `ClusterSecurityException`."""
    ANNOTATION = "annotation"
    COMMENT = "comment"
    STATEMENT = "VEX statement"
    DECISION = "decision"
    """A decision on a server."""


class AppliedException(msgspec.Struct, frozen=True, kw_only=True):
    """An exception as reports identify it.

    `text` is the whole exception as JSON text in Kubescape's form, for report formats that include it.
    """

    name: str
    source: ExceptionSource
    reason: str = ""
    expires: dt.datetime | None = None
    location: Location | None = None
    text: str = ""


class ExceptionStatus(enum.StrEnum):
    """Status of an exception after a scan, with the terms of Kubescape's `exceptionAudit` where it has any."""

    MATCHED = "matched"
    UNUSED = "unused"
    """Covers no finding: the finding has been fixed or never existed."""
    EXPIRED = "expired"
    INVALID_CONTROL = "invalid-control"
    """Refers to an unknown control."""
    TOO_BROAD = "too-broad"
    """Would cover everything, and is ignored for that reason."""
    INVALID = "invalid"
    """Cannot be read; the text says why."""


class ExceptedFinding(msgspec.Struct, frozen=True, gc=False):
    """A finding covered by an exception: the resource's id and parts of its identity, and the control's id."""

    resource: str
    kind: str
    namespace: str
    name: str
    control: str

    @property
    def label(self) -> str:
        """The display name of the resource: `Deployment shop/web`."""
        return format_name(self.kind, self.namespace, self.name)


class ExceptionUse(msgspec.Struct, frozen=True, kw_only=True):
    """An exception with its status. `controls` are the names it lists, `unknown_controls` the unknown ones among them.

    `scope_warnings` are the sentences of `text` about a scope that may be broader or narrower than intended.
    """

    exception: AppliedException
    status: ExceptionStatus
    text: str = ""
    controls: tuple[str, ...] = ()
    unknown_controls: tuple[str, ...] = ()
    findings: tuple[ExceptedFinding, ...] = ()
    scope_warnings: tuple[str, ...] = ()
