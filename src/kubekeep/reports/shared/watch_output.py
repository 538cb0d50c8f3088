"""Output of `watch`: lines for people, JSON lines, and Prometheus metrics. Control characters are escaped."""

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
from kubekeep.reports.shared.wording import count_noun

_WORDS: Final = {
    VerdictChange.FAILED: "FAILED",
    VerdictChange.FIXED: "fixed",
    VerdictChange.EXCEPTED: "excepted",
    VerdictChange.GONE: "removed",
    VerdictChange.UNKNOWN: "unknown",
}
_MIN_WIDTH: Final = 40
"""Minimum number of characters for text on a line."""


def event_lines(events: Sequence[WatchEvent], width: int | None = None) -> Iterator[str]:
    """Yield lines for people on the events of one moment.

    Without a width, each line is complete in itself, for logs. With a terminal width, the changes of a resource are
    listed below its name. All findings of a deleted or no longer visible resource share one line.
    """
    verdict_changes = [event for event in events if isinstance(event, VerdictChanged)]
    for event in events:
        if not isinstance(event, VerdictChanged):
            yield from _wrapped(f"{_clock(event)} ", _describe(event), width)
    objects: dict[str, list[VerdictChanged]] = {}
    for change in verdict_changes:
        objects.setdefault(change.resource.id, []).append(change)
    for changes in objects.values():
        label, clock = changes[0].resource.label, f"{_clock(changes[0])} "
        if width is None:
            for head, text in _describe_changes(changes, whole=True):
                yield from _wrapped(f"{clock}{head}", f"{label}: {text}", None)
        else:
            yield from _wrapped(clock, label, width)
            for head, text in _describe_changes(changes, whole=False):
                yield from _wrapped(f"  {head}", text, width)


def _describe_changes(changes: Sequence[VerdictChanged], *, whole: bool) -> Iterator[tuple[str, str]]:
    """Yield the changes of a resource as status with severity, and text; findings without a verdict share one entry."""
    disappeared = [change for change in changes if change.verdict is None]
    for change in changes:
        head = f"{_WORDS[change.change]:8} {change.control.level.label:8} "
        if change.verdict is not None or len(disappeared) == 1:
            explanation = _explain(change, whole=whole)
            yield head, f"{change.control.title} ({change.control.id}){f': {explanation}' if explanation else ''}"
        elif change is disappeared[0]:
            yield head, f"{len(disappeared)} findings: {', '.join(other.control.id for other in disappeared)}"


def _wrapped(head: str, text: str, width: int | None) -> Iterator[str]:
    """Yield head and text on one line, or wrapped to the width of a terminal."""
    visible_text = visible(text)
    if width is None:
        yield f"{head}{visible_text}"
        return
    pieces = textwrap.wrap(visible_text, max(width - len(head), _MIN_WIDTH), break_on_hyphens=False)
    for number, piece in enumerate(pieces or [""]):
        yield f"{head if number == 0 else ' ' * len(head)}{piece}"


def _clock(event: WatchEvent) -> str:
    return f"{event.at.astimezone():%H:%M:%S}"


def _describe(event: WatchStarted | CoverageChanged | ConnectionChanged | UnmatchedName) -> str:
    match event:
        case WatchStarted():
            missing = f", {count_noun(event.gaps, 'coverage gap')}" if event.gaps else ""
            objects, findings = count_noun(event.objects, "object"), count_noun(event.failed, "finding")
            return f"watching {event.cluster}: {objects}, {findings}{missing}"
        case ConnectionChanged():
            return (
                f"connection to the cluster lost: {event.reason}"
                if event.reason
                else "connection to the cluster restored"
            )
        case CoverageChanged():
            word = "available again" if event.is_restored else f"not available: {event.gap.text}"
            return f"{event.gap.permission}: {word}"
        case UnmatchedName():
            return event.text


def _explain(change: VerdictChanged, *, whole: bool) -> str:
    """Return the field path and message, or the reason, of a verdict; the path only if `whole` or without a message."""
    verdict = change.verdict
    if verdict is None:
        return ""
    if change.change is not VerdictChange.FAILED:
        return verdict.reason.text if verdict.reason else ""
    first = next((evidence for evidence in verdict.evidence if evidence.exception is None), None)
    words = [word for word in (first.path, first.note) if word] if first else []
    more = f" and {len(verdict.evidence) - 1} more" if len(verdict.evidence) > 1 else ""
    return f"{', '.join(words if whole else words[-1:])}{more}" if words else ""


def json_lines(events: Sequence[WatchEvent]) -> Iterator[str]:
    """Yield the events of one moment as JSON, one line each."""
    return map(_document, events)


def _document(event: WatchEvent) -> str:
    document: dict[str, Any] = {"time": event.at.isoformat()}
    match event:
        case WatchStarted():
            document |= {"event": "began", "cluster": event.cluster, "objects": event.objects}
            document |= {"findings": event.failed, "notShown": event.gaps}
        case ConnectionChanged():
            document |= {"event": "lost", "why": event.reason} if event.reason else {"event": "resumed"}
        case CoverageChanged():
            gap = event.gap
            document |= {
                "event": "shown" if event.is_restored else "notShown",
                "permission": gap.permission,
                "why": gap.reason,
            }
        case UnmatchedName():
            document |= {"event": "unmatched", "message": event.text}
        case VerdictChanged():
            document |= {"event": event.change.value, **_describe_verdict_change(event)}
    return json_text(document)


def _describe_verdict_change(event: VerdictChanged) -> dict[str, Any]:
    control, resource, verdict = event.control, event.resource, event.verdict
    document: dict[str, Any] = {
        "control": {"id": control.id, "name": control.slug, "title": control.title, "severity": control.level.label},
        "resource": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": resource.namespace,
            "name": resource.name,
        },
    }
    if resource.related:
        document["resource"]["related"] = [related.label for related in resource.related]
    if verdict is not None:
        document["status"] = verdict.status.value
        document["evidence"] = [
            {
                "path": evidence.path,
                "message": evidence.message,
                **({"fix": evidence.fix} if evidence.fix is not None else {}),
            }
            for evidence in verdict.evidence
        ]
        if verdict.reason is not None:
            document["reason"] = verdict.reason.text
    return document


def write_metrics(metrics: WatchMetrics, stream: TextIO) -> None:
    """Write the watch metrics in the Prometheus text format."""
    for name, kind, text, value in (
        ("objects", "gauge", "Watched resources.", metrics.objects),
        ("events_total", "counter", "Events of added, changed and deleted resources.", metrics.events),
        ("last_event_timestamp_seconds", "gauge", "Time of the last event, in seconds since 1970.", metrics.last_event),
        (
            "lists_total",
            "counter",
            "Requests that listed all resources of a kind, at the start and after a lost connection.",
            metrics.lists,
        ),
        ("disconnects_total", "counter", "Lost watch streams and failed requests.", metrics.lost),
        ("gaps", "gauge", "Coverage gaps: kinds that could not be listed.", metrics.gaps),
        (
            "current",
            "gauge",
            "1 if all other kinds are being watched at this moment, otherwise 0.",
            int(metrics.is_current),
        ),
        ("assessments_total", "counter", "Evaluations after changes.", metrics.assessments),
        ("assess_seconds_total", "counter", "Total duration of these evaluations, in seconds.", metrics.assess_seconds),
        ("turns_total", "counter", "Verdicts that changed.", metrics.changes),
    ):
        metric_name = f"kubekeep_watch_{name}"
        stream.write(f"# HELP {metric_name} {text}\n# TYPE {metric_name} {kind}\n{metric_name} {value!r}\n")
