"""An assessment as the data of the printed document, in the order of its chapters. No layout."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.attack import AttackPath, Attacks
from kubekeep.model.exception import ExceptionStatus, ExceptionUse
from kubekeep.model.text import utc_text
from kubekeep.reports.pdf.details import (
    Bounds,
    brief_entry,
    control_entry,
    control_head,
    display_name,
    exception_entry,
    framework_entry,
    sort_by_priority,
)
from kubekeep.reports.pdf.printed import LONGEST_PROSE, line, paragraphs
from kubekeep.reports.shared.content import ReportContent, build_content, grade, risk
from kubekeep.reports.shared.wording import count_noun, describe_input, percent

_WORST: Final = 7
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
    report = build_content(assessment)
    params = sorted(assessment.params.items()) if full else ()
    return {
        "full": full,
        "brief": [brief_entry(group) for group in sort_by_priority(report.findings)],
        **_cover(report),
        **_summary(report),
        **_findings(report, full=full, whole=whole),
        **_left_out(report),
        "attacks": _attacks(assessment.attacks) if assessment.attacks else None,
        "params": [[line(key), line(", ".join(values), LONGEST_PROSE)] for key, values in params],
        "controls": [_outcome(summary) for summary in assessment.controls] if full else [],
    }


def _findings(report: ReportContent, *, full: bool, whole: bool) -> dict[str, Any]:
    bounds, excepted = Bounds(report.findings, whole=whole), Bounds(report.excepted, whole=whole)
    findings_by_control = {group.summary.control.slug: group for group in report.findings}
    evidence = (evidence for group in report.findings for finding in group.findings for evidence in finding.evidence)
    return {
        "frameworks": [framework_entry(part, findings_by_control, full=full) for part in report.frameworks],
        "findings": [control_entry(group, bounds) for group in report.findings] if full else [],
        "per_control": bounds.resources,
        "excerpts": any(entry.excerpt for entry in evidence),
        "waived": [control_entry(group, excepted) for group in report.excepted],
        "waivers": [_use(use) for use in report.assessment.exceptions if use.status is not ExceptionStatus.MATCHED],
    }


def _left_out(report: ReportContent) -> dict[str, Any]:
    unread, notes = report.assessment.unread, report.assessment.notes
    gaps = [{"reason": paragraphs(gap.text), "controls": list(map(control_head, gap.controls))} for gap in report.gaps]
    return {
        "gaps": gaps,
        "idle": list(map(control_head, report.idle)),
        "unread": [
            {"place": line(str(place.location)), "message": line(place.message, LONGEST_PROSE)}
            for place in unread[:_UNREAD]
        ],
        "unread_more": max(0, len(unread) - _UNREAD),
        "notes": [line(note, LONGEST_PROSE) for note in notes[:_UNREAD]],
        "notes_more": max(0, len(notes) - _UNREAD),
    }


def _outcome(summary: ControlSummary) -> dict[str, Any]:
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
    evaluated = "fair" if assessment.coverage < 100 else "good"
    facts = [
        ("Assessed on", f"{finished:%Y-%m-%d %H:%M:%S} UTC"),
        *(() if assessment.target.cluster else (("In", line(assessment.target.base)),)),
        ("Input", line(describe_input(assessment))),
        ("Against", line(", ".join(part.summary.framework.title for part in report.frameworks), LONGEST_PROSE)),
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
        "figures": [
            _figure(
                "Compliance", percent(assessment.compliance), "on average over controls", grade(assessment.compliance)
            ),
            _figure("Coverage", percent(assessment.coverage), "of controls that apply were evaluated", evaluated),
            _figure("Risk score", risk(assessment.score), "0 is best, 100 is worst", "unknown"),
            _figure(
                "Findings", f"{report.total:,}", f"in {count_noun(assessment.counts.failed, 'resource')}", "unknown"
            ),
        ],
        "cautions": list(report.cautions),
    }


def _figure(label: str, value: str, note: str, grade_name: str) -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "grade": grade_name}


def _summary(report: ReportContent) -> dict[str, Any]:
    counts = report.counts
    most = max([1, *(severity.findings for severity in report.severities)])
    return {
        "severities": [
            {
                "label": severity.level.label,
                "ink": severity.level.print_colour,
                "controls": severity.controls,
                "findings": severity.findings,
                "share": 100 * severity.findings / most,
            }
            for severity in report.severities
        ],
        "statuses": [
            {"label": label, "kind": kind, "count": count, "share": 100 * count / max(1, counts.total)}
            for label, kind, count in (
                ("failed", "failed", counts.failed),
                ("passed", "passed", counts.passed),
                ("not evaluated", "gap", counts.gaps),
                ("nothing to look at", "idle", counts.idle),
            )
        ],
        "total": report.total,
        "worst": [
            {
                **control_head(group.summary),
                "place": line(str(group.findings[0].location)) if group.findings[0].location else "",
                "name": display_name(group.findings[0].resource),
            }
            for group in report.findings[:_WORST]
        ],
    }


def _use(use: ExceptionUse) -> dict[str, Any]:
    return {**exception_entry(use.exception), "status": use.status.value, "text": line(use.text, LONGEST_PROSE)}


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
