"""Text that all formats of a comparison share: names, locations, totals. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from kubekeep.model.comparison import Comparison, Difference, RecordedFinding


def resource_id(finding: RecordedFinding) -> str:
    """Return the ID of the resource in its report, or one built from the identity that a baseline keeps."""
    identity = finding.identity
    return finding.report_location.resource or f"{identity.group}//{identity.namespace}/{identity.kind}/{identity.name}"


def describe_location(finding: RecordedFinding) -> str:
    """Return `deploy/web.yaml:12:9`, the file alone, or an empty text."""
    return str(finding.report_location.location) if finding.report_location.location else finding.file


def field_path(finding: RecordedFinding) -> str:
    """Return the path of the field, for display."""
    return finding.report_location.path or finding.path


def heading(finding: RecordedFinding) -> str:
    """Return `C-0057 Privileged container`, or an empty text if only resources are compared."""
    return f"{finding.control} {finding.title}".strip()


def totals(comparison: Comparison) -> str:
    """Return `2 new, 1 resolved, 30 unchanged, 0 incomparable`, and `, 3 covered by exceptions` if there are any."""
    excepted_text = f", {len(comparison.excepted)} covered by exceptions" if comparison.excepted else ""
    return (
        f"{len(comparison.new)} new, {len(comparison.resolved)} resolved, {len(comparison.unchanged)} unchanged, "
        f"{len(comparison.incomparable)} incomparable{excepted_text}"
    )


def regressions(comparison: Comparison) -> Iterator[Difference]:
    """Yield the differences that pipelines report: new findings, and incomparable ones."""
    return chain(comparison.new, comparison.incomparable)


def describe_difference(difference: Difference) -> str:
    """Return a finding in one line: title, resource, field and reason."""
    finding = difference.finding
    location = f" at {field_path(finding)}" if field_path(finding) else ""
    reason = f" ({difference.reason})" if difference.reason else ""
    title = f"{finding.title}: " if finding.title else ""
    return f"{title}{finding.identity}{location}{reason}"
