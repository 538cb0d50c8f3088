"""Two scans side by side: what each found and looked at, and what is new, gone or not to be told between them.

Values only; how they are told apart is in `baseline.compare`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from kubekeep.model.fingerprint import Granularity, Identity
from kubekeep.model.location import Location
from kubekeep.model.severity import Severity


class FindingChange(enum.StrEnum):
    """What became of a finding from one scan to the next."""

    NEW = "new"
    RESOLVED = "resolved"
    UNCHANGED = "unchanged"
    ACCEPTED = "accepted"
    """It is still there, and an exception covers it now: nobody mended it."""
    INCOMPARABLE = "incomparable"
    """One of the two did not look: nobody can say whether it is new or gone."""


class ReportLocation(msgspec.Struct, frozen=True, gc=False):
    """Where a report shows a finding: its path as it stands there, its file and, if known, the lines.

    `entry` is the key of a report in JSON v2 that holds the path; `resource` the id of the resource in it.
    """

    path: str = ""
    entry: str = ""
    resource: str = ""
    location: Location | None = None


class RecordedFinding(msgspec.Struct, frozen=True, gc=False):
    """One failure of a control (its id) on a resource, at a path as `fingerprint.steady_path` gives it.

    `file` and `copy` tell resources of one identity apart: the file, and the number in it from 0. `waiver` is the name
    of the exception that covers it, empty if it stands.
    """

    control: str
    identity: Identity
    path: str = ""
    file: str = ""
    copy: int = 0
    title: str = ""
    level: Severity = Severity.UNKNOWN
    place: ReportLocation = ReportLocation()
    exception: str = ""


class ScanRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one scan found and what it looked at: without the second nobody can say that a finding is gone."""

    name: str
    """What messages call it: a file, or `this scan`."""
    findings: tuple[RecordedFinding, ...]
    """What stands."""
    accepted: tuple[RecordedFinding, ...] = ()
    """What would stand without exceptions; unknown, and empty, in a baseline."""
    controls: Mapping[str, str]
    """The controls of the scan by id, with why one could not be evaluated at all; empty for those that were."""
    gaps: Mapping[Identity, AbstractSet[str]] = {}
    """Controls that could not be evaluated on a resource."""
    resources: Mapping[Identity, AbstractSet[str]] | None = None
    """The resources that were judged, with their files; None where not even those that fail have all of theirs."""
    only_failing: bool = False
    """Whether `resources` has those alone that fail somewhere, as a baseline does: of others it is silent."""
    unread: frozenset[str] = frozenset()
    """Files that could not be read, or only in part."""
    settings: Mapping[str, str] = {}
    """What else decides what is found, in words by its name: tool, frameworks, targets, choice, parameters."""
    pseudonyms: str = ""
    """Under which key names are hidden, as `Assessment.pseudonyms` has it; empty if they are not."""

    @property
    def is_ours(self) -> bool:
        """Whether Kubekeep made it, so that places can be compared with those of another of its scans."""
        return self.settings.get(TOOL, "").startswith("kubekeep")

    @property
    def files(self) -> frozenset[str]:
        """The files of the resources that were judged."""
        return frozenset().union(*(self.resources or {}).values())


TOOL = "tool"
"""The setting that names the program and its version."""
RESOURCE_SELECTION = "choice of resources"
"""The setting that says which resources were judged, if not all."""
TARGETS = "targets"
"""The setting that says what was scanned, as it was given, with commas between."""


class Difference(msgspec.Struct, frozen=True, gc=False):
    """One finding with what became of it.

    `base` and `head` are what the two scans say of the control on the resource: failed, passed, skipped or absent.
    `reason` says why it is incomparable, or what accepts it.
    """

    change: FindingChange
    finding: RecordedFinding
    base: str
    head: str
    reason: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every finding of two scans, the worst first. `base` and `head` are their names."""

    base: str
    head: str
    granularity: Granularity
    new: tuple[Difference, ...] = ()
    resolved: tuple[Difference, ...] = ()
    unchanged: tuple[Difference, ...] = ()
    incomparable: tuple[Difference, ...] = ()
    accepted: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()
