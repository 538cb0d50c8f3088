"""What a cluster did not show leaves those verdicts without an answer that depend on it, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.finding import Cause, Status, Verdict
from kubekeep.model.resource import Resource
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.select import Selection, select

SLUG = "automatic-service-account-token"
DEPLOYMENTS = CoverageGap(group="apps", kind="Deployment", resource="deployments", why="forbidden", carries_pods=True)
ACCOUNTS = CoverageGap(group="", kind="ServiceAccount", resource="serviceaccounts", why="forbidden")


def selection() -> Selection:
    return select([], [builtin().controls[SLUG]])


def pod(name: str, **spec: Any) -> Resource:
    metadata = {"name": name, "namespace": "shop"}
    containers = [{"name": "main", "image": "example.com/app:1"}]
    return Resource(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}
    )


def account() -> Resource:
    """An account that gives tokens, as whose workloads a Deployment that opts out runs."""
    metadata = {"name": "web", "namespace": "shop"}
    return Resource(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": True}
    )


RESOURCES = [pod("asks"), pod("declines", automountServiceAccountToken=False), account()]


def by_run(gap: CoverageGap) -> dict[str, Verdict]:
    results = evaluate(RESOURCES, selection(), RegoPolicySet, kubernetes_minor=34, gaps=[gap])
    return {item.resource.name: item.verdicts[SLUG] for item in results}


def by_standing(gap: CoverageGap) -> dict[str, Verdict]:
    standing = IncrementalEvaluator(selection(), RegoPolicySet, kubernetes_minor=34)
    for number, resource in enumerate(RESOURCES):
        standing.put(str(number), resource)
    standing.settle()
    standing.settle([gap])
    return {item.resource.name: item.verdicts[SLUG] for item in standing.results.values()}


@pytest.mark.parametrize("judge", [by_run, by_standing])
def test_unlisted_workloads_affect_only_accounts(judge: Any) -> None:
    found = judge(DEPLOYMENTS)
    assert {name: verdict.status for name, verdict in found.items()} == {
        "asks": Status.FAILED,
        "declines": Status.PASSED,
        "web": Status.NOT_EVALUATED,
    }
    assert found["web"].reason.cause is Cause.NEEDS_ACCESS
    assert "list deployments.apps" in found["web"].reason.text


@pytest.mark.parametrize("judge", [by_run, by_standing])
def test_unlisted_accounts_affect_all_verdicts(judge: Any) -> None:
    assert {verdict.status for verdict in judge(ACCOUNTS).values()} == {Status.NOT_EVALUATED}
