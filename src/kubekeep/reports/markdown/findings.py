"""The findings in Markdown, folded by control, the most urgent first. Findings that do not fit are only counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.finding import Finding
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.markdown.page import MarkdownPage
from kubekeep.reports.markdown.text import cell, code, html_code, prose, words
from kubekeep.reports.markdown.vulnerabilities import write_vulnerabilities
from kubekeep.reports.shared import wording
from kubekeep.reports.shared.comment_tables import LIMIT
from kubekeep.reports.shared.content import LEVELS
from kubekeep.reports.shared.urgency import count_priorities, sort_failed, sort_findings
from kubekeep.reports.shared.wording import count_noun

_RESOURCES: Final = 10
"""Maximum number of resources of a control, unless verbose."""
_LOCATIONS: Final = 3
"""Maximum number of locations of a resource, unless verbose."""
_MIN_FREE: Final = 1_000
"""Minimum free characters to begin a control."""


def write_findings(page: MarkdownPage, assessment: Assessment, options: ReportOptions) -> int:
    """Write the findings of every failed control and return the number of omitted findings."""
    failures = assessment.group_findings()
    omitted_count = sum(
        not finding.definition.concerns_packages for findings in failures.values() for finding in findings
    )
    limit = omitted_count if options.verbose else _RESOURCES
    omitted_count += write_vulnerabilities(page, assessment, verbose=options.verbose)
    for summary in sort_failed(assessment):
        if summary.definition.concerns_packages:
            continue
        failed = sort_findings(failures.get(summary.definition.slug, []))
        if not failed or not page.fold(_title(summary, failed), keep=_MIN_FREE):
            continue
        first_paragraph = summary.definition.fix.strip().partition("\n\n")[0]
        page.write(f"{prose(first_paragraph)}\n\n", keep=_MIN_FREE // 2)
        if summary.enforcement:
            enforcement = "; ".join(map(wording.describe_enforcement, summary.enforcement))
            page.write(f"In the cluster: {words(enforcement)}.\n\n", keep=_MIN_FREE // 2)
        texts = (_resource(finding, options) for finding in failed)
        omitted_count -= page.write_list(texts, len(failed), "resource", limit=limit)
        page.unfold()
    return omitted_count


def _title(summary: DefinitionSummary, failed: Sequence[Finding]) -> str:
    """Return the title of a control: its highest priority, its names, and the number of resources by priority."""
    counts = count_priorities(failed)
    levels = [level for level in LEVELS if counts[level]]
    by_level = ", ".join(f"{counts[level]:,} {level.label.lower()}" for level in levels)
    resources = count_noun(len(failed), "resource") + (f" ({by_level})" if len(levels) > 1 else "")
    return f"<b>{levels[0].label}</b> {html_code(summary.definition.id)} {cell(summary.definition.title)}: {resources}"


def write_excepted(page: MarkdownPage, assessment: Assessment) -> None:
    """Write the excepted findings with reason and end date."""
    excepted = assessment.group_excepted_findings()
    total = sum(map(len, excepted.values()))
    if total and page.fold(f"{count_noun(total, 'finding')} covered by exceptions"):
        page.write_list(_excepted(assessment, excepted), total, "finding", limit=_RESOURCES)
        page.unfold()


def closing(assessment: Assessment, omitted_count: int, options: ReportOptions) -> str:
    """Return the end of the report: omitted findings, and the versions of Kubekeep and Kubernetes."""
    text = f"\nKubekeep {code(assessment.version)} for Kubernetes {code(assessment.kubernetes_version)}.\n"
    if not omitted_count:
        return text
    limits = (
        f"{LIMIT:,} characters" if options.verbose else f"{_RESOURCES} resources of a control and {LIMIT:,} characters"
    )
    return f"\n**{count_noun(omitted_count, 'finding')} not shown**: this report shows at most {limits}.\n{text}"


def _resource(finding: Finding, options: ReportOptions) -> str:
    """Return the lines of a resource; a single line if it has one location."""
    name = code(finding.subject.label)
    changes = [_change(finding.subject, evidence) for evidence in finding.evidence]
    if len(changes) == 1:
        return f"- {name}, {changes[0]}\n"
    listed_changes = changes if options.verbose else changes[:_LOCATIONS]
    if more := len(changes) - len(listed_changes):
        listed_changes.append(f"and {count_noun(more, 'more location')}")
    return "".join((f"- {name}\n", *(f"  - {change}\n" for change in listed_changes)))


def _change(resource: Subject, evidence: Evidence) -> str:
    path = code(evidence.path) if evidence.path else "the whole resource"
    if evidence.fix is not None:
        text = f"set {path} to {code(evidence.fix)}"
    else:
        text = f"delete {path}" if evidence.delete else f"review {path}"
    location = evidence.location or resource.locate(())
    location_text = f"{code(str(location))}: " if location else ""
    note = _note(evidence)
    return f"{location_text}{text} ({words(note)})" if note else f"{location_text}{text}"


def _note(evidence: Evidence) -> str:
    """Return the message or setting that the text of the change does not contain."""
    if evidence.fix is None and not evidence.delete:
        return evidence.note
    setting = evidence.location.setting if evidence.location else None
    return f"from {setting}" if setting else ""


def _excepted(assessment: Assessment, excepted: dict[str, list[Finding]]) -> Iterator[str]:
    for summary in assessment.summaries:
        for finding in excepted.get(summary.definition.slug, ()):
            why = ", ".join(words(wording.describe_exception(exception)) for exception in finding.suppressions)
            yield f"- {code(summary.definition.id)} {code(finding.subject.label)}: {why}\n"
