"""Gates: thresholds of a pipeline on an assessment. A coverage gap never lets a gate pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.errors import KubekeepError
from kubekeep.model.finding import Finding
from kubekeep.model.severity import Severity
from kubekeep.model.similar_names import find_similar
from kubekeep.model.verdict import Cause

OVERALL: Final = "overall"
"""Name of the limit on the figure over all controls."""
TOTAL: Final = "total"
"""Name of the limit on failures of every severity."""
EVERY: Final = ""
"""Name of a limit that applies to every framework and overall."""


class UnknownLimitError(KubekeepError, ValueError):
    """A limit for something that is not in the scan, which would always pass."""


class Gates(msgspec.Struct, frozen=True, kw_only=True):
    """The limits to check. Compliance and coverage are percentages by framework, OVERALL or EVERY."""

    priority: Severity | None = None
    """Fail on a finding of this priority or above; an unknown priority counts as any, except of a vulnerability."""
    severity: Severity | None = None
    """Fail if a control of this severity or above fails; an unknown severity counts as any, except of a vulnerability."""
    compliance: Mapping[str, float] = {}
    """Fail below this compliance."""
    coverage: Mapping[str, float] = {}
    """Fail below this coverage."""
    failures: Mapping[str, int] = {}
    """Fail above this number of findings of a severity, by its lowercase name or TOTAL.

    Findings of unknown severity count for each.
    """
    new: bool = False
    """Fail on findings that are not in the baseline."""
    new_severity: Severity | None = None
    """Restrict `new` to findings of this severity or above."""
    only_fixable: bool = False
    """Count only findings with a fix, in the limits on priority, on severity and on failures."""
    only_exposed: bool = False
    """Count only findings of what can be reached from outside, in the same limits; an image without workloads counts."""
    strict: bool = False
    """Fail on input that was not read and on fields that Kubernetes does not have."""


class GateResult(msgspec.Struct, frozen=True):
    """The result of one gate, with a sentence that states the figure."""

    has_passed: bool
    text: str


def evaluate_gates(assessment: Assessment, gates: Gates) -> list[GateResult]:
    """Return the outcome of each gate that is set. Raises UnknownLimitError for a framework that is not in the scan."""
    results = [*_check_findings(assessment, gates)]
    if gates.compliance:
        figures = {summary.framework.slug: summary.compliance for summary in assessment.frameworks}
        results += _check_minimum(
            "compliance", assessment, figures | {OVERALL: assessment.compliance}, gates.compliance
        )
    if gates.coverage:
        coverages = {summary.framework.slug: summary.coverage for summary in assessment.frameworks}
        results += _check_minimum("coverage", assessment, coverages | {OVERALL: assessment.coverage}, gates.coverage)
    if gates.strict:
        unread, unassessed = len(assessment.unread), len(assessment.unassessed)
        fields = len(assessment.unknown_fields)
        not_assessed = f"{unassessed} not assessed, " if unassessed else ""
        text = f"strict: {unread} parts not read, {not_assessed}{fields} unknown fields or API versions"
        results.append(GateResult(not (unread or unassessed or fields), text))
    if gates.new and assessment.baseline is not None:
        results.append(check_new_findings(_evaluated_only(assessment.baseline), gates.new_severity))
    return results


def is_incomplete(assessment: Assessment) -> bool:
    """Return True if part of the input was not read, or a rule failed on a resource."""
    errors = (Cause.RULE_ERROR, Cause.MALFORMED)
    return bool(assessment.unread) or any(
        verdict.reason is not None and verdict.reason.cause in errors
        for result in assessment.results
        for verdict in result.verdicts.values()
    )


def check_new_findings(comparison: Comparison, level: Severity | None = None) -> GateResult:
    """Return the outcome of the gate on new findings; incomparable ones and those of unknown severity count as new."""
    new, unclear = (_count_severe(differences, level) for differences in (comparison.new, comparison.incomparable))
    above = f" of {level.label} or above" if level else ""
    incomparable = f", {unclear} that cannot be compared" if unclear else ""
    text = f"new findings: {new}{above}{incomparable}, limit 0 (baseline {comparison.base})"
    return GateResult(not (new or unclear), text)


def _count_severe(differences: Iterable[Difference], level: Severity | None) -> int:
    return sum(level is None or _reaches(difference.finding.level, level) for difference in differences)


def _reaches(level: Severity, limit: Severity) -> bool:
    """Return True if `level` is at or above `limit`; an unknown severity always is."""
    return level >= limit or level is Severity.UNKNOWN


def _evaluated_only(comparison: Comparison) -> Comparison:
    """Return the comparison without differences of controls and resources outside of this scan."""
    evaluated = tuple(difference for difference in comparison.incomparable if difference.head != "absent")
    return msgspec.structs.replace(comparison, incomparable=evaluated)


def _count(number: int, noun: str, plural: str) -> str:
    return f"{number:,} {noun if number == 1 else plural}"


def _check_findings(assessment: Assessment, gates: Gates) -> Iterator[GateResult]:
    """Check the limits on priority, on severity and on failures."""
    if gates.priority is None and gates.severity is None and not gates.failures:
        return
    findings = [
        finding
        for finding in assessment.findings
        if (finding.has_fix or not gates.only_fixable) and (may_be_exposed(finding) or not gates.only_exposed)
    ]
    rated = [finding for finding in findings if finding.definition.is_rated]
    unrated = len(findings) - len(rated)
    note = f" ({_count(unrated, 'vulnerability', 'vulnerabilities')} without a rating not counted)" if unrated else ""
    if gates.priority is not None:
        count = sum(_reaches(finding.priority.level, gates.priority) for finding in rated)
        text = (
            f"priority: {_count(count, 'finding', 'findings')} of {gates.priority.label} or above{_describe(gates)}, "
            f"limit 0{note}"
        )
        yield GateResult(not count, text)
    if gates.severity is not None:
        controls: dict[str, Severity] = {}
        for finding in rated:
            controls[finding.id] = max(finding.severity, controls.get(finding.id, finding.severity))
        result = _check_severity(list(controls.values()), gates.severity, gates)
        yield msgspec.structs.replace(result, text=result.text + note)
    yield from _check_numbers(findings, rated, gates)


def _describe(gates: Gates) -> str:
    """Return the conditions of the findings that limits count."""
    return (" with a fix" if gates.only_fixable else "") + (" in what is exposed" if gates.only_exposed else "")


def may_be_exposed(finding: Finding) -> bool:
    """Return True if the subject of a finding is exposed, or an image of which no workload is known."""
    return finding.is_exposed or (finding.subject.runs_in_containers and not finding.containers)


def _check_numbers(findings: Iterable[Finding], rated: Iterable[Finding], gates: Gates) -> Iterator[GateResult]:
    """Check the numbers of findings: in total of all, by severity of those with a rating."""
    everything, by_severity = (Counter(finding.severity for finding in group) for group in (findings, rated))
    for name in gates.failures:
        yield _check_failures(name, everything if name == TOTAL else by_severity, gates)


def _check_severity(levels: list[Severity], limit: Severity, gates: Gates) -> GateResult:
    """Check the severities of failed controls and of vulnerabilities."""
    count = sum(_reaches(level, limit) for level in levels)
    unknown = levels.count(Severity.UNKNOWN)
    above = f" or above ({unknown} of unknown severity)" if unknown else " or above"
    text = f"severity: {count} failed controls of {limit.label}{above}{_describe(gates)}, limit 0"
    return GateResult(not count, text)


def _check_failures(name: str, findings: Counter[Severity], gates: Gates) -> GateResult:
    """Check the number of findings of one severity, or in total."""
    limit = gates.failures[name]
    levels = list(Severity) if name == TOTAL else [Severity.parse(name), Severity.UNKNOWN]
    count = sum(findings[level] for level in dict.fromkeys(levels))
    return GateResult(count <= limit, f"failures: {count} {name}{_describe(gates)}, limit {limit}")


def _check_minimum(
    measure: str, assessment: Assessment, figures: Mapping[str, float | None], limits: Mapping[str, float]
) -> Iterator[GateResult]:
    """Check figures against minimums; a missing figure counts as 0."""
    for name, limit in limits.items():
        framework = _resolve_name(name, assessment) if name != EVERY else ""
        checked = {framework: figures[framework]} if framework else figures
        lowest, value = min(checked.items(), key=lambda pair: pair[1] or 0.0)
        figure = "not known" if value is None else f"{value:.2f} %"
        yield GateResult((value or 0.0) >= limit, f"{measure}: {figure} ({lowest}), limit {limit:g} %")


def _resolve_name(name: str, assessment: Assessment) -> str:
    """Return the slug of the framework of the scan called `name`, or OVERALL. Raises UnknownLimitError."""
    names_by_word = {OVERALL: OVERALL}
    for framework in (summary.framework for summary in assessment.frameworks):
        names_by_word |= {
            word.casefold(): framework.slug for word in (framework.slug, framework.name, *framework.aliases)
        }
    if name.casefold() not in names_by_word:
        similar = find_similar(name.casefold(), names_by_word)
        names = ", ".join((*(summary.framework.slug for summary in assessment.frameworks), OVERALL))
        hint = f"did you mean {similar}?" if similar else f"known: {names}"
        raise UnknownLimitError(f"a limit for {name}, which is not in this scan: {hint}")
    return names_by_word[name.casefold()]
