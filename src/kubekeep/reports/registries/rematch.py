"""The effect of new advisories on images of a registry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.reports.shared.wording import count_noun
from kubekeep.vulnerabilities.inventory import StoredVulnerability
from kubekeep.vulnerabilities.rematching import RematchReport

_MOST_NAMES: Final = 3
_OUTDATED: Final = (
    "read by another version of Kubekeep, which may not have recorded all that this version compares; "
    "run `kubekeep registry scan` again"
)


def _shorten(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def list_changes(report: RematchReport) -> Iterator[str]:
    """Yield the changes of each image and their numbers."""
    counts = [
        sum(len(image.new) for image in report.images),
        sum(len(image.changed) for image in report.images),
        sum(len(image.resolved) for image in report.images),
    ]
    for image in report.images:
        yield _shorten(image.names) or image.digest
        for entry in image.new:
            yield f"  new       {_describe(entry)}"
        for change in image.changed:
            yield f"  changed   {_describe(change.after)}; before: {_describe_state(change.before)}"
        for entry in image.resolved:
            yield f"  resolved  {_describe(entry)}"
    yield (
        f"{len(report.images):,} of {report.image_count:,} images changed: {counts[0]:,} new, {counts[1]:,} changed, "
        f"{counts[2]:,} resolved; {count_noun(report.matched, 'package')} matched"
    )


def _describe(entry: StoredVulnerability) -> str:
    return f"{entry.id}  {entry.purl}  {_describe_state(entry)}"


def _describe_state(entry: StoredVulnerability) -> str:
    parts = (
        entry.level,
        f"fixed in {entry.fixed_version}" if entry.fixed_version else "no fix",
        f"exploited since {entry.known_exploited}" if entry.known_exploited else "",
        f"suppressed by {entry.suppression}" if entry.suppression else "",
    )
    return ", ".join(filter(None, parts))


def list_gaps(report: RematchReport) -> Iterator[str]:
    """Yield what a scan would report as not read or not assessed."""
    for gap in report.not_assessed:
        yield f"not assessed: {count_noun(gap.packages, 'package')}: {visible(gap.reason)}"
    for names, text in ((report.outdated, _OUTDATED), (report.incomplete, "not read completely, as the scan reported")):
        if names:
            yield f"incomplete: {count_noun(len(names), 'image')} {text}: {visible(_shorten(names))}"


def count_new(report: RematchReport, lowest: Severity | None) -> int:
    """Return the number of vulnerabilities of a severity or above that are new, or no longer suppressed."""
    levels = [Severity.parse(one.level) for image in report.images for one in image.opened]
    return sum(lowest is None or level >= lowest for level in levels)
