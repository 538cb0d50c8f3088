"""An assessment as the data of the printed document, in the order of its chapters. Places nothing on a page."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.attack import AttackPath, Attacks
from kubekeep.model.exception import ExceptionStatus, ExceptionUse
from kubekeep.model.text import utc_text
from kubekeep.reports.pdf.details import Bounds, exception, framework, group, head, name
from kubekeep.reports.pdf.printed import LONGEST_PROSE, line, paragraphs
from kubekeep.reports.shared.content import Content, content, grade, risk
from kubekeep.reports.shared.wording import number, percent, scanned

_WORST: Final = 7
"""Failed controls that the summary names."""
_TARGETS: Final = 12
"""Targets that the cover names."""
_RUNNING: Final = 60
"""Characters of the first target in the head of each page."""
_UNREAD: Final = 500
"""Places not read, and notes, that are printed."""
_PATHS: Final = 20
"""Attack paths that are printed."""
_FEW, _NARROW = 2, 3
"""Paths, and steps of one, up to which their picture is drawn on an upright page."""


def document(assessment: Assessment, *, whole: bool) -> dict[str, Any]:
    """Everything that is printed; `whole` leaves no finding out however many there are."""
    told = content(assessment)
    return {
        **_cover(told),
        **_summary(told),
        **_findings(told, whole=whole),
        **_left_out(told),
        "attacks": _attacks(assessment.attacks) if assessment.attacks else None,
        "params": [
            [line(key), line(", ".join(values), LONGEST_PROSE)] for key, values in sorted(assessment.params.items())
        ],
        "controls": [_outcome(item) for item in assessment.controls],
    }


def _findings(told: Content, *, whole: bool) -> dict[str, Any]:
    bounds, excepted = Bounds(told.findings, whole=whole), Bounds(told.excepted, whole=whole)
    found = {item.summary.control.slug: item for item in told.findings}
    evidence = (item for entry in told.findings for one in entry.findings for item in one.evidence)
    return {
        "frameworks": [framework(part, found) for part in told.frameworks],
        "findings": [group(item, bounds) for item in told.findings],
        "per_control": bounds.resources,
        "excerpts": any(item.excerpt for item in evidence),
        "waived": [group(item, excepted) for item in told.excepted],
        "waivers": [_use(item) for item in told.assessment.exceptions if item.status is not ExceptionStatus.MATCHED],
    }


def _left_out(told: Content) -> dict[str, Any]:
    unread, notes = told.assessment.unread, told.assessment.notes
    gaps = [{"reason": paragraphs(gap.text), "controls": list(map(head, gap.controls))} for gap in told.gaps]
    return {
        "gaps": gaps,
        "idle": list(map(head, told.idle)),
        "unread": [
            {"place": line(str(item.location)), "message": line(item.message, LONGEST_PROSE)}
            for item in unread[:_UNREAD]
        ],
        "unread_more": max(0, len(unread) - _UNREAD),
        "notes": [line(note, LONGEST_PROSE) for note in notes[:_UNREAD]],
        "notes_more": max(0, len(notes) - _UNREAD),
    }


def _outcome(summary: ControlSummary) -> dict[str, Any]:
    said = head(summary)
    return {
        **said,
        "compliance": "" if summary.compliance is None else percent(summary.compliance),
        "not_evaluated": summary.counts.not_evaluated if said["status"] in {"failed", "passed"} else 0,
    }


def moment(assessment: Assessment) -> dt.datetime:
    """What the document is dated: the end of the scan, in whole seconds of UTC."""
    return dt.datetime.fromisoformat(utc_text(assessment.finished))


def _cover(told: Content) -> dict[str, Any]:
    assessment = told.assessment
    # One target alone may be a folder that only its name tells, such as `.`.
    paths = assessment.target.names
    targets = [line(path) for path in (paths if len(paths) > 1 else (told.title,))]
    finished = moment(assessment)
    evaluated = "fair" if assessment.coverage < 100 else "good"
    facts = [
        ("Assessed on", f"{finished:%Y-%m-%d %H:%M:%S} UTC"),
        *(() if assessment.target.cluster else (("In", line(assessment.target.base)),)),
        ("Input", line(scanned(assessment))),
        ("Against", line(", ".join(part.summary.framework.title for part in told.frameworks), LONGEST_PROSE)),
        ("Kubernetes", line(assessment.kubernetes_version)),
        ("Kubekeep", line(assessment.version)),
    ]
    return {
        "day": {"year": finished.year, "month": finished.month, "day": finished.day},
        "date": finished.date().isoformat(),
        "version": line(assessment.version),
        "running": line(told.title, _RUNNING),
        "targets": targets[:_TARGETS],
        "targets_more": max(0, len(targets) - _TARGETS),
        "facts": [[label, value] for label, value in facts if value],
        "figures": [
            _figure(
                "Compliance", percent(assessment.compliance), "on average over controls", grade(assessment.compliance)
            ),
            _figure("Coverage", percent(assessment.coverage), "of controls that apply were evaluated", evaluated),
            _figure("Risk score", risk(assessment.score), "0 is best, 100 is worst", "unknown"),
            _figure("Findings", f"{told.total:,}", f"in {number(assessment.counts.failed, 'resource')}", "unknown"),
        ],
        "cautions": list(told.cautions),
    }


def _figure(label: str, value: str, note: str, mark: str) -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "grade": mark}


def _summary(told: Content) -> dict[str, Any]:
    counts = told.counts
    most = max([1, *(item.findings for item in told.severities)])
    return {
        "severities": [
            {
                "label": item.level.label,
                "ink": item.level.ink,
                "controls": item.controls,
                "findings": item.findings,
                "share": 100 * item.findings / most,
            }
            for item in told.severities
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
        "total": told.total,
        "worst": [
            {
                **head(item.summary),
                "place": line(str(item.findings[0].place)) if item.findings[0].place else "",
                "name": name(item.findings[0].resource),
            }
            for item in told.findings[:_WORST]
        ],
    }


def _use(item: ExceptionUse) -> dict[str, Any]:
    return {**exception(item.exception), "status": item.status.value, "text": line(item.text, LONGEST_PROSE)}


def _attacks(attacks: Attacks) -> dict[str, Any]:
    return {
        "paths": [_path(item) for item in attacks.paths[:_PATHS]],
        "more": len(attacks.paths[_PATHS:]) + attacks.left_out,
        "wide": len(attacks.paths) > _FEW and any(len(path.edges) > _NARROW for path in attacks.paths),
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
        "ink": path.severity.ink,
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
