"""The head of the report in Markdown: how it came out, what is missing, frameworks and controls in tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import Assessment, ControlSummary, FrameworkSummary
from kubekeep.reports.markdown.page import Page
from kubekeep.reports.markdown.text import cell, code, html_code, linked, prose, words
from kubekeep.reports.shared.content import LEVELS, count, risk
from kubekeep.reports.shared.wording import number, origin, percent, worst_first

_FEW: Final = 20
"""Items of a list that are shown."""
_FRAMEWORKS: Final = 50
"""Rows of the table of frameworks; that of controls has a few, as each has a part of its own below."""


def write_summary(page: Page, assessment: Assessment) -> None:
    """Write all that stands before the findings."""
    failed = worst_first(assessment)
    page.write(f"## Kubekeep: {_headline(assessment, failed)}\n\n")
    page.write("".join(f"- {line}\n" for line in _lines(assessment, failed)))
    _write_unread(page, assessment)
    _write_frameworks(page, assessment)
    _write_controls(page, failed)
    _write_gaps(page, assessment)
    if assessment.notes and page.fold(number(len(assessment.notes), "note")):
        page.items((f"- {words(note)}\n" for note in assessment.notes), len(assessment.notes), "note", most=_FEW)
        page.unfold()


def _headline(assessment: Assessment, failed: list[ControlSummary]) -> str:
    came = count(assessment.controls)
    if failed:
        return f"{number(len(failed), 'control')} failed"
    if assessment.unread:
        return "the scan is incomplete"
    if came.passed:
        return "nothing failed"
    return "nothing could be evaluated" if came.gaps else "nothing was found to scan"


def _lines(assessment: Assessment, failed: list[ControlSummary]) -> Iterator[str]:
    """A line each for what is wrong, what is missing and what was accepted."""
    came = count(assessment.controls)
    extent = f"{words(origin(assessment))}, {number(assessment.counts.total, 'resource')}"
    compliance = f"compliance {percent(assessment.compliance)}, coverage {percent(assessment.coverage)}"
    if failed:
        counts = [(level, sum(summary.control.level is level for summary in failed)) for level in LEVELS]
        found = ", ".join(f"{many} {level.label.lower()}" for level, many in counts if many)
        yield f"❌ **{number(assessment.counts.failed, 'resource')} failed**: controls by severity: {found}"
    elif came.passed and not assessment.unread:
        yield "✅ **Nothing failed**"
    if assessment.unread:
        yield f"❌ **Input was not read in {number(len(assessment.unread), 'place')}**: the scan is incomplete"
    if came.gaps:
        verb, counts_as = ("was", "counts") if came.gaps == 1 else ("were", "count")
        said = f"**{number(came.gaps, 'control')} {verb} not evaluated**"
        yield f"⚠️ {said} and {counts_as} neither as passed nor as failed"
    if excepted := sum(map(len, assessment.excepted().values())):
        yield f"ℹ️ {number(excepted, 'finding')} waived"  # noqa: RUF001 - a sign, not a letter
    yield f"{extent}: {compliance}, risk score {risk(assessment.score)}"


def _write_unread(page: Page, assessment: Assessment) -> None:
    if not assessment.unread:
        return
    page.write("\n### Input that was not read\n\n")
    lines = (f"- {code(str(item.location))}: {words(item.message)}\n" for item in assessment.unread)
    page.items(lines, len(assessment.unread), "place", most=_FEW)


def _write_frameworks(page: Page, assessment: Assessment) -> None:
    if not assessment.frameworks:
        return
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    page.write(
        "\n| Framework | Compliance | Coverage | Failed | Passed | Not evaluated | Nothing to look at |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    _write_rows(page, [_framework(item, by_slug) for item in assessment.frameworks], "framework", most=_FRAMEWORKS)


def _framework(summary: FrameworkSummary, by_slug: dict[str, ControlSummary]) -> str:
    came = count(by_slug[slug] for slug in summary.controls)
    counts = f"{came.failed} | {came.passed} | {came.gaps} | {came.idle}"
    figures = f"{percent(summary.compliance)} | {percent(summary.coverage)}"
    return f"| {cell(summary.framework.name)} | {figures} | {counts} |\n"


def _write_controls(page: Page, failed: list[ControlSummary]) -> None:
    if not failed:
        return
    page.write("\n| Severity | Control | | Resources |\n| --- | --- | --- | ---: |\n")
    _write_rows(page, [_control(summary) for summary in failed], "control", most=_FEW)


def _control(summary: ControlSummary) -> str:
    control, counts = summary.control, summary.counts
    name = linked(html_code(control.id), control.link)
    of = f"{counts.failed:,} of {counts.passed + counts.failed:,}"
    return f"| {control.level.label} | {name} | {cell(control.title)} | {of} |\n"


def _write_rows(page: Page, rows: list[str], noun: str, *, most: int) -> None:
    shown = 0
    for row in rows[:most]:
        if not page.write(row, keep=100):
            break
        shown += 1
    if shown < len(rows):
        page.write(f"\nand {number(len(rows) - shown, f'more {noun}')}\n")


def _write_gaps(page: Page, assessment: Assessment) -> None:
    """Controls that were not evaluated, together by the reason."""
    by_reason: dict[str, list[ControlSummary]] = {}
    for summary in assessment.controls:
        if summary.is_gap:
            by_reason.setdefault(summary.reason.text if summary.reason else "no reason is known", []).append(summary)
    total = sum(map(len, by_reason.values()))
    if by_reason and page.fold(f"{number(total, 'control')} not evaluated"):
        page.items(map(_reason, by_reason.items()), len(by_reason), "reason", most=_FEW)
        page.unfold()


def _reason(item: tuple[str, list[ControlSummary]]) -> str:
    text, summaries = item
    ids = ", ".join(code(summary.control.id) for summary in summaries[:_FEW])
    more = f" and {len(summaries) - _FEW:,} more" if len(summaries) > _FEW else ""
    return f"- {ids}{more}: {prose(text)}\n"
