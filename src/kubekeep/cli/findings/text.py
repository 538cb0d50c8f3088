"""Text of findings of a server for terminals. Reads nothing.

All texts of a server may come from a hostile scan: `Terminal` escapes their control characters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.finding_document import EvidenceDocument, name_subject
from kubekeep.model.server_details import DecisionDetails
from kubekeep.model.server_results import FindingResult, ListedSubject
from kubekeep.model.text import visible
from kubekeep.reports.shared.terminal import Span, Terminal, cells
from kubekeep.usecases.server_results import FindingDetails, get_key

_STYLES: Final = {"critical": "bold bright_red", "high": "red", "medium": "yellow", "low": "cyan"}
_WIDE: Final = 130
"""Columns from which a finding has one line."""
_FIXED: Final = 3
"""Columns of a table that are never shortened."""
_INDENT: Final = 4
"""Of the second line of a finding."""
_HEAD: Final = ("FINDING", "PRIORITY", "OPEN", "CONTROL", "WORKLOAD", "SOURCE")
_MOST_EVIDENCE: Final = 20
_MOST_REFERENCES: Final = 5


def write_findings(terminal: Terminal, findings: Sequence[FindingResult]) -> None:
    """Write a table: a line for each finding, and a second one with the workload on narrow terminals."""
    if not findings:
        return
    now = dt.datetime.now(dt.UTC)
    is_wide = terminal.width >= _WIDE
    columns = len(_HEAD) if is_wide else _FIXED + 1
    rows = [[Span(title, "bold") for title in _HEAD[:columns]]]
    rows += [_make_cells(finding, now)[:columns] for finding in findings]
    _fit(rows, terminal.width)
    buffer = terminal.copy()
    buffer.table(rows, left=columns)
    head, *lines = buffer.lines
    terminal.write_lines([head])
    for line, finding in zip(lines, findings, strict=True):
        terminal.write_lines([line])
        if not is_wide:
            text = f"{name_workload(finding.kind, finding.namespace, finding.name)} in {name_source(finding)}"
            terminal.line(Span(_shorten(text, terminal.width - _INDENT), "dim"), indent=_INDENT)


def _make_cells(finding: FindingResult, now: dt.datetime) -> list[Span]:
    return [
        Span(get_key(finding).short),
        Span(finding.priority, _STYLES.get(finding.priority, "")),
        Span(describe_age(now - finding.opened)),
        Span(f"{finding.definition.rpartition('/')[2]} {finding.title}"),
        Span(name_workload(finding.kind, finding.namespace, finding.name)),
        Span(name_source(finding)),
    ]


def _fit(rows: list[list[Span]], width: int) -> None:
    """Shorten the last columns so that the rows fit a width."""
    sizes = [max(cells(visible(row[column].text)) for row in rows) for column in range(len(rows[0]))]
    room = width - sum(sizes[:_FIXED]) - 2 * (len(sizes) - 1)
    # Narrow columns leave the rest of their share to the wide ones.
    elastic = sorted(range(_FIXED, len(sizes)), key=lambda column: sizes[column])
    for number, column in enumerate(elastic):
        size = min(sizes[column], room // (len(elastic) - number))
        room -= size
        for row in rows:
            row[column] = Span(_shorten(row[column].text, size), row[column].style)


def _shorten(text: str, columns: int) -> str:
    """Return the beginning of a text that takes some columns of a terminal, with an ellipsis if it is longer."""
    shown = visible(text[: 4 * columns])
    if cells(shown) <= columns:
        return shown
    while shown and cells(shown) >= columns:
        shown = shown[:-1]
    return f"{shown}…"


def name_workload(kind: str, namespace: str, name: str) -> str:
    """Return the kind, the namespace and the name of a subject: `Deployment shop/web`."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def name_source(subject: ListedSubject) -> str:
    """Return the name of a source, with the branch of a repository."""
    return f"{subject.source_name} {subject.branch}".rstrip()


def describe_age(age: dt.timedelta) -> str:
    """Return an age in its largest unit: `12 d`."""
    if age.days:
        return f"{age.days} d"
    minutes = max(int(age.total_seconds()) // 60, 0)
    return f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"


def write_details(terminal: Terminal, details: FindingDetails, address: str) -> None:
    """Write a finding: why it matters, where it is, the change, the decision, the history and its page."""
    finding, subject = details.finding, details.subject
    definition, detail = finding.definition, finding.detail
    terminal.line(Span(f"{definition.id} {definition.title}", "bold"))
    kind, namespace, name = name_subject(subject.entry.subject)
    terminal.line(f"{name_workload(kind, namespace, name)} in {subject.source_name} {subject.branch}".rstrip())
    terminal.line()
    _write_facts(terminal, details)
    evidence = (
        () if detail is None else (*detail.evidence, *(one for part in detail.suppressed for one in part.evidence))
    )
    if evidence:
        _write_heading(terminal, "Where")
        for one in evidence[:_MOST_EVIDENCE]:
            _write_evidence(terminal, one)
        if len(evidence) > _MOST_EVIDENCE:
            terminal.line(f"and {len(evidence) - _MOST_EVIDENCE:,} more", indent=2)
    if definition.remediation:
        _write_heading(terminal, "What to change")
        for line in definition.remediation.strip().splitlines():
            terminal.line(line, indent=2, hang=0)
    references = [*filter(None, (definition.page, *definition.references))]
    if references:
        _write_heading(terminal, "References")
        for reference in references[:_MOST_REFERENCES]:
            terminal.line(Span(reference, whole=True), indent=2)
    terminal.line()
    terminal.line(Span(address, "underline", whole=True))


def _write_heading(terminal: Terminal, title: str) -> None:
    terminal.line()
    terminal.line(Span(title, "bold"))


def _write_facts(terminal: Terminal, details: FindingDetails) -> None:
    finding = details.finding
    for title, text in _list_facts(details):
        style = _STYLES.get(finding.priority, "") if title == "priority" else ""
        terminal.line(Span(f"{title:14}", "dim", whole=True), Span(text, style), indent=2, hang=14)


def _list_facts(details: FindingDetails) -> Iterator[tuple[str, str]]:
    """Yield the names and the values of the facts about a finding."""
    finding, entry = details.finding, details.subject.entry
    now = dt.datetime.now(dt.UTC)
    priority = (finding.detail and finding.detail.priority) or finding.definition.priority
    yield "priority", finding.priority
    yield "severity", f"{finding.definition.severity} (of the control)"
    reasons = [*(priority.reasons if priority else ()), *filter(None, (entry.exposure, entry.power, entry.rights))]
    if reasons:
        yield "why", ", ".join(dict.fromkeys(reasons))
    yield "open since", f"{finding.opened:%Y-%m-%d} ({describe_age(now - finding.opened)})"
    if entry.owner:
        yield "owner", entry.owner
    if finding.due:
        yield "due", f"{finding.due:%Y-%m-%d}{' (overdue)' if finding.due < now else ''}"
    if finding.unknown_since:
        yield "not seen since", f"{finding.unknown_since:%Y-%m-%d}"
    for earlier in details.earlier:
        yield "open before", f"{earlier.opened:%Y-%m-%d} to {earlier.closed:%Y-%m-%d}"
    for part in finding.detail.suppressed if finding.detail else ():
        yield "exception", f"{part.exception.name}: {part.exception.reason}".removesuffix(": ")
    if details.decision is not None:
        yield "decision", describe_decision(details.decision)
    yield "finding", str(details.key)


def describe_decision(decision: DecisionDetails) -> str:
    """Return a decision in one line: `7 accepted-risk until 2027-03-01 by maria: the vendor requires it`."""
    return f"{decision.id} {decision.kind} until {decision.expires:%Y-%m-%d} by {decision.author}: {decision.reason}"


def _write_evidence(terminal: Terminal, evidence: EvidenceDocument) -> None:
    location = evidence.location
    position = "" if location is None else f"{location.file}:{location.line}" if location.line else location.file
    heads = [text for text in (evidence.path, position) if text]
    if heads:
        spans = [Span(text, "cyan", whole=True) for text in heads]
        terminal.line(*(part for span in spans for part in (span, "  ")), indent=2)
    if evidence.message:
        terminal.line(evidence.message, indent=4)
    change = _describe_change(evidence)
    if change:
        terminal.line(Span(change, "green"), indent=4)


def _describe_change(evidence: EvidenceDocument) -> str:
    """Return the change of a field or a package; empty without one."""
    package = evidence.package
    if package is not None:
        fixed = package.fixed_version
        return f"upgrade {package.name} {package.version} to {fixed}" if fixed else "no fixed version yet"
    if evidence.delete:
        return f"delete {evidence.path}"
    if evidence.fix is None:
        return ""
    return f"set {evidence.path} to {evidence.fix}" if evidence.exists else f"add {evidence.path}: {evidence.fix}"
