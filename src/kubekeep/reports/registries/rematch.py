"""The effect of new advisories on images of a registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.reports.shared.wording import count_noun
from kubekeep.vulnerabilities.inventory import StoredVulnerability
from kubekeep.vulnerabilities.rematching import ImageChanges, RematchReport

_MOST_NAMES: Final = 3
_MOST_LINES: Final = 20
"""Maximum number of package versions with one kind of change."""
_OUTDATED: Final = (
    "read by another version of Kubekeep, which may not have recorded all that this version compares; "
    "run `kubekeep registry scan` again"
)


def _shorten(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


class _PackageChange(msgspec.Struct, frozen=True):
    """A change of the vulnerabilities of one version of a package, in all images where it is the same."""

    level: Severity
    is_exploited: bool
    text: str
    ids: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def order(self) -> tuple[bool, int, int, str]:
        """Sort key: exploited ones first, then the most severe, then those in most images."""
        return not self.is_exploited, -self.level, -len(self.images), self.text


def list_changes(report: RematchReport) -> Iterator[str]:
    """Yield the changes by version of a package, the most urgent first, and their numbers."""
    groups = {
        "present" if report.is_first else "new": _group(
            (image, entry, "") for image in report.images for entry in image.new
        ),
        "changed": _group(
            (image, change.after, f"; before: {_describe_state(change.before)}")
            for image in report.images
            for change in image.changed
        ),
        "resolved": _group((image, entry, "") for image in report.images for entry in image.resolved),
    }
    for word, changes in groups.items():
        for change in changes[:_MOST_LINES]:
            images = count_noun(len(change.images), "image")
            yield f"{word:8}  {_join_ids(change.ids)}  {change.text}  in {images}: {_shorten(change.images)}"
        if len(changes) > _MOST_LINES:
            rest = count_noun(len(changes) - _MOST_LINES, "more package version")
            yield f"{word:8}  … and {rest}: --changes FILE writes all"
    yield from _list_totals(report)


def _list_totals(report: RematchReport) -> Iterator[str]:
    new = sum(len(image.new) for image in report.images)
    changed = sum(len(image.changed) for image in report.images)
    resolved = sum(len(image.resolved) for image in report.images)
    matched = f"{count_noun(report.matched, 'package')} matched"
    if report.is_first:
        yield (
            f"first match of {count_noun(report.image_count, 'image')}: {count_noun(new, 'vulnerability')} in "
            f"{len(report.images):,} of them; {matched}; later runs show what changed"
        )
        return
    yield (
        f"{len(report.images):,} of {report.image_count:,} images changed: {new:,} new, {changed:,} changed, "
        f"{resolved:,} resolved; {matched}"
    )


def _group(changes: Iterable[tuple[ImageChanges, StoredVulnerability, str]]) -> list[_PackageChange]:
    """Return the changes of each version of a package with the same state, the most urgent first."""
    images: dict[tuple[str, str], dict[str, None]] = {}
    entries: dict[tuple[str, str], dict[str, StoredVulnerability]] = {}
    for image, entry, suffix in changes:
        key = entry.purl, f"{_describe_state(entry)}{suffix}"
        images.setdefault(key, {})[next(iter(image.names), image.digest)] = None
        entries.setdefault(key, {})[entry.id] = entry
    grouped = [
        _PackageChange(
            max(Severity.parse(entry.level) for entry in entries[key].values()),
            any(entry.known_exploited for entry in entries[key].values()),
            "  ".join(key),
            tuple(sorted(entries[key])),
            tuple(images[key]),
        )
        for key in entries
    ]
    return sorted(grouped, key=lambda change: change.order)


def _join_ids(ids: Sequence[str]) -> str:
    return ids[0] + (f" +{len(ids) - 1}" if len(ids) > 1 else "")


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
    """Return the number of vulnerabilities of a severity or above that are new, or no longer suppressed.

    Without an earlier match to compare with, none is new.
    """
    if report.is_first:
        return 0
    levels = [Severity.parse(one.level) for image in report.images for one in image.opened]
    return sum(lowest is None or level >= lowest for level in levels)
