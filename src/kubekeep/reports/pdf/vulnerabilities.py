"""Known vulnerabilities as data for print: the upgrades to make first, then the vulnerabilities of each image and SBOM.

Limited in number; omissions are counted. No layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from kubekeep.model.assessment import Assessment
from kubekeep.model.severity import Severity
from kubekeep.reports.pdf.details import exception_entry, fair_share, level_entry
from kubekeep.reports.pdf.printed import line, paragraphs
from kubekeep.reports.shared.affected_packages import SubjectRows, UpgradeRow, get_level, list_affected, list_upgrades
from kubekeep.reports.shared.content import LEVELS
from kubekeep.reports.shared.vulnerabilities import (
    PackageCoverage,
    ReportedVulnerability,
    VulnerableSubject,
    list_subjects,
)
from kubekeep.reports.shared.vulnerability_text import describe_container, describe_step, link_to
from kubekeep.reports.shared.wording import count_noun

MAX_VULNERABILITIES: Final = 1500
"""Maximum number of vulnerabilities to print in all, divided fairly among images and SBOMs."""
_SHORT: Final = 15
"""Maximum number of vulnerabilities of an image or SBOM in the short document."""
_UPGRADES: Final = 40
_SUBJECTS: Final = 100
"""Maximum number of images and SBOMs with a part of their own."""
_EXCEPTED: Final = 50
"""Maximum number of covered vulnerabilities of an image or SBOM."""
_CONTAINERS: Final = 5
"""Maximum number of containers named for one image."""
_TITLE: Final = 120
"""Characters of the title of a vulnerability."""


def describe_vulnerabilities(assessment: Assessment, *, full: bool, whole: bool) -> dict[str, Any] | None:
    """Return the data of the chapter, or None if no image or SBOM was compared with advisories."""
    subjects = list_subjects(assessment)
    if not subjects:
        return None
    coverage = PackageCoverage.sum(subject.coverage for subject in subjects)
    affected = {id(rows.subject.resource): rows for rows in list_affected(assessment)}
    return {
        **_count(affected.values()),
        "subjects": len(subjects),
        "coverage": line(coverage.describe()),
        "is_unknown": coverage.is_unknown and not any(rows.levels for rows in affected.values()),
        "affected": len(affected),
        "levels": list(_count_levels(level for rows in affected.values() for level in rows.levels)),
        **_describe_upgrades(subjects, whole=whole),
        **_describe_parts(subjects, affected, full=full, whole=whole),
    }


def _describe_upgrades(subjects: Iterable[VulnerableSubject], *, whole: bool) -> dict[str, Any]:
    upgrades = [(row, subject) for subject in subjects for row in list_upgrades(subject)]
    upgrades.sort(key=lambda pair: pair[0].order)
    shown = upgrades if whole else upgrades[:_UPGRADES]
    return {
        "upgrades": [_describe_upgrade(row, subject) for row, subject in shown],
        "upgrades_more": len(upgrades) - len(shown),
    }


def _describe_parts(
    subjects: Sequence[VulnerableSubject], affected: Mapping[int, SubjectRows], *, full: bool, whole: bool
) -> dict[str, Any]:
    """Return the images and SBOMs: those with open vulnerabilities first, in the order of `affected`."""
    positions = {name: number for number, name in enumerate(affected)}
    ordered = sorted(subjects, key=lambda subject: positions.get(id(subject.resource), len(positions)))
    shown = ordered if whole else ordered[:_SUBJECTS]
    sizes = [len(subject.open) for subject in shown]
    limit = max(sizes) if whole else fair_share(sizes, MAX_VULNERABILITIES) if full else _SHORT
    return {
        "limit": limit,
        "parts": [_describe_part(subject, affected.get(id(subject.resource)), limit) for subject in shown],
        "parts_more": len(ordered) - len(shown),
    }


def _count(parts: Iterable[SubjectRows]) -> dict[str, int]:
    rows = list(parts)
    return {
        "count": sum(len(row.levels) for row in rows),
        "fixable": sum(row.fixable for row in rows),
        "exploited": sum(row.exploited for row in rows),
    }


def _count_levels(levels: Iterable[Severity]) -> Iterator[dict[str, Any]]:
    """Yield the number of each priority that occurs, highest first."""
    counts = Counter(levels)
    for level in LEVELS:
        if counts[level]:
            yield {**level_entry(level), "count": counts[level]}


def _describe_upgrade(row: UpgradeRow, subject: VulnerableSubject) -> dict[str, Any]:
    levels: dict[str, Severity] = {}
    for entry in row.entries:
        levels[entry.id] = max(get_level(entry), levels.get(entry.id, Severity.UNKNOWN))
    return {
        **_describe_level(row.level),
        "package": line(row.package),
        "version": line(row.version),
        "fixed": line(row.fixed_version),
        "subject": line(subject.reference),
        "fixes": len(levels),
        "counts": list(_count_levels(levels.values())),
        "exploited": row.is_exploited,
        "remaining": row.remaining,
    }


def _describe_part(subject: VulnerableSubject, rows: SubjectRows | None, limit: int) -> dict[str, Any]:
    """Return an image or SBOM with its first vulnerabilities; `rows` is None if it has no open one."""
    source = subject.resource.source
    file = source.path if source is not None and source.path != subject.reference else ""
    running = [f"run by {describe_container(container)}" for container in subject.containers[:_CONTAINERS]]
    if len(subject.containers) > _CONTAINERS:
        running.append(f"and by {count_noun(len(subject.containers) - _CONTAINERS, 'more container')}")
    facts = (subject.distribution, subject.platform, subject.digest, file, subject.coverage.describe(), *running)
    return {
        **_count([rows] if rows is not None else []),
        "name": line(subject.reference),
        "facts": [line(fact) for fact in facts if fact],
        "levels": list(_count_levels(rows.levels if rows is not None else ())),
        "rows": [_describe_entry(entry) for entry in subject.open[:limit]],
        "more": max(0, len(subject.open) - limit),
        "gaps": [
            {
                "packages": count_noun(len(gap.packages), f"{line(gap.ecosystem)} package".strip()),
                "reason": paragraphs(gap.reason),
            }
            for gap in subject.unassessed
        ],
        **_describe_excepted(subject.excepted),
    }


def _describe_excepted(entries: Sequence[ReportedVulnerability]) -> dict[str, Any]:
    described = [
        {"id": line(entry.id), "package": line(f"{entry.package} {entry.version}"), **exception_entry(entry.exception)}
        for entry in entries[:_EXCEPTED]
        if entry.exception is not None
    ]
    return {"excepted": described, "excepted_more": max(0, len(entries) - _EXCEPTED)}


def _describe_entry(entry: ReportedVulnerability) -> dict[str, Any]:
    location = entry.path if entry.location is None else str(entry.location)
    title = entry.title if len(entry.title) <= _TITLE else f"{entry.title[:_TITLE]}…"
    return {
        **_describe_level(get_level(entry)),
        "id": line(entry.id),
        "link": link_to(entry.id) if entry.id.isascii() and entry.id.replace("-", "").isalnum() else "",
        "title": line(title),
        "package": line(entry.package),
        "version": line(entry.version),
        "place": line(location),
        "fixed": line(entry.fixed_version),
        "step": line(describe_step(entry)),
        "exploited": bool(entry.known_exploited),
    }


def _describe_level(level: Severity) -> dict[str, str]:
    return {"level": level.label, "ink": level.print_colour}
