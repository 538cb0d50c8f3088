"""Events and metrics of a watch: changed verdicts, lost and restored coverage, connection state. Values only."""

from __future__ import annotations

import datetime as dt
import enum

import msgspec

from kubekeep.model.cluster import CoverageGap
from kubekeep.model.definition import Definition
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Verdict


class VerdictChange(enum.StrEnum):
    """Change of the verdict of a control on a resource."""

    FAILED = "failed"
    """Fails, and did not before."""
    FIXED = "fixed"
    """Failed before, and passes now."""
    EXCEPTED = "excepted"
    """Failed before, and an exception covers it now."""
    GONE = "gone"
    """Failed before, and the resource was deleted, or the control no longer applies to it."""
    UNKNOWN = "not evaluated"
    """Had a verdict before, or failed and the resource can no longer be listed."""


class VerdictChanged(msgspec.Struct, frozen=True):
    """A changed verdict."""

    at: dt.datetime
    change: VerdictChange
    control: Definition
    resource: Subject
    verdict: Verdict | None
    """The current verdict; None if the resource was deleted or cannot be listed, or the control does not apply."""


class CoverageChanged(msgspec.Struct, frozen=True):
    """A new coverage gap, or a closed one."""

    at: dt.datetime
    gap: CoverageGap
    is_restored: bool


class ConnectionChanged(msgspec.Struct, frozen=True):
    """The connection to the cluster has been lost for some seconds, or is restored.

    Verdicts stay the same while it is lost.
    """

    at: dt.datetime
    reason: str
    """Reason of the loss; empty if the connection is restored."""


class WatchStarted(msgspec.Struct, frozen=True):
    """The first complete evaluation has finished."""

    at: dt.datetime
    cluster: str
    objects: int
    failed: int
    """Findings: failed controls, counted per resource."""
    gaps: int


class UnmatchedName(msgspec.Struct, frozen=True):
    """A name in the resource selection that matches nothing, as a sentence."""

    at: dt.datetime
    text: str


WatchEvent = VerdictChanged | CoverageChanged | ConnectionChanged | WatchStarted | UnmatchedName


class WatchMetrics(msgspec.Struct, kw_only=True):
    """Counters of a watch; durations in seconds, times in seconds since the epoch."""

    objects: int = 0
    events: int = 0
    last_event: float = 0.0
    lists: int = 0
    lost: int = 0
    gaps: int = 0
    is_current: bool = False
    assessments: int = 0
    assess_seconds: float = 0.0
    changes: int = 0
