"""The head of the Markdown report: result, missing input, and tables of frameworks and controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kubekeep.model.assessment import Assessment, DefinitionSummary, FrameworkSummary, UnreadInput
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.verdict import Status
from kubekeep.reports.markdown.page import MarkdownPage
from kubekeep.reports.markdown.text import cell, code, html_code, linked, prose, words
from kubekeep.reports.shared.affected_packages import has_only_vulnerabilities
from kubekeep.reports.shared.content import LEVELS, count, known_score, risk
from kubekeep.reports.shared.urgency import count_priorities, sort_failed, top_priorities
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import count_noun, describe_origin, group_by_reason, percent

_MAX_ENTRIES: Final = 20
"""Maximum number of entries in a list."""
_MAX_FRAMEWORKS: Final = 50
"""Maximum rows in the table of frameworks; the table of controls has fewer since each has its own section below."""


def write_summary(page: MarkdownPage, assessment: Assessment) -> None:
    """Write everything before the findings."""
    failed = [summary for summary in sort_failed(assessment) if not summary.definition.concerns_packages]
    page.write(f"## Kubekeep: {_headline(assessment, failed)}\n\n")
    page.write("".join(f"- {line}\n" for line in _lines(assessment)))
    _write_places(page, "Input that was not read", assessment.unread, "location")
    _write_places(page, "Not assessed", list_uncovered(assessment), "part")
    _write_frameworks(page, assessment)
    _write_controls(page, failed, top_priorities(assessment))
    _write_gaps(page, assessment)
    if assessment.notes and page.fold(count_noun(len(assessment.notes), "note")):
        page.write_list(
            (f"- {words(note)}\n" for note in assessment.notes), len(assessment.notes), "note", limit=_MAX_ENTRIES
        )
        page.unfold()


def _headline(assessment: Assessment, failed: list[DefinitionSummary]) -> str:
    counts = count(assessment.summaries)
    vulnerable = sum(
        summary.definition.concerns_packages and summary.status is Status.FAILED for summary in assessment.summaries
    )
    if failed or vulnerable:
        parts = (
            count_noun(vulnerable, "vulnerability") if vulnerable else "",
            f"{count_noun(len(failed), 'control')} failed" if failed else "",
        )
        return ", ".join(filter(None, parts))
    if assessment.unread:
        return "the scan is incomplete"
    if counts.passed:
        return "no control failed"
    return "no control was evaluated" if counts.gaps else "no resources found"


def _lines(assessment: Assessment) -> Iterator[str]:
    """Yield lines about failures, missing input and exceptions."""
    counts = count(assessment.summaries)
    extent = f"{words(describe_origin(assessment))}, {count_noun(assessment.counts.total, 'resource')}"
    compliance = f"compliance {percent(assessment.compliance)}, coverage {percent(assessment.coverage)}"
    by_level = count_priorities(assessment.findings)
    if by_level:
        levels = ", ".join(f"{by_level[level]:,} {level.label.lower()}" for level in LEVELS if by_level[level])
        findings = f"{count_noun(by_level.total(), 'finding')} by priority: {levels}"
        yield f"❌ **{count_noun(assessment.counts.failed, 'resource')} failed**: {findings}"
    elif counts.passed and not assessment.unread:
        yield "✅ **No control failed**"
    if assessment.unread:
        yield f"❌ **Input was not read in {count_noun(len(assessment.unread), 'location')}**: the scan is incomplete"
    if counts.gaps:
        verb, counts_as = ("was", "counts") if counts.gaps == 1 else ("were", "count")
        text = f"**{count_noun(counts.gaps, 'control')} {verb} not evaluated**"
        yield f"⚠️ {text} and {counts_as} neither as passed nor as failed"
    if excepted := len(assessment.excepted_findings):
        yield f"ℹ️ {count_noun(excepted, 'finding')} covered by exceptions"  # noqa: RUF001 - a sign, not a letter
    if has_only_vulnerabilities(assessment):
        yield extent
    else:
        yield f"{extent}: {compliance}, risk score {risk(known_score(assessment))}"


def _write_places(page: MarkdownPage, title: str, entries: Sequence[UnreadInput], noun: str) -> None:
    if entries:
        page.write(f"\n### {title}\n\n")
        lines = (f"- {code(str(entry.location))}: {words(entry.message)}\n" for entry in entries)
        page.write_list(lines, len(entries), noun, limit=_MAX_ENTRIES)


def _write_frameworks(page: MarkdownPage, assessment: Assessment) -> None:
    if not assessment.frameworks or has_only_vulnerabilities(assessment):
        return
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    page.write(
        "\n| Framework | Compliance | Coverage | Failed | Passed | Not evaluated | No matching resources |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    rows = (_framework(framework, by_slug) for framework in assessment.frameworks)
    page.write_rows(rows, len(assessment.frameworks), "framework", limit=_MAX_FRAMEWORKS)


def _framework(summary: FrameworkSummary, by_slug: dict[str, DefinitionSummary]) -> str:
    results = count(by_slug[slug] for slug in summary.controls)
    counts = f"{results.failed} | {results.passed} | {results.gaps} | {results.idle}"
    figures = f"{percent(summary.compliance)} | {percent(summary.coverage)}"
    return f"| {cell(summary.framework.slug)} | {figures} | {counts} |\n"


def _write_controls(page: MarkdownPage, failed: list[DefinitionSummary], top: Mapping[str, Priority]) -> None:
    if not failed:
        return
    page.write("\n| Priority | Severity | Control | | Resources |\n| --- | --- | --- | --- | ---: |\n")
    rows = (_control(summary, top.get(summary.definition.slug, UNKNOWN_PRIORITY)) for summary in failed)
    page.write_rows(rows, len(failed), "control", limit=_MAX_ENTRIES)


def _control(summary: DefinitionSummary, priority: Priority) -> str:
    """Return the row of a control, with the highest priority of its findings."""
    control, counts = summary.definition, summary.counts
    level = priority.level or control.level
    name = linked(html_code(control.id), control.link)
    of = f"{counts.failed:,} of {counts.passed + counts.failed:,}"
    return f"| {level.label} | {control.level.label} | {name} | {cell(control.title)} | {of} |\n"


def _write_gaps(page: MarkdownPage, assessment: Assessment) -> None:
    """Write the unevaluated controls, grouped by reason."""
    by_reason = group_by_reason(assessment.summaries)
    total = sum(map(len, by_reason.values()))
    if by_reason and page.fold(f"{count_noun(total, 'control')} not evaluated"):
        page.write_list(map(_reason, by_reason.items()), len(by_reason), "reason", limit=_MAX_ENTRIES)
        page.unfold()


def _reason(group: tuple[str, list[DefinitionSummary]]) -> str:
    text, summaries = group
    ids = ", ".join(code(summary.definition.id) for summary in summaries[:_MAX_ENTRIES])
    more = f" and {len(summaries) - _MAX_ENTRIES:,} more" if len(summaries) > _MAX_ENTRIES else ""
    return f"- {ids}{more}: {prose(text)}\n"
