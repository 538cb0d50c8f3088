"""What a watch tells, in lines for people, for programs and for Prometheus. Texts of the cluster steer no terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final, TextIO

from kubekeep.model.text import json_text, visible
from kubekeep.model.watch import (
    ConnectionChanged,
    CoverageChanged,
    UnmatchedName,
    VerdictChange,
    VerdictChanged,
    WatchEvent,
    WatchMetrics,
    WatchStarted,
)

_WORDS: Final = {
    VerdictChange.FAILED: "FAILED",
    VerdictChange.FIXED: "mended",
    VerdictChange.ACCEPTED: "accepted",
    VerdictChange.GONE: "gone",
    VerdictChange.UNKNOWN: "unknown",
}


_NARROW: Final = 40
"""Characters that text has in a line at least."""


def lines(happened: Sequence[WatchEvent], width: int | None = None) -> Iterator[str]:
    """Lines for people on what has happened at one moment.

    Each says all by itself, for logs; at a terminal `width` characters wide, what has become of an object stands below
    its name. All that is gone with an object, or unknown, is one line.
    """
    found = [item for item in happened if isinstance(item, VerdictChanged)]
    for item in happened:
        if not isinstance(item, VerdictChanged):
            yield from _wrapped(f"{_clock(item)} ", _said(item), width)
    objects: dict[str, list[VerdictChanged]] = {}
    for turned in found:
        objects.setdefault(turned.resource.id, []).append(turned)
    for turns in objects.values():
        label, clock = turns[0].resource.label, f"{_clock(turns[0])} "
        if width is None:
            for head, text in _below(turns, whole=True):
                yield from _wrapped(f"{clock}{head}", f"{label}: {text}", None)
        else:
            yield from _wrapped(clock, label, width)
            for head, text in _below(turns, whole=False):
                yield from _wrapped(f"  {head}", text, width)


def _below(turns: Sequence[VerdictChanged], *, whole: bool) -> Iterator[tuple[str, str]]:
    """What has become of one object, what went with it in one: word and severity, and what it is about."""
    gone = [item for item in turns if item.verdict is None]
    for item in turns:
        head = f"{_WORDS[item.change]:8} {item.control.level.label:8} "
        if item.verdict is not None or len(gone) == 1:
            why = _why(item, whole=whole)
            yield head, f"{item.control.title} ({item.control.id}){f': {why}' if why else ''}"
        elif item is gone[0]:
            yield head, f"{len(gone)} findings: {', '.join(one.control.id for one in gone)}"


def _wrapped(head: str, text: str, width: int | None) -> Iterator[str]:
    """`head` and `text` in one line, or below each other where that is wider than a terminal."""
    shown = visible(text)
    if width is None:
        yield f"{head}{shown}"
        return
    pieces = textwrap.wrap(shown, max(width - len(head), _NARROW), break_on_hyphens=False)
    for number, piece in enumerate(pieces or [""]):
        yield f"{head if number == 0 else ' ' * len(head)}{piece}"


def _clock(happening: WatchEvent) -> str:
    return f"{happening.at.astimezone():%H:%M:%S}"


def _said(happening: WatchStarted | CoverageChanged | ConnectionChanged | UnmatchedName) -> str:
    match happening:
        case WatchStarted():
            missing = f", {_number(happening.gaps, 'kind')} not shown" if happening.gaps else ""
            objects, findings = _number(happening.objects, "object"), _number(happening.failed, "finding")
            return f"watching {happening.cluster}: {objects}, {findings}{missing}"
        case ConnectionChanged():
            return (
                f"the cluster cannot be followed: {happening.why}" if happening.why else "following the cluster again"
            )
        case CoverageChanged():
            word = "shown again" if happening.is_restored else f"not shown: {happening.gap.text}"
            return f"{happening.gap.permission}: {word}"
        case UnmatchedName():
            return happening.text


def _number(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _why(turned: VerdictChanged, *, whole: bool) -> str:
    """Where and why a verdict is as it is; where there is not room for the `whole`, the place is left out if there is a reason."""
    verdict = turned.verdict
    if verdict is None:
        return ""
    if turned.change is not VerdictChange.FAILED:
        return verdict.reason.text if verdict.reason else ""
    first = next((item for item in verdict.evidence if item.exception is None), None)
    words = [word for word in (first.path, first.note) if word] if first else []
    more = f" and {len(verdict.evidence) - 1} more" if len(verdict.evidence) > 1 else ""
    return f"{', '.join(words if whole else words[-1:])}{more}" if words else ""


def documents(happened: Sequence[WatchEvent]) -> Iterator[str]:
    """Lines of JSON for programs on what has happened at one moment, one each."""
    return map(_document, happened)


def _document(happening: WatchEvent) -> str:
    found: dict[str, Any] = {"time": happening.at.isoformat()}
    match happening:
        case WatchStarted():
            found |= {"event": "began", "cluster": happening.cluster, "objects": happening.objects}
            found |= {"findings": happening.failed, "notShown": happening.gaps}
        case ConnectionChanged():
            found |= {"event": "lost", "why": happening.why} if happening.why else {"event": "resumed"}
        case CoverageChanged():
            gap = happening.gap
            found |= {
                "event": "shown" if happening.is_restored else "notShown",
                "permission": gap.permission,
                "why": gap.why,
            }
        case UnmatchedName():
            found |= {"event": "unmatched", "message": happening.text}
        case VerdictChanged():
            found |= {"event": happening.change.value, **_turned(happening)}
    return json_text(found)


def _turned(happening: VerdictChanged) -> dict[str, Any]:
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


def write_figures(figures: WatchMetrics, stream: TextIO) -> None:
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
        ("turns_total", "counter", "Verdicts that changed.", figures.changes),
    ):
        full = f"kubekeep_watch_{name}"
        stream.write(f"# HELP {full} {text}\n# TYPE {full} {kind}\n{full} {value!r}\n")
