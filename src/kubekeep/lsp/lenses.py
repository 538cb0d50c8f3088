"""Code lenses: findings by priority and the score, for the document and each resource. Texts only."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from kubekeep.lsp.evaluation import EvaluatedDocument
from kubekeep.lsp.findings import count_levels
from kubekeep.lsp.positions import ClientText
from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Finding


def list_lenses(evaluated: EvaluatedDocument, text: ClientText) -> Iterator[types.CodeLens]:
    """Yield the lenses of a document with resources or findings; they start no command."""
    assessment = evaluated.assessment
    if assessment is None or not (assessment.results or evaluated.findings):
        return
    findings = _unique(evaluated)
    summary = count_levels(findings) or "no findings"
    score = "" if assessment.compliance is None else f" · compliance {assessment.compliance:.0f} %"
    scope = ""
    if evaluated.unit.is_rendered and score:
        scope = " of the module" if evaluated.unit.is_terraform else " of the chart or overlay"
    yield _create(f"Kubekeep: {summary}{score}{scope}", text.find_line(0))
    yield from _list_resource_lenses(assessment, findings, evaluated.document.path, text)


def _list_resource_lenses(
    assessment: Assessment, findings: list[Finding], path: str, text: ClientText
) -> Iterator[types.CodeLens]:
    """Yield one lens for each line of the document at which a resource starts, if it has several resources."""
    by_resource: dict[str, list[Finding]] = {}
    for finding in findings:
        by_resource.setdefault(finding.subject.id, []).append(finding)
    own_results = [result for result in assessment.results if not result.subject.related]
    locations = [(result, result.subject.locate(())) for result in own_results]
    own_locations = [
        (result, location) for result, location in locations if location is not None and location.file == path
    ]
    lines: set[int] = set()
    # The lens of the document says all about a single resource.
    for result, location in own_locations if len(own_locations) > 1 else ():
        area = text.convert_region(location.region)
        if area.start.line not in lines:
            lines.add(area.start.line)
            own = count_levels(by_resource.get(result.subject.id, ())) or "no findings"
            yield _create(f"{result.subject.label}: {own}", area)


def _unique(evaluated: EvaluatedDocument) -> list[Finding]:
    """Return the findings of a document, each once, as reports count them: one control on one resource.

    A finding may have evidence at several lines, and a line may be evidence for several findings.
    """
    return list({id(finding): finding for entry in evaluated.findings for finding in entry.findings}.values())


def _create(title: str, area: types.Range) -> types.CodeLens:
    # A lens without a command is not shown; an empty one only shows its title.
    return types.CodeLens(range=area, command=types.Command(title=title, command=""))
