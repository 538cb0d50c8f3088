"""Comparison of two scans: findings and coverage of each, and the findings that are new, resolved or not comparable.

Values only; the comparison itself is in `baseline.compare`.
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
    """Change of a finding from one scan to the next."""

    NEW = "new"
    RESOLVED = "resolved"
    UNCHANGED = "unchanged"
    EXCEPTED = "excepted"
    """Still present, and now covered by an exception; not fixed."""
    INCOMPARABLE = "incomparable"
    """Not evaluated in one of the two scans, so neither new nor resolved."""


class ReportLocation(msgspec.Struct, frozen=True, gc=False):
    """Location of a finding in a report: the displayed field path and, if known, the file with lines.

    `entry` is the key of a JSON v2 report that holds the path; `resource` the id of the resource in it.
    """

    path: str = ""
    entry: str = ""
    resource: str = ""
    location: Location | None = None


class RecordedFinding(msgspec.Struct, frozen=True, gc=False):
    """A failure of a control (its id) on a resource, at a path built by `fingerprint.format_stable_path`.

    `file` and `copy` distinguish resources with the same identity: the file, and the 0-based number within it.
    `exception` is the name of the exception that covers the finding, empty if none does.
    """

    control: str
    identity: Identity
    path: str = ""
    file: str = ""
    copy: int = 0
    title: str = ""
    level: Severity = Severity.UNKNOWN
    report_location: ReportLocation = ReportLocation()
    exception: str = ""


class ScanRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Findings and coverage of one scan. Without the coverage a missing finding cannot be called resolved."""

    name: str
    """Name for messages: a file, or `this scan`."""
    findings: tuple[RecordedFinding, ...]
    """Findings without an exception."""
    excepted: tuple[RecordedFinding, ...] = ()
    """Findings covered by exceptions; unknown, and empty, in a baseline."""
    controls: Mapping[str, str]
    """Controls of the scan by id, with the reason if one was not evaluated at all; empty text for evaluated ones."""
    gaps: Mapping[Identity, AbstractSet[str]] = {}
    """Controls that were not evaluated on a resource."""
    resources: Mapping[Identity, AbstractSet[str]] | None = None
    """Evaluated resources with their files; None if the record does not list all files, not even of failing resources.
    """
    only_failing: bool = False
    """True if `resources` lists only resources with a failure, as a baseline does."""
    unread: frozenset[str] = frozenset()
    """Files that could not be read, or only in part."""
    settings: Mapping[str, str] = {}
    """Other settings that affect findings, by name: tool, frameworks, targets, resource selection, parameters."""
    pseudonyms: str = ""
    """Fingerprint of the key for pseudonyms, as in `Assessment.pseudonyms`; empty for plain names."""

    @property
    def is_ours(self) -> bool:
        """True if Kubekeep produced the record, so paths can be compared with its other scans."""
        return self.settings.get(TOOL, "").startswith("kubekeep")

    @property
    def files(self) -> frozenset[str]:
        """Files of the evaluated resources."""
        return frozenset().union(*(self.resources or {}).values())


TOOL = "tool"
"""Setting with the name and version of the program."""
RESOURCE_SELECTION = "resource selection"
"""Setting with the resource selection, absent if all resources were evaluated."""
TARGETS = "targets"
"""Setting with the scanned inputs as the user gave them, separated by commas."""


class Difference(msgspec.Struct, frozen=True, gc=False):
    """One finding with its change.

    `base` and `head` are the results of the control on the resource in the two scans: failed, passed, skipped or
    absent. `reason` says why the finding is incomparable, or names the exception that covers it.
    """

    change: FindingChange
    finding: RecordedFinding
    base: str
    head: str
    reason: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of all findings between two scans, highest severity first. `base` and `head` name the scans."""

    base: str
    head: str
    granularity: Granularity
    new: tuple[Difference, ...] = ()
    resolved: tuple[Difference, ...] = ()
    unchanged: tuple[Difference, ...] = ()
    incomparable: tuple[Difference, ...] = ()
    excepted: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()
