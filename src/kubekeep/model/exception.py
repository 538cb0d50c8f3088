"""A waiver: somebody's decision that a finding is accepted, for a reason and until a day. Never decides what it covers."""

from __future__ import annotations

import datetime as dt
import enum

import msgspec

from kubekeep.model.location import Location
from kubekeep.model.resource import format_name


class ExceptionSource(enum.StrEnum):
    """Where waivers are written."""

    FILE = "exceptions file"
    OBJECT = "object"
    """A `SecurityException` or `ClusterSecurityException`."""
    ANNOTATION = "annotation"
    COMMENT = "comment"


class AppliedException(msgspec.Struct, frozen=True, kw_only=True):
    """One waiver as reports name it.

    `text` is the whole exception as JSON text in Kubescape's form, for the formats that show it.
    """

    name: str
    source: ExceptionSource
    reason: str = ""
    expires: dt.datetime | None = None
    location: Location | None = None
    text: str = ""


class ExceptionStatus(enum.StrEnum):
    """What became of a waiver in a scan, in the words of Kubescape's `exceptionAudit` where it has any."""

    MATCHED = "matched"
    UNUSED = "unused"
    """It covers no finding: what it was for is mended or was never there."""
    EXPIRED = "expired"
    INVALID_CONTROL = "invalid-control"
    """It names a control that nobody knows."""
    TOO_BROAD = "too-broad"
    """It would cover everything, and covers nothing for that reason."""
    INVALID = "invalid"
    """It cannot be read; the text says why."""


class ExceptedFinding(msgspec.Struct, frozen=True, gc=False):
    """One finding that a waiver covers: the resource's id and parts of its identity, and the control's id."""

    resource: str
    kind: str
    namespace: str
    name: str
    control: str

    @property
    def label(self) -> str:
        """The resource as people say it: `Deployment shop/web`."""
        return format_name(self.kind, self.namespace, self.name)


class ExceptionUse(msgspec.Struct, frozen=True, kw_only=True):
    """One waiver with what became of it. `controls` are the names it gives, `unknown` those nobody knows.

    `doubts` are what `text` says of why it may cover more, or less, than was meant.
    """

    exception: AppliedException
    status: ExceptionStatus
    text: str = ""
    controls: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    findings: tuple[ExceptedFinding, ...] = ()
    doubts: tuple[str, ...] = ()
