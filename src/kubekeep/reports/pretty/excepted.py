"""Exceptions in the terminal report: excepted findings with reason and end date, and the use of each exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import AppliedException, ExceptionStatus, ExceptionUse
from kubekeep.model.text import utc_text
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.pretty.findings import location_span
from kubekeep.reports.shared.terminal import Span, Terminal

_STYLES: Final = {ExceptionStatus.MATCHED: "green", ExceptionStatus.UNUSED: "dim"}
"""All other statuses need attention."""
_SHOWN: Final = 5


def write_excepted(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write the number of excepted findings; with `verbose` each one with its reason."""
    excepted = assessment.excepted()
    if not excepted:
        return
    count = sum(map(len, excepted.values()))
    title = Span(f"◌ {count} finding{'' if count == 1 else 's'} accepted", "bold")
    terminal.line(title, *([] if options.verbose else ["  (--verbose names them)"]))
    controls = [
        summary.control for summary in assessment.controls if options.verbose and summary.control.slug in excepted
    ]
    for control in controls:
        terminal.line(Span(control.id, "cyan", whole=True), "  ", control.title, indent=2)
        for resource, verdict in excepted[control.slug]:
            place = verdict.evidence[0].location or resource.locate(())
            head: list[Span | str] = [location_span(str(place), place, assessment.target.base), "  "] if place else []
            terminal.line(*head, Span(resource.label, "bold", whole=True), indent=4)
            for exception in dict.fromkeys(
                evidence.exception for evidence in verdict.evidence if evidence.exception is not None
            ):
                terminal.line(*_describe_exception(exception, assessment.target.base), indent=6)
    terminal.line()


def _describe_exception(exception: AppliedException, base: str) -> Iterator[Span | str]:
    """Yield the reason, end date and source of an exception."""
    yield exception.reason or Span("no reason is given", "dim")
    if exception.expires is not None:
        yield Span(f"  until {_date(exception)}", "dim")
    if exception.location is not None:
        yield "  "
        yield location_span(str(exception.location), exception.location, base)


def _date(exception: AppliedException) -> str:
    return utc_text(exception.expires)[:10] if exception.expires else ""


def write_audit(terminal: Terminal, assessment: Assessment) -> None:
    """Write the use of each exception, those without a match first."""
    uses = assessment.exceptions
    if not uses:
        terminal.line(Span("No exception is given", "bold"))
        terminal.line()
        return
    terminal.line(Span("Exceptions", "bold"))
    for use in sorted(
        uses, key=lambda use: (use.status is ExceptionStatus.MATCHED, use.status is ExceptionStatus.UNUSED)
    ):
        _write_use(terminal, use, assessment.target.base)
    terminal.line()


def _write_use(terminal: Terminal, use: ExceptionUse, base: str) -> None:
    count = len(use.findings)
    covers = f"{count} finding{'' if count == 1 else 's'}" if count else ""
    details = ", ".join(filter(None, (covers, use.text)))
    status = Span(f"{use.status:16}", _STYLES.get(use.status, "yellow"), whole=True)
    terminal.line(status, use.exception.name, Span(f"  {details}" if details else "", "dim"), indent=2, hang=16)
    terminal.line(*_describe_exception(use.exception, base), indent=18)
    for finding in use.findings[:_SHOWN]:
        terminal.line(Span(finding.control, "cyan", whole=True), "  ", Span(finding.label, whole=True), indent=18)
    if count > _SHOWN:
        terminal.line(Span(f"… and {count - _SHOWN} more", "dim"), indent=18)
