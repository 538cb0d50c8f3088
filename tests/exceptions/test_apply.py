"""Exceptions applied to many resources: the index matches the same as pairwise comparison, in any order."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import Any

from kubekeep.exceptions.apply import apply_exceptions
from kubekeep.exceptions.kubescape_format import parse_exception
from kubekeep.exceptions.match import ResourceMatcher
from kubekeep.exceptions.policy_exception import PolicyException, matches
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.exception import ExceptionStatus
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.source import Source
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.posture.select import find_controls, select
from kubekeep.sources.manifests.names import YAML

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
VALUES = {
    "kind": ("Pod", "Deployment", "Job"),
    "namespace": ("a", "b", "ab"),
    "name": ("web", "web-1", "api"),
    "team": ("x", "y", "xy"),
}
PATTERNS = {
    "kind": ("Pod", "Pod|Job", ".*", "*", "D.*"),
    "namespace": ("a", "a.*", "b|ab", ".+"),
    "name": ("web", "web.*", "[aw].*", ".*-1"),
    "team": ("x", "x.*", ".*"),
}


def resource(kind: str, namespace: str, name: str, team: str) -> Resource:
    metadata = {"name": name, "namespace": namespace, "labels": {"team": team}}
    source = Source("all.yaml", "/srv", YAML, 0)
    return Resource({"apiVersion": "v1", "kind": kind, "metadata": metadata}, source)


RESOURCES = [resource(*values) for values in itertools.product(*VALUES.values())]


def policy(number: int, *designators: dict[str, str], control: str = "C-0057", **more: Any) -> PolicyException:
    entry = [{"attributes": part} for part in designators]
    return parse_exception(
        {"resources": entry, "posturePolicies": [{"controlID": control}], **more}, Location("e.json"), number
    )


def compared(exception: PolicyException, resource: Resource) -> bool:
    """Return True if an exception covers a resource, by pairwise comparison."""
    values = {
        "kind": resource.kind,
        "namespace": resource.namespace,
        "name": resource.name,
        "team": resource.object["metadata"]["labels"]["team"],
    }
    return any(
        all(matches(pattern, values[key]) for key, pattern in designator.attributes)
        for designator in exception.designators
    )


def test_index_matches_like_pairwise_comparison() -> None:
    chance = random.Random(7)
    policy_exceptions = {}
    for number in range(300):
        designators = [
            {key: chance.choice(PATTERNS[key]) for key in chance.sample(list(PATTERNS), chance.randint(1, 4))}
            for _ in range(chance.randint(1, 2))
        ]
        policy_exceptions[number] = policy(number, *designators)
    index = ResourceMatcher(policy_exceptions, {}, "/srv")
    for matching in RESOURCES:
        expected = {number for number, resource in policy_exceptions.items() if compared(resource, matching)}
        assert index.find_matching(matching) == dict.fromkeys(expected)


def failing(resource: Resource, *paths: str) -> SubjectResult:
    evidence = tuple(Evidence(path, exists=True) for path in paths)
    return SubjectResult(resource, {"privileged-container": Verdict(Status.FAILED, evidence)})


SELECTION = select(named=find_controls(["C-0057"]))


def test_first_exception_stays_and_all_covering_ones_count() -> None:
    results = [failing(RESOURCES[0], "spec.containers[0]")]
    kind, name = policy(0, {"kind": "Pod"}, name="kind"), policy(1, {"name": "web"}, name="name")
    once, (first,) = apply_exceptions(results, [kind], SELECTION, NOW, namespaces={}, folder="/srv", inline=False)
    twice, (second,) = apply_exceptions(once, [name], SELECTION, NOW, namespaces={}, folder="/srv", inline=False)
    assert twice == once
    assert (first.status, second.status) == (ExceptionStatus.MATCHED, ExceptionStatus.MATCHED)


def test_failure_without_evidence_is_excepted_as_a_whole() -> None:
    results, _ = apply_exceptions(
        [failing(RESOURCES[0])],
        [policy(0, {"kind": "Pod"})],
        SELECTION,
        NOW,
        namespaces={},
        folder="/srv",
        inline=False,
    )
    (result,) = results
    verdict = result.verdicts["privileged-container"]
    assert (verdict.status, verdict.is_excepted, len(verdict.evidence)) == (Status.PASSED, True, 1)
    assert not verdict.unexcepted.evidence


def test_uncovered_results_are_returned_unchanged() -> None:
    result = failing(RESOURCES[0], "spec.containers[0]")
    results, _ = apply_exceptions(
        [result], [policy(0, {"kind": "Job"})], SELECTION, NOW, namespaces={}, folder="/srv", inline=True
    )
    assert results[0] is result
    assert apply_exceptions([result], [], SELECTION, NOW, namespaces={}, folder="/srv", inline=False) == ([result], ())


def test_exception_expires() -> None:
    exception = policy(0, {"kind": "Pod"}, expirationDate="2026-11-25T00:00:01Z")
    for moment, status in ((NOW, ExceptionStatus.MATCHED), (NOW + dt.timedelta(seconds=1), ExceptionStatus.EXPIRED)):
        result = failing(RESOURCES[0], "spec.containers[0]")
        _, (use,) = apply_exceptions(
            [result], [exception], SELECTION, moment, namespaces={}, folder="/srv", inline=False
        )
        assert use.status is status
