"""Summaries of verdicts by control, by framework and overall. Only counts; `posture.score` has the formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from kubekeep.model.assessment import Counts, DefinitionSummary, FrameworkSummary, SubjectResult
from kubekeep.model.control import HOST_DATA, PLATFORMS, SUBJECT, WORKLOAD, Control, RequiredData
from kubekeep.model.definition import Definition
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.framework import Framework
from kubekeep.model.verdict import Cause, Reason, Status
from kubekeep.posture import score
from kubekeep.posture.coverage_gaps import NO_GAPS, AffectedControls
from kubekeep.posture.priority import prioritise
from kubekeep.posture.select import Selection

NO_ENFORCEMENT: Final[Mapping[str, tuple[Enforcement, ...]]] = MappingProxyType({})


class Totals(msgspec.Struct, frozen=True):
    """The totals of a whole scan, as in `Assessment`."""

    summaries: tuple[DefinitionSummary, ...]
    frameworks: tuple[FrameworkSummary, ...]
    status: Status
    counts: Counts
    score: float
    compliance: float | None
    coverage: float


class _Tally:
    """Counts of one control."""

    __slots__ = ("excepted", "failed", "not_evaluated", "passed", "reason", "weight", "weight_failed")

    def __init__(self) -> None:
        self.passed = self.failed = self.not_evaluated = self.excepted = 0
        self.weight = self.weight_failed = 0.0
        self.reason: Reason | None = None


def summarise(
    results: Sequence[SubjectResult],
    selection: Selection,
    affected: AffectedControls = NO_GAPS,
    enforcement: Mapping[str, tuple[Enforcement, ...]] = NO_ENFORCEMENT,
) -> Totals:
    """Sum up `results` by the controls and frameworks of `selection`.

    A control in `affected.incomplete` does not pass, as some of its targets are missing from the input. `enforcement`
    lists the admission policies that enforce each control, by slug.
    """
    tallies = _tally_verdicts(results, selection.definitions)
    summaries = sorted(
        (
            msgspec.structs.replace(
                _summarise_definition(
                    definition, tallies[definition.slug], selection.skip_reasons.get(definition.slug), affected
                ),
                enforcement=enforcement.get(definition.slug, ()),
            )
            for definition in selection.definitions
        ),
        key=lambda summary: (-summary.definition.severity, summary.definition.id),
    )
    by_slug = {summary.definition.slug: summary for summary in summaries}
    frameworks = tuple(
        _summarise_framework(framework, selection.select_members(framework), by_slug, results, tallies)
        for framework in selection.frameworks
    )
    counts = _count_resources(results, by_slug)
    return Totals(
        summaries=tuple(summaries),
        frameworks=frameworks,
        status=score.status(_count_controls(summaries)),
        counts=counts,
        score=_compute_risk(summaries, tallies),
        compliance=score.mean_compliance(summaries),
        coverage=score.coverage(summaries),
    )


def _tally_verdicts(results: Iterable[SubjectResult], definitions: Iterable[Definition]) -> dict[str, _Tally]:
    tallies = {definition.slug: _Tally() for definition in definitions}
    for result in results:
        weight = score.weight(result.subject)
        for slug, verdict in result.verdicts.items():
            tally = tallies[slug]
            tally.weight += weight
            if verdict.status is Status.PASSED:
                tally.passed += 1
                tally.excepted += verdict.is_excepted
            elif verdict.status is Status.FAILED:
                tally.failed += 1
                tally.weight_failed += weight
            else:
                tally.not_evaluated += 1
                tally.reason = tally.reason or verdict.reason
    return tallies


def _summarise_definition(
    definition: Definition, tally: _Tally, skip_reason: Reason | None, affected: AffectedControls
) -> DefinitionSummary:
    counts = Counts(tally.passed, tally.failed, tally.not_evaluated, tally.excepted)
    status = score.status(counts)
    gap_reason = affected.incomplete.get(definition.slug)
    if gap_reason is not None and status is Status.PASSED:
        status = Status.NOT_EVALUATED
    reason = skip_reason or gap_reason or tally.reason
    if reason is None and not counts.total:
        reason = _explain_missing_data(definition)
    return DefinitionSummary(
        definition=definition,
        status=status,
        counts=counts,
        score=score.risk(tally.weight_failed, tally.weight),
        # The listed resources say nothing about a control that needs the missing ones too.
        compliance=None if gap_reason is not None and status is Status.NOT_EVALUATED else score.compliance(counts),
        reason=reason if status is Status.NOT_EVALUATED else None,
        priority=prioritise(definition),
    )


def _explain_missing_data(definition: Definition) -> Reason:
    names = {WORKLOAD: "workload", SUBJECT: "bound RBAC subject"}
    kinds = list(dict.fromkeys(names.get(target, target.rpartition("/")[2]) for target in definition.targets))
    if isinstance(definition, Control) and definition.uses_only_documents():
        cause = _MISSING_DATA_CAUSES.get(definition.required_data, Cause.NEEDS_CLUSTER)
        return Reason(
            cause, f"required data is missing from the input: add {' or '.join(kinds)}{_other_sources(definition)}"
        )
    providers = definition.providers if isinstance(definition, Control) else ()
    platforms = f"{' or '.join(name.upper() for name in providers)} " if providers else ""
    return Reason(Cause.IRRELEVANT, f"no {platforms}resources in scope in the input ({', '.join(kinds)})")


def _other_sources(definition: Definition) -> str:
    """Return other ways to collect the documents that `definition` needs, as text."""
    groups = {target.partition("/")[0] for target in definition.targets}
    by_hosts = ", or collect it with kubekeep host collect" if HOST_DATA in groups else ""
    return by_hosts + (", or scan the cluster with --cloud" if not groups.isdisjoint(PLATFORMS) else "")


_MISSING_DATA_CAUSES: Final = {
    RequiredData.HOST: Cause.NEEDS_HOST_DATA,
    RequiredData.CLOUD: Cause.NEEDS_CLOUD_DATA,
    RequiredData.IMAGE: Cause.NEEDS_IMAGE_DATA,
}


def _summarise_framework(
    framework: Framework,
    controls: Sequence[Control],
    by_slug: Mapping[str, DefinitionSummary],
    results: Iterable[SubjectResult],
    tallies: Mapping[str, _Tally],
) -> FrameworkSummary:
    members = {control.slug: by_slug[control.slug] for control in controls}
    summaries = tuple(members.values())
    return FrameworkSummary(
        framework=framework,
        controls=tuple(members),
        status=score.status(_count_controls(summaries)),
        counts=_count_resources(results, members),
        score=_compute_risk(summaries, tallies),
        compliance=score.mean_compliance(summaries),
        coverage=score.coverage(summaries),
    )


def _count_controls(controls: Iterable[DefinitionSummary]) -> Counts:
    """Count the controls by status, without irrelevant ones."""
    statuses = [
        summary.status for summary in controls if summary.reason is None or summary.reason.cause is not Cause.IRRELEVANT
    ]
    return Counts(*(statuses.count(status) for status in (Status.PASSED, Status.FAILED, Status.NOT_EVALUATED)))


def _count_resources(results: Iterable[SubjectResult], slugs: Mapping[str, object]) -> Counts:
    """Count the resources by their worst verdict among `slugs`; a resource without verdicts is not counted.

    Verdicts with the cause "configuration" are ignored: an unset parameter is not a property of the resource.
    """
    passed = failed = not_evaluated = excepted = 0
    for result in results:
        verdicts = [
            verdict
            for slug, verdict in result.verdicts.items()
            if slug in slugs and (verdict.reason is None or verdict.reason.cause is not Cause.CONFIGURATION)
        ]
        statuses = {verdict.status for verdict in verdicts}
        if Status.FAILED in statuses:
            failed += 1
        elif Status.NOT_EVALUATED in statuses:
            not_evaluated += 1
        elif statuses:
            passed += 1
            excepted += any(verdict.is_excepted for verdict in verdicts)
    return Counts(passed, failed, not_evaluated, excepted)


def _compute_risk(controls: Iterable[DefinitionSummary], tallies: Mapping[str, _Tally]) -> float:
    pairs = [
        (summary.definition.severity, tallies[summary.definition.slug])
        for summary in controls
        if summary.definition.is_requirement
    ]
    return score.risk(
        sum(severity * tally.weight_failed for severity, tally in pairs),
        sum(severity * tally.weight for severity, tally in pairs),
    )
