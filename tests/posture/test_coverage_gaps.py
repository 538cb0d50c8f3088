"""Coverage gaps: verdicts that depend on unlisted resources are not evaluated, all others are."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Status, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.select import Selection, select

SLUG = "automatic-service-account-token"
DEPLOYMENTS = CoverageGap(
    group="apps", kind="Deployment", resource="deployments", reason="forbidden", carries_pods=True
)
ACCOUNTS = CoverageGap(group="", kind="ServiceAccount", resource="serviceaccounts", reason="forbidden")
BINDINGS = CoverageGap(
    group="rbac.authorization.k8s.io", kind="ClusterRoleBinding", resource="clusterrolebindings", reason="forbidden"
)


def selection() -> Selection:
    return select([], [builtin().controls[SLUG]])


def pod(name: str, **spec: Any) -> Resource:
    metadata = {"name": name, "namespace": "shop"}
    containers = [{"name": "main", "image": "example.com/app:1"}]
    return Resource(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}
    )


def account() -> Resource:
    """Return an account that mounts tokens by default. A hidden Deployment could use it and opt out."""
    metadata = {"name": "web", "namespace": "shop"}
    return Resource(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": True}
    )


RESOURCES = [pod("asks"), pod("declines", automountServiceAccountToken=False), account()]
OWN_ACCOUNTS = [
    pod("own", serviceAccountName="own"),
    pod("own-declines", serviceAccountName="own", automountServiceAccountToken=False),
]


def evaluate_once(gap: CoverageGap, *more: Resource) -> dict[str, Verdict]:
    results = evaluate([*RESOURCES, *more], selection(), RegoPolicySet, kubernetes_minor=34, gaps=[gap])
    return {result.subject.name: result.verdicts[SLUG] for result in results}


def evaluate_incrementally(gap: CoverageGap, *more: Resource) -> dict[str, Verdict]:
    evaluator = IncrementalEvaluator(selection(), RegoPolicySet, kubernetes_minor=34)
    for number, resource in enumerate([*RESOURCES, *more]):
        evaluator.put(str(number), resource)
    evaluator.update()
    evaluator.update([gap])
    return {result.subject.name: result.verdicts[SLUG] for result in evaluator.results.values()}


@pytest.mark.parametrize("evaluate_with", [evaluate_once, evaluate_incrementally])
def test_unlisted_workloads_affect_only_accounts(evaluate_with: Any) -> None:
    verdicts = evaluate_with(DEPLOYMENTS)
    assert {name: verdict.status for name, verdict in verdicts.items()} == {
        "asks": Status.FAILED,
        "declines": Status.PASSED,
        "web": Status.NOT_EVALUATED,
    }
    assert verdicts["web"].reason.cause is Cause.NEEDS_ACCESS
    assert "list deployments.apps" in verdicts["web"].reason.text


@pytest.mark.parametrize("evaluate_with", [evaluate_once, evaluate_incrementally])
def test_unlisted_accounts_affect_all_verdicts(evaluate_with: Any) -> None:
    assert {verdict.status for verdict in evaluate_with(ACCOUNTS).values()} == {Status.NOT_EVALUATED}


@pytest.mark.parametrize("evaluate_with", [evaluate_once, evaluate_incrementally])
def test_unlisted_bindings_affect_only_failures_that_they_could_remove(evaluate_with: Any) -> None:
    """No binding exempts the account `default`, and none makes a resource fail."""
    verdicts = evaluate_with(BINDINGS, *OWN_ACCOUNTS)
    assert {name: verdict.status for name, verdict in verdicts.items()} == {
        "asks": Status.FAILED,
        "declines": Status.PASSED,
        "web": Status.NOT_EVALUATED,
        "own": Status.NOT_EVALUATED,
        "own-declines": Status.PASSED,
    }
    for name in ("web", "own"):
        assert verdicts[name].reason.cause is Cause.NEEDS_ACCESS
        assert "list clusterrolebindings" in verdicts[name].reason.text
