"""An assessment as the data of the printed document, in the order of its chapters. No layout."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.attack import AttackPath, Attacks
from kubekeep.model.exception import ExceptionStatus
from kubekeep.model.text import utc_text
from kubekeep.reports.pdf.details import (
    Bounds,
    brief_entry,
    control_entry,
    control_head,
    display_name,
    exception_entry,
    framework_entry,
    level_entry,
)
from kubekeep.reports.pdf.printed import LONGEST_PROSE, line, paragraphs
from kubekeep.reports.pdf.vulnerabilities import describe_vulnerabilities
from kubekeep.reports.shared.affected_packages import has_only_vulnerabilities
from kubekeep.reports.shared.content import ReportContent, build_content, grade, known_score, risk
from kubekeep.reports.shared.wording import count_noun, describe_input, percent

_FIRST: Final = 5
"""Maximum number of failed controls in the summary."""
_TARGETS: Final = 12
"""Maximum number of targets on the cover."""
_MAX_RUNNING_TITLE: Final = 60
"""Maximum characters of the first target in the page header."""
_UNREAD: Final = 500
"""Maximum number of unread inputs, and of notes."""
_PATHS: Final = 20
"""Maximum number of attack paths."""
_NARROW_PATHS, _NARROW_STEPS = 2, 3
"""Maximum paths, and steps of a path, for a picture on an upright page."""


def build_document(assessment: Assessment, *, full: bool, whole: bool) -> dict[str, Any]:
    """Return the data of the document; `full` includes the texts and findings of controls, `whole` all of them."""
    vulnerabilities = describe_vulnerabilities(assessment, full=full, whole=whole)
    only_vulnerabilities = has_only_vulnerabilities(assessment)
    assessment = msgspec.structs.replace(assessment, summaries=assessment.controls)
    report = build_content(assessment)
    params = sorted(assessment.params.items()) if full else ()
    return {
        "full": full,
        "brief": [brief_entry(group) for group in report.findings],
        **_cover(report),
        "figures": list(_list_figures(report, vulnerabilities, only_vulnerabilities=only_vulnerabilities)),
        "vulnerabilities": vulnerabilities,
        "only_vulnerabilities": only_vulnerabilities,
        **_summary(report),
        **_findings(report, full=full, whole=whole),
        **({"frameworks": []} if only_vulnerabilities else {}),
        **_not_evaluated(report),
        "attacks": _attacks(assessment.attacks) if assessment.attacks and not only_vulnerabilities else None,
        "params": [[line(key), line(", ".join(values), LONGEST_PROSE)] for key, values in params],
        "controls": [_outcome(summary) for summary in assessment.summaries] if full else [],
    }


def _findings(report: ReportContent, *, full: bool, whole: bool) -> dict[str, Any]:
    bounds, excepted = Bounds(report.findings, whole=whole), Bounds(report.excepted, whole=whole)
    findings_by_control = {group.summary.definition.slug: group for group in report.findings}
    evidence = (evidence for group in report.findings for finding in group.findings for evidence in finding.evidence)
    return {
        "frameworks": [framework_entry(part, findings_by_control, full=full) for part in report.frameworks],
        "findings": [control_entry(group, bounds) for group in report.findings] if full else [],
        "per_control": bounds.resources,
        "excerpts": any(entry.excerpt for entry in evidence),
        "excepted": [control_entry(group, excepted) for group in report.excepted],
        "idle_exceptions": [
            {**exception_entry(use.exception), "status": use.status.value, "text": line(use.text, LONGEST_PROSE)}
            for use in report.assessment.exceptions
            if use.status is not ExceptionStatus.MATCHED
        ],
    }


def _not_evaluated(report: ReportContent) -> dict[str, Any]:
    unread = report.assessment.unread
    notes = (
        *(f"not assessed: {part.location}: {part.message}" for part in report.assessment.unassessed),
        *report.assessment.notes,
    )
    gaps = [{"reason": paragraphs(gap.text), "controls": list(map(control_head, gap.controls))} for gap in report.gaps]
    return {
        "gaps": gaps,
        "idle": list(map(control_head, report.idle)),
        "unread": [
            {"place": line(str(entry.location)), "message": line(entry.message, LONGEST_PROSE)}
            for entry in unread[:_UNREAD]
        ],
        "unread_more": max(0, len(unread) - _UNREAD),
        "notes": [line(note, LONGEST_PROSE) for note in notes[:_UNREAD]],
        "notes_more": max(0, len(notes) - _UNREAD),
    }


def _outcome(summary: DefinitionSummary) -> dict[str, Any]:
    entry = control_head(summary)
    return {
        **entry,
        "compliance": "" if summary.compliance is None else percent(summary.compliance),
        "not_evaluated": summary.counts.not_evaluated if entry["status"] in {"failed", "passed"} else 0,
    }


def document_date(assessment: Assessment) -> dt.datetime:
    """Return the date of the document: the end of the scan, in whole seconds of UTC."""
    return dt.datetime.fromisoformat(utc_text(assessment.finished))


def _cover(report: ReportContent) -> dict[str, Any]:
    assessment = report.assessment
    # A single target may be a folder such as `.` without a name of its own.
    paths = assessment.target.names
    targets = [line(path) for path in (paths if len(paths) > 1 else (report.title,))]
    finished = document_date(assessment)
    facts = [
        ("Assessed on", f"{finished:%Y-%m-%d %H:%M:%S} UTC"),
        *(() if assessment.target.cluster else (("Folder", line(assessment.target.base)),)),
        ("Input", line(describe_input(assessment))),
        ("Frameworks", line(", ".join(part.summary.framework.title for part in report.frameworks), LONGEST_PROSE)),
        ("Kubernetes", line(assessment.kubernetes_version)),
        ("Kubekeep", line(assessment.version)),
    ]
    return {
        "day": {"year": finished.year, "month": finished.month, "day": finished.day},
        "date": finished.date().isoformat(),
        "version": line(assessment.version),
        "running": line(report.title, _MAX_RUNNING_TITLE),
        "targets": targets[:_TARGETS],
        "targets_more": max(0, len(targets) - _TARGETS),
        "facts": [[label, value] for label, value in facts if value],
        "cautions": list(report.cautions),
    }


def _list_figures(
    report: ReportContent, vulnerabilities: dict[str, Any] | None, *, only_vulnerabilities: bool
) -> Iterator[dict[str, str]]:
    """Yield the figures of the controls, unless there are only vulnerabilities, and those of the vulnerabilities."""
    assessment = report.assessment
    if not only_vulnerabilities:
        resources = {id(finding.subject) for group in report.findings for finding in group.findings}
        # The assessment counts resources with vulnerabilities as failed too.
        failed = assessment.counts.failed if vulnerabilities is None else len(resources)
        evaluated = "fair" if assessment.coverage < 100 else "good"
        yield _figure(
            "Compliance", percent(assessment.compliance), "average of the controls", grade(assessment.compliance)
        )
        yield _figure("Coverage", percent(assessment.coverage), "of applicable controls", evaluated)
        yield _figure("Risk score", risk(known_score(assessment)), "0 is best, 100 is worst", "unknown")
        yield _figure("Findings", f"{report.total:,}", f"in {count_noun(failed, 'resource')}", "unknown")
    if vulnerabilities is not None:
        yield from _list_vulnerability_figures(vulnerabilities, only_vulnerabilities=only_vulnerabilities)


def _list_vulnerability_figures(
    vulnerabilities: dict[str, Any], *, only_vulnerabilities: bool
) -> Iterator[dict[str, str]]:
    """Yield the figures of the vulnerabilities; one alone if no package was compared with advisories."""
    if vulnerabilities["is_unknown"]:
        yield _figure("Vulnerabilities", "not known", vulnerabilities["coverage"], "unknown")
        return
    affected = vulnerabilities["affected"]
    images = f"in {affected:,} image{'s and SBOMs' if affected != 1 else ' or SBOM'}" if affected else "none is known"
    context = ", ".join(filter(None, (images, vulnerabilities["coverage"])))
    yield _figure("Vulnerabilities", f"{vulnerabilities['count']:,}", context, "unknown")
    if only_vulnerabilities:
        grade_name = "poor" if vulnerabilities["exploited"] else "unknown"
        yield _figure("With a fix", f"{vulnerabilities['fixable']:,}", "a fixed version is known", "unknown")
        yield _figure("Exploited", f"{vulnerabilities['exploited']:,}", "known to be exploited (KEV)", grade_name)


def _figure(label: str, value: str, note: str, grade_name: str) -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "grade": grade_name}


def _summary(report: ReportContent) -> dict[str, Any]:
    counts = report.counts
    return {
        "levels": list(_levels(report)),
        "statuses": [
            {"label": label, "kind": kind, "count": count, "share": 100 * count / max(1, counts.total)}
            for label, kind, count in (
                ("failed", "failed", counts.failed),
                ("passed", "passed", counts.passed),
                ("not evaluated", "gap", counts.gaps),
                ("no matching resources", "idle", counts.idle),
            )
        ],
        "total": report.total,
        "first": [
            {
                **control_head(group.summary),
                "priority": level_entry(group.level),
                "place": line(str(group.findings[0].location)) if group.findings[0].location else "",
                "name": display_name(group.findings[0].subject),
            }
            for group in report.findings[:_FIRST]
        ],
    }


def _levels(report: ReportContent) -> Iterator[dict[str, Any]]:
    """Yield the numbers of findings and failed controls of each level, by priority and by severity."""
    most_urgent = max([1, *(entry.urgent for entry in report.levels)])
    most_severe = max([1, *(entry.findings for entry in report.levels)])
    for entry in report.levels:
        yield {
            **level_entry(entry.level),
            "priority_findings": entry.urgent,
            "priority_share": 100 * entry.urgent / most_urgent,
            "controls": entry.controls,
            "findings": entry.findings,
            "share": 100 * entry.findings / most_severe,
        }


def _attacks(attacks: Attacks) -> dict[str, Any]:
    return {
        "paths": [_path(path) for path in attacks.paths[:_PATHS]],
        "more": len(attacks.paths[_PATHS:]) + attacks.unlisted_path_count,
        "wide": len(attacks.paths) > _NARROW_PATHS and any(len(path.edges) > _NARROW_STEPS for path in attacks.paths),
        "cuts": [
            {
                "step": line(f"{cut.edge.source.label} → {cut.edge.target.label}"),
                "why": [line(opening.text) for opening in cut.edge.openings],
                "paths": cut.count,
            }
            for cut in attacks.cuts
        ],
        "notes": [line(note, LONGEST_PROSE) for note in attacks.notes],
    }


def _path(path: AttackPath) -> dict[str, Any]:
    return {
        "level": path.severity.label,
        "ink": path.severity.print_colour,
        "title": line(f"{path.source.label} → {path.target.label}"),
        "steps": [
            {
                "to": line(edge.target.label),
                "openings": [
                    {
                        "text": line(opening.text),
                        "place": line(str(opening.location)) if opening.location else "",
                        "controls": line(", ".join(control.id for control in opening.controls)),
                    }
                    for opening in edge.openings
                ],
            }
            for edge in path.edges
        ],
        "assumptions": [line(text, LONGEST_PROSE) for text in path.assumptions],
    }
