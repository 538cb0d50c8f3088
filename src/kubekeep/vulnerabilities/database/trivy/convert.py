"""Entries of Trivy's database as advisories. Never reads a database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.vulnerabilities.advisory import (
    Advisory,
    AdvisoryPackage,
    AdvisoryReference,
    AdvisorySeverity,
    AffectedVersions,
    VersionEvent,
    VersionRange,
)
from kubekeep.vulnerabilities.database.grype.constraints import UnreadableConstraintError, is_empty, parse_constraint
from kubekeep.vulnerabilities.database.trivy.blobs import (
    LEVELS,
    STATUSES,
    TrivyEntry,
    TrivyScore,
    TrivyVulnerability,
)
from kubekeep.vulnerabilities.versions.registry import get_scheme
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError, VersionScheme

UNREADABLE: Final = "unreadable constraint"
"""Type of a range whose constraint cannot be read: packages are then not compared with the record."""
NOT_AFFECTED: Final = STATUSES.index("not_affected")
_FIX_STATES: Final = {
    "affected": "not-fixed",
    "fix_deferred": "not-fixed",
    "will_not_fix": "wont-fix",
    "end_of_life": "wont-fix",
}
_WITH_MODULES: Final = frozenset({"AlmaLinux", "Oracle Linux", "Red Hat", "Rocky Linux"})
_PESSIMISTIC: Final = re.compile(r"~>\s*((?:\d+\.)*)(\d+)((?:\.\d+|\.?[a-z]\w*)?)")
_COMMON_SOURCES: Final = {False: ("ghsa", "nvd"), True: ("nvd", "ghsa")}
"""Sources of ratings beside that of the advisories; True: of packages of distributions."""
_INTERVAL: Final = re.compile(r"([\[(])\s*([^,\[\]()]*?)\s*(?:(,)\s*([^,\[\]()]*?)\s*)?([\])])")
"""An interval as Maven writes it, as "[1.0,2.0)"."""


class TrivyRow(msgspec.Struct, frozen=True, array_like=True):
    """The affected versions of a package in a release; the order is that of the query. source: id of the data source."""

    ecosystem: str
    id: str
    package: str
    release: str
    is_distribution: int
    source: str
    content: bytes


def build_advisory(rows: Sequence[TrivyRow], vulnerability: TrivyVulnerability) -> Advisory:
    """Return the advisory of a vulnerability in one ecosystem. Raises msgspec.DecodeError."""
    entries = [(row, msgspec.json.decode(row.content, type=TrivyEntry)) for row in rows]
    first = rows[0]
    names = dict.fromkeys(name for _, entry in entries for name in entry.vendor_ids or () if name != first.id)
    details = {
        "severity": _get_level((vulnerability.vendor_severity or {}).get(source, 0) for source in _list_sources(rows)),
        "cwe_ids": list(vulnerability.cwe_ids or ()),
    }
    return Advisory(
        id=first.id,
        modified=vulnerability.last_modified_date or vulnerability.published_date or "",
        published=vulnerability.published_date or "",
        # Notices of distributions are about several flaws.
        aliases=() if first.is_distribution else tuple(names),
        related=tuple(names) if first.is_distribution else (),
        summary=vulnerability.title,
        details=vulnerability.description,
        severity=tuple(_list_vectors(vulnerability, _list_sources(rows))),
        affected=tuple(affected for row, entry in entries for affected in _convert(row, entry)),
        references=tuple(AdvisoryReference("WEB", url) for url in vulnerability.references or ()),
        database_specific={name: value for name, value in details.items() if value},
    )


def _list_sources(rows: Sequence[TrivyRow]) -> list[str]:
    """Return the sources whose ratings count: that of the advisories first."""
    return list(dict.fromkeys((*(row.source for row in rows), *_COMMON_SOURCES[bool(rows[0].is_distribution)])))


def _get_level(numbers: Iterable[int]) -> str:
    return next((LEVELS[number] for number in numbers if 0 < number < len(LEVELS)), "")


def _list_vectors(vulnerability: TrivyVulnerability, sources: Iterable[str]) -> Iterator[AdvisorySeverity]:
    """Yield the vectors of the first source that has any."""
    scores = vulnerability.cvss or {}
    score = next((scores[source] for source in sources if source in scores), TrivyScore())
    for kind, vector in (("CVSS_V4", score.v4), ("CVSS_V3", score.v3), ("CVSS_V2", score.v2)):
        if vector:
            yield AdvisorySeverity(kind, vector)


def _convert(row: TrivyRow, entry: TrivyEntry) -> Iterator[AffectedVersions]:
    package = row.package
    specific: dict[str, Any] = {}
    if row.ecosystem in _WITH_MODULES:
        module, _, name = row.package.rpartition("::")
        package, specific["rpm_modularity"] = name, module
    if entry.arches:
        specific["architecture"] = list(entry.arches)
    ranges, versions = _list_ranges(row, entry)
    details: dict[str, Any] = {}
    if not entry.fixed_version and 0 < entry.status < len(STATUSES):
        details["fix_state"] = _FIX_STATES.get(STATUSES[entry.status], "unknown")
    if level := _get_level([entry.severity]):
        details["severity"] = level
    yield AffectedVersions(
        package=AdvisoryPackage(row.release, package),
        ranges=ranges,
        versions=versions,
        ecosystem_specific=specific or None,
        database_specific=details or None,
    )


def _list_ranges(row: TrivyRow, entry: TrivyEntry) -> tuple[tuple[VersionRange, ...], tuple[str, ...]]:
    if row.is_distribution:
        start = VersionEvent(introduced=entry.affected_version or "0")
        events = (start, VersionEvent(fixed=entry.fixed_version)) if entry.fixed_version else (start,)
        return (VersionRange("ECOSYSTEM", events),), ()
    try:
        if entry.vulnerable_versions:
            ranges, versions = _parse(entry.vulnerable_versions, row.ecosystem)
        else:
            spared, _ = _parse((*(entry.patched_versions or ()), *(entry.unaffected_versions or ())), row.ecosystem)
            ranges, versions = _invert(spared, row.ecosystem), ()
    except (UnreadableConstraintError, InvalidVersionError):
        event = VersionEvent(introduced="0")
        return (VersionRange(UNREADABLE, (event,)),), ()
    return ranges, versions


def _parse(texts: Iterable[str], ecosystem: str) -> tuple[tuple[VersionRange, ...], tuple[str, ...]]:
    """Return the ranges and the single versions of constraints, each of which is enough."""
    kind = "python" if ecosystem == "PyPI" else "semver"
    intervals = [
        interval
        for text in texts
        for part in text.split("||")
        for interval in parse_constraint(_rewrite(part.strip()), kind)
    ]
    scheme = get_scheme(ecosystem)
    ranges = (interval.range for interval in intervals if interval.range is not None)
    return tuple(entry for entry in ranges if not is_empty(entry, scheme)), tuple(
        interval.version for interval in intervals if interval.version
    )


def _rewrite(text: str) -> str:
    """Return a constraint with comparisons only, separated by commas."""
    if _INTERVAL.search(text):
        intervals = [_rewrite_interval(*match.groups()) for match in _INTERVAL.finditer(text)]
        return " || ".join(intervals)
    text = _PESSIMISTIC.sub(_rewrite_pessimistic, text)
    # Some databases separate comparisons by spaces.
    return re.sub(r"(?<=[\w.])\s+(?=[<>=])", ", ", text)


def _rewrite_interval(opening: str, low: str, comma: str | None, high: str | None, closing: str) -> str:
    if comma is None:
        return f"={low}"
    parts = [f"{'>=' if opening == '[' else '>'}{low}"] if low else []
    parts += [f"{'<=' if closing == ']' else '<'}{high}"] if high else []
    return ", ".join(parts)


def _rewrite_pessimistic(match: re.Match[str]) -> str:
    """Return the range of `~> 2.3.5`, which ends before 2.4; with one number it ends before the next one."""
    numbers = [*match[1].split(".")[:-1], match[2], *filter(None, match[3].split("."))]
    digits = [number for number in numbers if number.isdigit()]
    prefix = digits[:-1] or digits
    end = ".".join([*prefix[:-1], str(int(prefix[-1]) + 1)])
    return f">={match[0].removeprefix('~>').strip()}, <{end}"


def _invert(spared: Iterable[VersionRange], ecosystem: str) -> tuple[VersionRange, ...]:
    """Return the ranges of versions that are in none of `spared`. Raises InvalidVersionError."""
    scheme = get_scheme(ecosystem)
    if scheme is None:
        raise UnreadableConstraintError(f"no order of versions is known for {ecosystem}")
    ranges, start = [], "0"
    for low, high in _sort(spared, scheme):
        if low != "0" and (start == "0" or scheme.key(start) < scheme.key(low)):
            ranges.append((start, low))
        if not high:
            return _build_ranges(ranges)
        if start == "0" or scheme.key(start) < scheme.key(high):
            start = high
    return _build_ranges([*ranges, (start, "")])


def _sort(spared: Iterable[VersionRange], scheme: VersionScheme) -> list[tuple[str, str]]:
    """Return the starts and ends of ranges in order; "" for an open end."""
    bounds = []
    for version_range in spared:
        low = version_range.events[0].introduced
        last = version_range.events[-1]
        if last.last_affected:
            raise UnreadableConstraintError("the end of a range of unaffected versions is not stated")
        bounds.append((low, last.fixed))
    return sorted(bounds, key=lambda pair: (pair[0] != "0", scheme.key(pair[0]) if pair[0] != "0" else ()))


def _build_ranges(bounds: Iterable[tuple[str, str]]) -> tuple[VersionRange, ...]:
    return tuple(
        VersionRange(
            "ECOSYSTEM",
            (VersionEvent(introduced=low), VersionEvent(fixed=high)) if high else (VersionEvent(introduced=low),),
        )
        for low, high in bounds
    )
