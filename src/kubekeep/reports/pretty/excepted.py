"""What somebody accepts, for people: how much, by whose reason and until when, and what became of each exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import AppliedException, ExceptionStatus, ExceptionUse
from kubekeep.model.text import utc_text
from kubekeep.reports.format import Options
from kubekeep.reports.pretty.findings import place_span
from kubekeep.reports.shared.terminal import Span, Terminal

_STYLES: Final = {ExceptionStatus.MATCHED: "green", ExceptionStatus.UNUSED: "dim"}
"""The others need somebody."""
_SHOWN: Final = 5


def write_excepted(terminal: Terminal, assessment: Assessment, options: Options) -> None:
    """Write how many findings are accepted; each with its reason if all is asked for."""
    excepted = assessment.excepted()
    if not excepted:
        return
    count = sum(map(len, excepted.values()))
    title = Span(f"◌ {count} finding{'' if count == 1 else 's'} accepted", "bold")
    terminal.line(title, *([] if options.verbose else ["  (--verbose names them)"]))
    controls = [item.control for item in assessment.controls if options.verbose and item.control.slug in excepted]
    for control in controls:
        terminal.line(Span(control.id, "cyan", whole=True), "  ", control.title, indent=2)
        for resource, verdict in excepted[control.slug]:
            place = verdict.evidence[0].location or resource.locate(())
            head: list[Span | str] = [place_span(str(place), place, assessment.target.base), "  "] if place else []
            terminal.line(*head, Span(resource.label, "bold", whole=True), indent=4)
            for exception in dict.fromkeys(item.exception for item in verdict.evidence if item.exception is not None):
                terminal.line(*_told(exception, assessment.target.base), indent=6)
    terminal.line()


def _told(exception: AppliedException, base: str) -> Iterator[Span | str]:
    """Why something is accepted, until when and where that is written."""
    yield exception.reason or Span("no reason is given", "dim")
    if exception.expires is not None:
        yield Span(f"  until {_date(exception)}", "dim")
    if exception.location is not None:
        yield "  "
        yield place_span(str(exception.location), exception.location, base)


def _date(exception: AppliedException) -> str:
    return utc_text(exception.expires)[:10] if exception.expires else ""


def write_audit(terminal: Terminal, assessment: Assessment) -> None:
    """Write what became of each exception, those that cover nothing first."""
    uses = assessment.exceptions
    if not uses:
        terminal.line(Span("No exception is given", "bold"))
        terminal.line()
        return
    terminal.line(Span("Exceptions", "bold"))
    for use in sorted(
        uses, key=lambda item: (item.status is ExceptionStatus.MATCHED, item.status is ExceptionStatus.UNUSED)
    ):
        _write_use(terminal, use, assessment.target.base)
    terminal.line()


def _write_use(terminal: Terminal, use: ExceptionUse, base: str) -> None:
    count = len(use.findings)
    covers = f"{count} finding{'' if count == 1 else 's'}" if count else ""
    said = ", ".join(filter(None, (covers, use.text)))
    status = Span(f"{use.status:16}", _STYLES.get(use.status, "yellow"), whole=True)
    terminal.line(status, use.exception.name, Span(f"  {said}" if said else "", "dim"), indent=2, hang=16)
    terminal.line(*_told(use.exception, base), indent=18)
    for item in use.findings[:_SHOWN]:
        terminal.line(Span(item.control, "cyan", whole=True), "  ", Span(item.label, whole=True), indent=18)
    if count > _SHOWN:
        terminal.line(Span(f"… and {count - _SHOWN} more", "dim"), indent=18)
