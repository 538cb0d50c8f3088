"""What happens while a cluster is being watched: verdicts that change, what is not shown any more, and figures. Values only."""

from __future__ import annotations

import datetime as dt
import enum

import msgspec

from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import Control
from kubekeep.model.finding import Verdict
from kubekeep.model.resource import Resource


class VerdictChange(enum.StrEnum):
    """What became of the verdict of a control on a resource."""

    FAILED = "failed"
    """It fails, and did not before."""
    FIXED = "mended"
    """It failed before, and passes."""
    ACCEPTED = "accepted"
    """It failed before, and an exception covers it now."""
    GONE = "gone"
    """It failed before, and there is no such resource any more, or the control does not apply to it."""
    UNKNOWN = "not evaluated"
    """It had an answer before, or it failed and the resource is not shown any more."""


class VerdictChanged(msgspec.Struct, frozen=True):
    """A verdict that has changed."""

    at: dt.datetime
    change: VerdictChange
    control: Control
    resource: Resource
    verdict: Verdict | None
    """What it is by now; None where the resource is gone or not shown, or the control does not apply."""


class CoverageChanged(msgspec.Struct, frozen=True):
    """Something that is not shown any more, or is shown again."""

    at: dt.datetime
    gap: CoverageGap
    is_restored: bool


class ConnectionChanged(msgspec.Struct, frozen=True):
    """The cluster has not been followed for some seconds, and `why`, or is again; verdicts stay as they were meanwhile."""

    at: dt.datetime
    why: str
    """Empty where it is followed again."""


class WatchStarted(msgspec.Struct, frozen=True):
    """Everything has been seen and judged once."""

    at: dt.datetime
    cluster: str
    objects: int
    failed: int
    """Findings: controls that a resource fails, counted by resource."""
    gaps: int


class UnmatchedName(msgspec.Struct, frozen=True):
    """A name in what was chosen that nothing has, in a sentence."""

    at: dt.datetime
    text: str


WatchEvent = VerdictChanged | CoverageChanged | ConnectionChanged | WatchStarted | UnmatchedName


class WatchMetrics(msgspec.Struct, kw_only=True):
    """What a watch has done so far; times in seconds, moments since the epoch."""

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
