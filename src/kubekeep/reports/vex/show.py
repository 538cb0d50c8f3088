"""The statements of VEX documents for terminals."""

from __future__ import annotations

from typing import Final, TextIO

from kubekeep.model.text import utc_text
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.shared.terminal import Span, Terminal
from kubekeep.reports.shared.wording import count_noun
from kubekeep.vulnerabilities.vex.document import ProductStatement, VexDocument, VexStatus

_STYLES: Final = {
    VexStatus.NOT_AFFECTED: "green",
    VexStatus.FIXED: "green",
    VexStatus.AFFECTED: "red",
    VexStatus.UNDER_INVESTIGATION: "yellow",
}
_MAX_PRODUCTS: Final = 10


def write_document(document: VexDocument, stream: TextIO, options: ReportOptions) -> None:
    """Write the document: one line about it, and its statements with their products."""
    terminal = Terminal(stream, options)
    terminal.line(Span(document.origin, "bold"))
    moment = utc_text(document.timestamp) if document.timestamp else ""
    count = count_noun(len(document.statements), "statement")
    terminal.line(Span(" · ".join(filter(None, (document.format, document.author, moment, count))), "dim"))
    for statement in document.statements:
        terminal.line()
        _write_statement(statement, terminal)


def _write_statement(statement: ProductStatement, terminal: Terminal) -> None:
    aliases = f" ({', '.join(statement.aliases)})" if statement.aliases else ""
    terminal.line(
        Span(statement.vulnerability, "bold"),
        Span(aliases, "dim"),
        "  ",
        Span(statement.status.value, _STYLES[statement.status]),
        Span(f"  {statement.justification}" if statement.justification else ""),
    )
    if statement.flaw:
        terminal.line(Span("Has no effect:", "bold yellow"), f" {statement.position}: {statement.flaw}", indent=2)
    for target in statement.targets[:_MAX_PRODUCTS]:
        terminal.line(target.label, indent=2)
    if len(statement.targets) > _MAX_PRODUCTS:
        terminal.line(Span(f"… {len(statement.targets) - _MAX_PRODUCTS} more in -f json", "dim"), indent=2)
    for text in filter(None, (statement.impact, statement.action, statement.notes)):
        terminal.line(Span(text, "dim"), indent=2)
