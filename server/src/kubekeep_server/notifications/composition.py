"""Messages from what events have changed. Reads nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from kubekeep.model.text import visible
from kubekeep_server.notifications.messages import Line, Message, Section
from kubekeep_server.store.queries.due_findings import DueFindings
from kubekeep_server.store.queries.event_changes import ChangedFinding, SourceChanges
from kubekeep_server.store.queries.findings import FindingRow
from kubekeep_server.store.queries.pages import MAX_LIMIT
from kubekeep_server.store.rule_documents import RuleEvent
from kubekeep_server.store.urgency import SEVERITY_NAMES

_DIGITS: Final = 32
_LONGEST: Final = 300
_LISTED: Final = 10
_VERBS: Final = {
    RuleEvent.FINDING_OPENED: "opened",
    RuleEvent.FINDING_REOPENED: "reopened",
    RuleEvent.FINDING_FIXED: "fixed",
    RuleEvent.ADVISORY_NEW: "opened by new advisories",
    RuleEvent.COVERAGE_LOST: "not seen by the last scan",
}


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that all messages of a delivery share. address: of the server for its users, without a slash at the end."""

    id: str
    rule: int
    rule_name: str
    address: str
    moment: dt.datetime


def compute_key(rule: int, source: str, definition: str) -> str:
    """Return the identity of a problem at the destinations of a rule. source: its key. definition: empty for several."""
    text = f"{rule}\n{source}\n{definition}"
    return hashlib.blake2b(text.encode(), digest_size=_DIGITS // 2).hexdigest()


def compose_changes(frame: Frame, changes: SourceChanges, definition: str, resolved: tuple[str, ...] = ()) -> Message:
    """Return the message about findings of one source. definition: the one that it is about; empty for several.

    resolved: definitions of which nothing is open any more; the empty one stands for all that the rule selects.
    """
    first = changes.rows[0]
    query = {"source": str(changes.source), **({"definition": first.definition} if len(changes.counts) == 1 else {})}
    url = first.path if changes.total == 1 else f"/findings?{urlencode(query)}"
    return Message(
        id=frame.id,
        key=compute_key(frame.rule, changes.key, definition),
        event=changes.event.value,
        title=_write_title(changes),
        text=_clean(first.remediation)
        if len(changes.counts) == 1 and changes.event is not RuleEvent.FINDING_FIXED
        else "",
        moment=frame.moment,
        priority=first.priority,
        source=_clean(changes.name),
        source_key=changes.key,
        definition=first.definition if len(changes.counts) == 1 else "",
        url=frame.address + url,
        resolved=tuple(compute_key(frame.rule, changes.key, name) for name in resolved),
        sections=(_write_section(frame, changes, "Findings"),) if changes.total > 1 else (),
        rule=frame.rule_name,
    )


def compose_digest(
    frame: Frame, all_changes: Sequence[SourceChanges], notes: Sequence[Line], due: DueFindings | None = None
) -> Message:
    """Return the summary of several changes and notes: what got worse first, then what is fixed, then what is due."""
    order = list(_VERBS)
    ordered = sorted(all_changes, key=lambda changes: (order.index(changes.event), -changes.total, changes.name))
    numbers = {verb: sum(each.total for each in ordered if each.event is change) for change, verb in _VERBS.items()}
    counts = [f"{number} {verb}" for verb, number in numbers.items() if number]
    sections = [_write_section(frame, each, _write_title(each)) for each in ordered]
    priorities = [each.rows[0].priority for each in ordered]
    if due is not None:
        for rows, words in ((due.overdue, "overdue"), (due.week, "due within a week")):
            if rows:
                least = "" if due.is_complete or len(rows) < MAX_LIMIT else "at least "
                counts.append(f"{least}{len(rows):,} {words}")
                sections.append(_write_due(frame, rows, words))
                priorities.append(rows[0].priority)
    if notes:
        sections.append(Section(heading="Notes", lines=tuple(notes)))
    return Message(
        id=frame.id,
        key=compute_key(frame.rule, "", "digest"),
        event="digest",
        title=f"Summary of findings: {', '.join(counts) or 'nothing changed'}",
        text="",
        moment=frame.moment,
        priority=max(priorities, key=SEVERITY_NAMES.index, default=""),
        url=f"{frame.address}/",
        sections=tuple(sections),
        rule=frame.rule_name,
    )


def compose_note(frame: Frame, event: str, title: str, text: str, path: str, source: str) -> Message:
    """Return a message with a text of its own. source: the key of the source; empty for none. path: on the server."""
    return Message(
        id=frame.id,
        key=compute_key(frame.rule, source, event),
        event=event,
        title=_clean(title),
        text=_clean(text),
        moment=frame.moment,
        source_key=source,
        url=frame.address + path,
        rule=frame.rule_name,
    )


def compose_test(frame: Frame, title: str) -> Message:
    """Return a test message."""
    text = "The destination works. No finding is behind this message."
    return Message(
        id=frame.id, key=compute_key(0, "", "test"), event="test", title=_clean(title), text=text, moment=frame.moment,
        url=f"{frame.address}/", resolved=(compute_key(0, "", "test"),),
    )  # fmt: skip


def _write_title(changes: SourceChanges) -> str:
    verb, first, name = _VERBS[changes.event], changes.rows[0], _clean(changes.name)
    if changes.total == 1:
        return f"{first.priority.capitalize()} finding {verb}: {_clean(first.title)}: {_name(first)} in {name}"
    if len(changes.counts) == 1:
        return f"{changes.total} {first.priority} findings {verb}: {_clean(first.title)} in {name}"
    levels = ", ".join(
        f"{changes.levels[level]} {level}" for level in reversed(SEVERITY_NAMES) if changes.levels.get(level)
    )
    return f"{changes.total} findings {verb} in {name}: {levels}"


def _write_section(frame: Frame, changes: SourceChanges, heading: str) -> Section:
    shown = changes.rows[:_LISTED]
    return Section(
        heading=heading,
        lines=tuple(
            Line(
                text=f"{_clean(row.title)}: {_name(row)}",
                priority=row.priority,
                detail=_clean(row.fix),
                url=frame.address + row.path,
            )
            for row in shown
        ),
        more=changes.total - len(shown),
    )


def _write_due(frame: Frame, rows: Sequence[FindingRow], words: str) -> Section:
    lines = tuple(
        Line(
            text=f"{_clean(row.title)}: {_name_subject(f'{row.kind} {row.name}', row.namespace)} in {_clean(row.source_name)}",
            priority=row.priority,
            detail=f"due {row.due:%Y-%m-%d}" if row.due is not None else "",
            url=f"{frame.address}/workloads/{row.source}/{row.subject}",
        )
        for row in rows[:_LISTED]
    )
    return Section(heading=words.capitalize(), lines=lines, more=len(rows) - len(lines))


def _name(row: ChangedFinding) -> str:
    return _name_subject(row.subject, row.namespace)


def _name_subject(name: str, namespace: str) -> str:
    return _clean(f"{name} (namespace {namespace})" if namespace else name)


def _clean(text: str) -> str:
    """Return one line of visible characters, shortened."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
