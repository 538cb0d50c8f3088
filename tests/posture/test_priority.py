"""Priorities of findings by severity, effect and context: the table of `docs/scores.md`."""

from __future__ import annotations

import pytest

from kubekeep.library.load import builtin
from kubekeep.model.assessment import Counts, DefinitionSummary, SubjectResult
from kubekeep.model.finding import Finding
from kubekeep.model.priority import NO_CONTEXT, Priority, ResourceContext
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import PASSED, Evidence, Status, Verdict
from kubekeep.posture.priority import attach_contexts, prioritise, prioritise_results

EXPOSED = ResourceContext(exposure="reachable from the internet")
POWERFUL = ResourceContext(power="can take over its node")
TAKEOVER = ResourceContext(
    exposure=EXPOSED.exposure,
    power=POWERFUL.power,
    steps={"privileged-container": "container a is privileged", "host-path": "container a reaches /run/docker.sock"},
)


@pytest.mark.parametrize(
    ("slug", "context", "score", "level"),
    [
        ("privileged-container", NO_CONTEXT, 8.0, Severity.HIGH),
        ("privileged-container", TAKEOVER, 10.0, Severity.CRITICAL),
        ("host-path", TAKEOVER, 10.0, Severity.CRITICAL),
        ("non-root-container", NO_CONTEXT, 6.0, Severity.MEDIUM),
        ("non-root-container", EXPOSED, 7.0, Severity.HIGH),
        ("non-root-container", POWERFUL, 7.0, Severity.HIGH),
        ("credentials-in-configuration", TAKEOVER, 8.9, Severity.HIGH),
        ("cpu-limit", TAKEOVER, 5.0, Severity.MEDIUM),
        ("labels", TAKEOVER, 2.0, Severity.LOW),
    ],
)
def test_score_and_level(slug: str, context: ResourceContext, score: float, level: Severity) -> None:
    priority = prioritise(builtin().controls[slug], context)
    assert (priority.score, priority.level) == (score, level)


def test_reasons() -> None:
    controls = builtin().controls
    assert prioritise(controls["privileged-container"], TAKEOVER) == Priority(
        Severity.CRITICAL, 10.0, "container a is privileged", ("reachable from the internet",)
    )
    assert prioritise(controls["non-root-container"], TAKEOVER).reasons == (POWERFUL.power, EXPOSED.exposure)
    assert prioritise(controls["cpu-limit"], TAKEOVER).reasons == ()


def test_only_failures_of_resources_with_a_context_get_priorities() -> None:
    failed = Verdict(Status.FAILED, (Evidence("spec", exists=True),))
    exposed, plain = Resource({"kind": "Pod"}), Resource({"kind": "Pod"})
    results = [
        SubjectResult(resource, {"privileged-container": failed, "host-path": PASSED}) for resource in (exposed, plain)
    ]
    attached = attach_contexts(results, {id(exposed): EXPOSED})
    first, second = prioritise_results(attached, builtin().controls.values())
    assert {slug: priority.score for slug, priority in first.priorities.items()} == {"privileged-container": 8.9}
    assert second is results[1]


@pytest.mark.parametrize(
    ("changes", "context", "score", "level"),
    [
        ((-3.0, -3.0), NO_CONTEXT, 4.0, Severity.MEDIUM),
        ((-3.0, -1.0), NO_CONTEXT, 6.0, Severity.MEDIUM),
        ((-3.0, 0.0), NO_CONTEXT, 7.0, Severity.HIGH),
        ((-9.0,), NO_CONTEXT, 1.0, Severity.LOW),
        ((-3.0,), EXPOSED, 5.0, Severity.MEDIUM),
    ],
)
def test_most_severe_evidence_changes_the_severity(
    changes: tuple[float, ...], context: ResourceContext, score: float, level: Severity
) -> None:
    control, role = builtin().controls["reading-secrets"], Resource({"kind": "ClusterRole"})
    evidence = tuple(Evidence("rules[0]", exists=True, severity_change=change) for change in changes)
    results = [SubjectResult(role, {control.slug: Verdict(Status.FAILED, evidence)})]
    contexts = {} if context is NO_CONTEXT else {id(role): context}
    (result,) = prioritise_results(attach_contexts(results, contexts), [control])
    summary = DefinitionSummary(control, Status.FAILED, Counts(failed=1), 0, None, priority=prioritise(control))
    priority = result.get_priority(summary)
    assert (priority.score, priority.level) == (score, level)
    finding = Finding(control, role, evidence)
    assert finding.severity is Severity.from_score(finding.score)
    assert finding.score == max(1.0, 7.0 + max(changes))


def test_subject_has_the_context_of_its_role() -> None:
    role, binding = Resource({"kind": "ClusterRole"}), Resource({"kind": "ClusterRoleBinding"})
    subject = Resource({"kind": "Group"}, related=(binding, role))
    failed = Verdict(Status.FAILED, (Evidence("relatedObjects[1].rules[0]", exists=True),))
    results = [SubjectResult(subject, {"administrative-roles": failed})]
    contexts = {id(role): ResourceContext(steps={"administrative-roles": "it allows everything"})}
    (result,) = prioritise_results(attach_contexts(results, contexts), builtin().controls.values())
    assert result.priorities["administrative-roles"].level is Severity.CRITICAL
