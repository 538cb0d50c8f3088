"""Exceptions over many resources: the index finds what one comparison after the other finds, and order hides nothing."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import Any

from kubekeep.exceptions.apply import apply_exceptions
from kubekeep.exceptions.kubescape_format import parse_exception
from kubekeep.exceptions.match import ResourceMatcher
from kubekeep.exceptions.policy_exception import PolicyException, matches
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.exception import ExceptionStatus
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource, Source
from kubekeep.posture.select import find_controls, select
from kubekeep.sources.manifests.source import YAML

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
    said = [{"attributes": item} for item in designators]
    return parse_exception(
        {"resources": said, "posturePolicies": [{"controlID": control}], **more}, Location("e.json"), number
    )


def compared(item: PolicyException, found: Resource) -> bool:
    """Whether an exception is for a resource, one comparison after the other."""
    said = {
        "kind": found.kind,
        "namespace": found.namespace,
        "name": found.name,
        "team": found.object["metadata"]["labels"]["team"],
    }
    return any(
        all(matches(pattern, said[key]) for key, pattern in designator.attributes) for designator in item.designators
    )


def test_the_index_finds_what_comparing_finds() -> None:
    chance = random.Random(7)
    policy_exceptions = {}
    for number in range(300):
        designators = [
            {key: chance.choice(PATTERNS[key]) for key in chance.sample(list(PATTERNS), chance.randint(1, 4))}
            for _ in range(chance.randint(1, 2))
        ]
        policy_exceptions[number] = policy(number, *designators)
    index = ResourceMatcher(policy_exceptions, {}, "/srv")
    for found in RESOURCES:
        expected = {number for number, item in policy_exceptions.items() if compared(item, found)}
        assert index.find_matching(found) == dict.fromkeys(expected)


def failing(found: Resource, *paths: str) -> ResourceResult:
    evidence = tuple(Evidence(path, exists=True) for path in paths)
    return ResourceResult(found, {"privileged-container": Verdict(Status.FAILED, evidence)})


SELECTION = select(named=find_controls(["C-0057"]))


def test_what_is_waived_already_stays_and_counts_for_all_that_cover_it() -> None:
    results = [failing(RESOURCES[0], "spec.containers[0]")]
    kind, name = policy(0, {"kind": "Pod"}, name="kind"), policy(1, {"name": "web"}, name="name")
    once, (first,) = apply_exceptions(results, [kind], SELECTION, NOW, namespaces={}, folder="/srv", inline=False)
    twice, (second,) = apply_exceptions(once, [name], SELECTION, NOW, namespaces={}, folder="/srv", inline=False)
    assert twice == once
    assert (first.status, second.status) == (ExceptionStatus.MATCHED, ExceptionStatus.MATCHED)


def test_a_failure_without_a_place_is_waived_for_the_whole_resource() -> None:
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


def test_what_nothing_covers_is_the_same_object() -> None:
    result = failing(RESOURCES[0], "spec.containers[0]")
    results, _ = apply_exceptions(
        [result], [policy(0, {"kind": "Job"})], SELECTION, NOW, namespaces={}, folder="/srv", inline=True
    )
    assert results[0] is result
    assert apply_exceptions([result], [], SELECTION, NOW, namespaces={}, folder="/srv", inline=False) == ([result], ())


def test_an_exception_ends_when_its_time_is_over() -> None:
    item = policy(0, {"kind": "Pod"}, expirationDate="2026-11-25T00:00:01Z")
    for moment, status in ((NOW, ExceptionStatus.MATCHED), (NOW + dt.timedelta(seconds=1), ExceptionStatus.EXPIRED)):
        result = failing(RESOURCES[0], "spec.containers[0]")
        _, (use,) = apply_exceptions([result], [item], SELECTION, moment, namespaces={}, folder="/srv", inline=False)
        assert use.status is status
