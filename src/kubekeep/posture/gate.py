"""Gates: the limits that a pipeline sets on an assessment. Never loosened by what could not be evaluated."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.finding import Cause, Status, Verdict
from kubekeep.model.severity import Severity

OVERALL: Final = "overall"
"""What a limit on the figure over all controls is called."""
TOTAL: Final = "total"
"""What a limit on failures of every severity is called."""
EVERY: Final = ""
"""A limit that holds for every framework and overall."""


class UnknownLimitError(ValueError):
    """A limit for something that is not in the scan: it would pass whatever happens."""


class Gates(msgspec.Struct, frozen=True, kw_only=True):
    """The limits; none where nothing is set. Compliance and coverage are percentages by framework, OVERALL or EVERY."""

    severity: Severity | None = None
    """Fail when a control of this severity or above fails; one of unknown severity may be as severe as any."""
    compliance: Mapping[str, float] = {}
    """Fail below this compliance."""
    coverage: Mapping[str, float] = {}
    """Fail below this coverage."""
    failures: Mapping[str, int] = {}
    """Fail above so many failures (a control on a resource) of a severity, by its name in small letters, or TOTAL.

    Those of unknown severity count for each.
    """
    new: bool = False
    """Fail on what is not in the baseline."""
    new_severity: Severity | None = None
    """Only new findings of this severity or above."""
    only_fixable: bool = False
    """Count only failures with a fix, in the limits on severity and on failures."""


class Outcome(msgspec.Struct, frozen=True):
    """One gate with the figure it saw, in a sentence."""

    passed: bool
    text: str


def judge(assessment: Assessment, gates: Gates) -> list[Outcome]:
    """The outcome of each gate that is set. Raises UnknownLimitError for a framework that is not in the scan."""
    outcomes = []
    failed = _failed(assessment, fixable=gates.only_fixable)
    if gates.severity is not None:
        outcomes.append(_severity(assessment, failed, gates))
    outcomes += (_most(name, failed, assessment, gates) for name in gates.failures)
    if gates.compliance:
        figures = {item.framework.name: item.compliance for item in assessment.frameworks}
        outcomes += _least("compliance", assessment, figures | {OVERALL: assessment.compliance}, gates.compliance)
    if gates.coverage:
        covered = {item.framework.name: item.coverage for item in assessment.frameworks}
        outcomes += _least("coverage", assessment, covered | {OVERALL: assessment.coverage}, gates.coverage)
    if gates.new and assessment.baseline is not None:
        outcomes.append(new_findings(_asked(assessment.baseline), gates.new_severity))
    return outcomes


def incomplete(assessment: Assessment) -> bool:
    """Whether something was not read, or a rule could not say anything where it should have."""
    broken = (Cause.RULE_ERROR, Cause.MALFORMED)
    return bool(assessment.unread) or any(
        verdict.reason is not None and verdict.reason.cause in broken
        for result in assessment.results
        for verdict in result.verdicts.values()
    )


def new_findings(comparison: Comparison, level: Severity | None = None) -> Outcome:
    """The gate on what is new; a finding that cannot be compared counts, as does one of unknown severity."""
    new, unclear = (_severe(items, level) for items in (comparison.new, comparison.incomparable))
    above = f" of {level.label} or above" if level else ""
    holes = f", {unclear} that cannot be compared" if unclear else ""
    text = f"new findings: {new}{above}{holes}, limit 0 (baseline {comparison.base})"
    return Outcome(not (new or unclear), text)


def _severe(items: Iterable[Difference], level: Severity | None) -> int:
    return sum(level is None or _reaches(item.finding.level, level) for item in items)


def _reaches(level: Severity, limit: Severity) -> bool:
    """Whether something is as severe as a limit; of unknown severity it may be."""
    return level >= limit or level is Severity.UNKNOWN


def _asked(comparison: Comparison) -> Comparison:
    """Without what the scan was not asked for: other controls and resources are no business of its gates."""
    asked = tuple(item for item in comparison.incomparable if item.head != "absent")
    return msgspec.structs.replace(comparison, incomparable=asked)


def _failed(assessment: Assessment, *, fixable: bool) -> Counter[str]:
    """How many resources fail, by slug of the control."""
    failed: Counter[str] = Counter()
    for result in assessment.results:
        for slug, verdict in result.verdicts.items():
            if verdict.status is Status.FAILED and (not fixable or _is_fixable(verdict)):
                failed[slug] += 1
    return failed


def _is_fixable(verdict: Verdict) -> bool:
    return any(item.fix is not None or item.delete for item in verdict.standing.evidence)


def _severity(assessment: Assessment, failed: Counter[str], gates: Gates) -> Outcome:
    limit = gates.severity or Severity.UNKNOWN
    levels = [item.control.level for item in assessment.controls if failed[item.control.slug]]
    count = sum(_reaches(level, limit) for level in levels)
    unknown = levels.count(Severity.UNKNOWN)
    above = f" or above ({unknown} of unknown severity)" if unknown else " or above"
    with_fix = " with a fix" if gates.only_fixable else ""
    return Outcome(not count, f"severity: {count} failed controls of {limit.label}{above}{with_fix}, limit 0")


def _most(name: str, failed: Counter[str], assessment: Assessment, gates: Gates) -> Outcome:
    limit = gates.failures[name]
    count = sum(
        failed[item.control.slug]
        for item in assessment.controls
        if name == TOTAL or item.control.level in (Severity.named(name), Severity.UNKNOWN)
    )
    with_fix = " with a fix" if gates.only_fixable else ""
    return Outcome(count <= limit, f"failures: {count} {name}{with_fix}, limit {limit}")


def _least(
    what: str, assessment: Assessment, figures: Mapping[str, float | None], limits: Mapping[str, float]
) -> Iterator[Outcome]:
    """A figure that does not exist counts as 0: nothing evaluated is nothing proven."""
    for asked, limit in limits.items():
        meant = figures if asked == EVERY else {_named(asked, assessment): figures[_named(asked, assessment)]}
        name, value = min(((name, value or 0.0) for name, value in meant.items()), key=lambda pair: pair[1])
        yield Outcome(value >= limit, f"{what}: {value:.2f} % ({name}), limit {limit:g} %")


def _named(asked: str, assessment: Assessment) -> str:
    """The framework of the scan that is called `asked`, or OVERALL. Raises UnknownLimitError."""
    known = {OVERALL: OVERALL}
    for item in assessment.frameworks:
        framework = item.framework
        known |= {name.casefold(): framework.name for name in (framework.slug, framework.name, *framework.aliases)}
    if asked.casefold() not in known:
        near = difflib.get_close_matches(asked.casefold(), known, n=1)
        names = ", ".join((*(item.framework.slug for item in assessment.frameworks), OVERALL))
        hint = f"did you mean {near[0]}?" if near else f"in it are {names}"
        raise UnknownLimitError(f"a limit for {asked}, which is not in this scan: {hint}")
    return known[asked.casefold()]
