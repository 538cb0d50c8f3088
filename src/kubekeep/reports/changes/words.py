"""What the formats of a comparison say alike: names, places, sums."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from kubekeep.model.comparison import Comparison, Difference, RecordedFinding


def resource_id(finding: RecordedFinding) -> str:
    """The id of the resource in its report, or what a baseline keeps of it in the same order."""
    identity = finding.identity
    return finding.place.resource or f"{identity.group}//{identity.namespace}/{identity.kind}/{identity.name}"


def place_of(finding: RecordedFinding) -> str:
    """`deploy/web.yaml:12:9`, the file alone, or nothing."""
    return str(finding.place.location) if finding.place.location else finding.file


def what(finding: RecordedFinding) -> str:
    """The place in the resource, for people."""
    return finding.place.path or finding.path


def heading(finding: RecordedFinding) -> str:
    """`C-0057 Privileged container`; nothing where only resources are compared."""
    return f"{finding.control} {finding.title}".strip()


def sums(comparison: Comparison) -> str:
    """`2 new, 1 resolved, 30 unchanged, 0 that cannot be compared`, and `, 3 accepted` if there are any."""
    accepted = f", {len(comparison.accepted)} accepted" if comparison.accepted else ""
    return (
        f"{len(comparison.new)} new, {len(comparison.resolved)} resolved, {len(comparison.unchanged)} unchanged, "
        f"{len(comparison.incomparable)} that cannot be compared{accepted}"
    )


def regressions(comparison: Comparison) -> Iterator[Difference]:
    """What pipelines are to show: the new findings, and those that nobody can call known."""
    return chain(comparison.new, comparison.incomparable)


def sentence(item: Difference) -> str:
    """What a finding is, in a line: the change, the resource and the place."""
    finding = item.finding
    where = f" at {what(finding)}" if what(finding) else ""
    reason = f" ({item.reason})" if item.reason else ""
    title = f"{finding.title}: " if finding.title else ""
    return f"{title}{finding.identity}{where}{reason}"
