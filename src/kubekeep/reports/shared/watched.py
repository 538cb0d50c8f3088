"""What a watch tells, in lines for people, for programs and for Prometheus. Texts of the cluster steer no terminal."""

from __future__ import annotations

from typing import Any, Final, TextIO

from kubekeep.model.finding import Verdict
from kubekeep.model.text import json_text, visible
from kubekeep.model.watch import Began, Figures, Happening, Shown, Turn, Turned, Unmatched

_WORDS: Final = {
    Turn.FAILED: "FAILED",
    Turn.MENDED: "mended",
    Turn.ACCEPTED: "accepted",
    Turn.GONE: "gone",
    Turn.UNKNOWN: "unknown",
}


def line(happening: Happening) -> str:
    """One line for people."""
    clock = happening.at.astimezone().strftime("%H:%M:%S")
    match happening:
        case Began():
            missing = f", {happening.gaps} kinds not shown" if happening.gaps else ""
            text = (
                f"watching {happening.cluster}: {happening.objects:,} objects, {happening.failed:,} findings{missing}"
            )
        case Shown():
            word = "shown again" if happening.again else f"not shown: {happening.gap.text}"
            text = f"{happening.gap.permission}: {word}"
        case Unmatched():
            text = happening.text
        case Turned():
            control = happening.control
            text = f"{_WORDS[happening.turn]:8} {control.level.label:8} {happening.resource.label}: {control.title}"
            text += f" ({control.id}){_why(happening.turn, happening.verdict)}"
    return f"{clock} {visible(text)}"


def _why(turn: Turn, verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    if turn is Turn.FAILED:
        first = next((item for item in verdict.evidence if item.waiver is None), None)
        words = [first.path, first.note] if first else []
        more = f" and {len(verdict.evidence) - 1} more" if len(verdict.evidence) > 1 else ""
        return f": {', '.join(filter(None, words))}{more}" if any(words) else ""
    return f": {verdict.reason.text}" if verdict.reason else ""


def document(happening: Happening) -> str:
    """One line of JSON for programs."""
    found: dict[str, Any] = {"time": happening.at.isoformat()}
    match happening:
        case Began():
            found |= {"event": "began", "cluster": happening.cluster, "objects": happening.objects}
            found |= {"findings": happening.failed, "notShown": happening.gaps}
        case Shown():
            gap = happening.gap
            found |= {"event": "shown" if happening.again else "notShown", "permission": gap.permission, "why": gap.why}
        case Unmatched():
            found |= {"event": "unmatched", "message": happening.text}
        case Turned():
            found |= {"event": happening.turn.value, **_turned(happening)}
    return json_text(found)


def _turned(happening: Turned) -> dict[str, Any]:
    control, resource, verdict = happening.control, happening.resource, happening.verdict
    found: dict[str, Any] = {
        "control": {"id": control.id, "name": control.slug, "title": control.title, "severity": control.level.label},
        "resource": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": resource.namespace,
            "name": resource.name,
        },
    }
    if resource.related:
        found["resource"]["related"] = [item.label for item in resource.related]
    if verdict is not None:
        found["status"] = verdict.status.value
        found["evidence"] = [
            {"path": item.path, "message": item.message, **({"fix": item.fix} if item.fix is not None else {})}
            for item in verdict.evidence
        ]
        if verdict.reason is not None:
            found["reason"] = verdict.reason.text
    return found


def write_figures(figures: Figures, stream: TextIO) -> None:
    """The figures in the text format of Prometheus."""
    for name, kind, text, value in (
        ("objects", "gauge", "Objects that are being watched.", figures.objects),
        ("events_total", "counter", "Objects that came, changed or went.", figures.events),
        ("last_event_timestamp_seconds", "gauge", "When the last of them did.", figures.last_event),
        (
            "lists_total",
            "counter",
            "Lists of all objects of a kind, the first ones and those after a loss.",
            figures.lists,
        ),
        ("disconnects_total", "counter", "Streams that broke off, and requests without an answer.", figures.lost),
        ("gaps", "gauge", "What the cluster does not show.", figures.gaps),
        ("current", "gauge", "Whether everything else is being followed at this moment.", int(figures.is_current)),
        ("assessments_total", "counter", "How often something was judged again.", figures.assessments),
        ("assess_seconds_total", "counter", "How long that took.", figures.assess_seconds),
        ("turns_total", "counter", "Verdicts that changed.", figures.turns),
    ):
        full = f"kubekeep_watch_{name}"
        stream.write(f"# HELP {full} {text}\n# TYPE {full} {kind}\n{full} {value!r}\n")
