"""The findings in Markdown, folded by control, the worst first, as many as fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.finding import Evidence, Verdict
from kubekeep.model.resource import Resource
from kubekeep.reports.format import Options
from kubekeep.reports.markdown.page import LIMIT, Page
from kubekeep.reports.markdown.text import cell, code, html_code, prose, words
from kubekeep.reports.shared import wording
from kubekeep.reports.shared.wording import number

_RESOURCES: Final = 10
"""Resources of a control that are shown unless all are asked for."""
_PLACES: Final = 3
"""Places of a resource, likewise."""
_LEAST: Final = 1_000
"""Characters that must be left for a control to be begun."""

_Found = list[tuple[Resource, Verdict]]


def write_findings(page: Page, assessment: Assessment, options: Options) -> int:
    """Write the findings of every failed control; gives how many are left out."""
    failures = assessment.failures()
    left = sum(map(len, failures.values()))
    most = left if options.verbose else _RESOURCES
    for summary in wording.worst_first(assessment):
        found = failures.get(summary.control.slug, [])
        title = f"{cell(summary.control.title)}: {number(len(found), 'resource')}"
        level = summary.control.level.label
        if not found or not page.fold(f"<b>{level}</b> {html_code(summary.control.id)} {title}", keep=_LEAST):
            continue
        page.write(f"{_advice(summary)}\n\n", keep=_LEAST // 2)
        if summary.enforcement:
            told = "; ".join(map(wording.enforced, summary.enforcement))
            page.write(f"In the cluster: {words(told)}.\n\n", keep=_LEAST // 2)
        texts = (_resource(resource, verdict, options) for resource, verdict in found)
        left -= page.items(texts, len(found), "resource", most=most)
        page.unfold()
    return left


def write_excepted(page: Page, assessment: Assessment) -> None:
    """Write what was accepted, by whom and until when."""
    excepted = assessment.excepted()
    total = sum(map(len, excepted.values()))
    if total and page.fold(f"{number(total, 'finding')} waived"):
        page.items(_excepted(assessment, excepted), total, "waived finding", most=_RESOURCES)
        page.unfold()


def closing(assessment: Assessment, left: int, options: Options) -> str:
    """What stands at the end: what is left out, and by what and for what the report was made."""
    text = f"\nKubekeep {code(assessment.version)} for Kubernetes {code(assessment.kubernetes_version)}.\n"
    if not left:
        return text
    limits = (
        f"{LIMIT:,} characters" if options.verbose else f"{_RESOURCES} resources of a control and {LIMIT:,} characters"
    )
    verb = "is" if left == 1 else "are"
    return f"\n**{number(left, 'finding')} {verb} left out**: this report shows {limits} at most.\n{text}"


def _advice(summary: ControlSummary) -> str:
    """The first paragraph of how to fix it."""
    return prose(summary.control.fix.strip().partition("\n\n")[0])


def _resource(resource: Resource, verdict: Verdict, options: Options) -> str:
    """The lines of a resource: one if it has one place."""
    name = code(resource.label)
    changes = [_change(resource, evidence) for evidence in verdict.evidence]
    if len(changes) == 1:
        return f"- {name}, {changes[0]}\n"
    shown = changes if options.verbose else changes[:_PLACES]
    if more := len(changes) - len(shown):
        shown.append(f"and {number(more, 'more place')}")
    return "".join((f"- {name}\n", *(f"  - {change}\n" for change in shown)))


def _change(resource: Resource, evidence: Evidence) -> str:
    path = code(evidence.path) if evidence.path else "the whole resource"
    if evidence.fix is not None:
        text = f"set {path} to {code(evidence.fix)}"
    else:
        text = f"delete {path}" if evidence.delete else f"review {path}"
    location = evidence.location or resource.locate(())
    where = f"{code(str(location))}: " if location else ""
    note = _note(evidence)
    return f"{where}{text} ({words(note)})" if note else f"{where}{text}"


def _note(evidence: Evidence) -> str:
    """What the change alone does not say."""
    if evidence.fix is None and not evidence.delete:
        return evidence.note
    setting = evidence.location.setting if evidence.location else None
    return f"from {setting}" if setting else ""


def _excepted(assessment: Assessment, excepted: dict[str, _Found]) -> Iterator[str]:
    for summary in assessment.controls:
        for resource, verdict in excepted.get(summary.control.slug, ()):
            exceptions = dict.fromkeys(item.exception for item in verdict.evidence if item.exception is not None)
            why = ", ".join(words(wording.accepted(exception)) for exception in exceptions)
            yield f"- {code(summary.control.id)} {code(resource.label)}: {why}\n"
