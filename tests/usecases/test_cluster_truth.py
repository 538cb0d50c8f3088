"""Incomplete access to a cluster: every verdict that differs from the administrator's is not evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.control import SUBJECT, WORKLOAD
from kubekeep.model.finding import Cause, Reason, Status
from kubekeep.model.resource_types import BUILTIN_TYPES
from kubekeep.model.workload import POD_KINDS
from kubekeep.posture.gate import incomplete
from kubekeep.usecases.request import EvaluationOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.cluster.cluster import Cluster
from tests.kube.faults import always, front, page_of
from tests.sources.cluster import objects
from tests.usecases import clusters

HIDDEN = [
    ("serviceaccounts",),
    ("roles",),
    ("clusterroles", "clusterrolebindings"),
    ("rolebindings",),
    ("networkpolicies",),
    ("pods",),
    ("deployments", "replicasets"),
    ("nodes",),
    ("namespaces",),
    ("secrets",),
    ("configmaps",),
    ("services", "ingresses"),
    ("customresourcedefinitions",),
    ("validatingwebhookconfigurations", "mutatingwebhookconfigurations"),
]


OWNERS = ("deployments",)
OWNING = {BUILTIN_TYPES[kind].plural for kind in POD_KINDS} - {"pods"}


@pytest.fixture(scope="module")
def shop(module_cluster: Cluster) -> Cluster:
    """A cluster with all that is in it, the users of the tests too: what is compared must not change in between."""
    clusters.furnished(module_cluster)
    for hidden in (*HIDDEN, OWNERS):
        module_cluster.user(user_without(hidden), clusters.rules_without(module_cluster, *hidden))
    module_cluster.user("team", [])
    module_cluster.apply(clusters.role_in("team", "team"))
    return module_cluster


def user_without(hidden: tuple[str, ...]) -> str:
    return f"without-{len(hidden)}-{hidden[0]}"


def kubeconfig(cluster: Cluster, user: str) -> Path:
    return cluster.layout.kubeconfigs / user


@pytest.fixture(scope="module")
def whole(shop: Cluster) -> Assessment:
    """What the administrator is told."""
    found = clusters.scanned(clusters.access(shop.kubeconfig))
    assert (found.unread, incomplete(found)) == ((), False)
    statuses = {verdict.status for verdict in clusters.verdicts(found).values()}
    assert statuses == {Status.PASSED, Status.FAILED, Status.NOT_EVALUATED}
    return found


def test_the_whole_truth_is_about_every_part(whole: Assessment) -> None:
    """What is hidden in the tests below is there: a control has found something in each of it."""
    judged = {result.resource.kind for result in whole.results}
    assert judged >= {"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Pod", "Service", "Ingress", "Namespace"}
    assert judged >= {"ServiceAccount", "ConfigMap", "Role", "RoleBinding", "ClusterRoleBinding", "NetworkPolicy"}


@pytest.mark.parametrize("hidden", HIDDEN, ids="+".join)
def test_hidden_resources_are_never_treated_as_absent(
    shop: Cluster, whole: Assessment, hidden: tuple[str, ...]
) -> None:
    user = user_without(hidden)
    part = clusters.scanned(clusters.access(kubeconfig(shop, user)))
    named = {str(item.location).split()[1].partition(".")[0] for item in part.unread}
    assert named == {*hidden}, part.unread
    assert all(user in item.message for item in part.unread)
    assert incomplete(part)
    compare(whole, part, {*hidden})


def compare(whole: Assessment, part: Assessment, hidden: set[str], inside: frozenset[str] = frozenset()) -> None:
    """Nothing in `part` says otherwise than `whole` but that it does not know, because of `hidden`.

    Of that, what is `inside` is hidden only where nothing is judged.
    """
    truth, told = clusters.verdicts(whole), clusters.verdicts(part)
    summaries = {item.control.slug: item for item in part.controls}
    for (name, slug), verdict in told.items():
        known = truth.get((name, slug))
        if known is None and name.split()[0] in {kind for _, kind in POD_KINDS} and hidden & OWNING:
            continue  # an owner would have spoken for it
        if known is None:
            # Whether the control applies at all depends on what is hidden.
            assert (name, slug, verdict.status) == (name, slug, Status.NOT_EVALUATED)
            assert_named(verdict.reason, hidden)
        elif verdict.status is not known.status:
            assert (name, slug, verdict.status) == (name, slug, Status.NOT_EVALUATED)
            assert_named(verdict.reason, hidden)
        elif verdict.status is Status.FAILED:
            assert [item.path for item in verdict.evidence] == [item.path for item in known.evidence]
    for name, slug in truth.keys() - told.keys():
        assert (name, slug, summaries[slug].status) != (name, slug, Status.PASSED)
        assert not is_irrelevant(summaries[slug]), (name, slug)
    for item in whole.controls:
        compare_control(item, summaries[item.control.slug], hidden, inside)
    assert part.coverage <= whole.coverage


def compare_control(
    whole: ControlSummary, part: ControlSummary, hidden: set[str], inside: frozenset[str] = frozenset()
) -> None:
    slug = whole.control.slug
    if part.status is Status.PASSED:
        assert (slug, whole.status) == (slug, Status.PASSED)
        assert not looks_at(whole, hidden - inside), slug
    if part.status is Status.FAILED:
        assert (slug, whole.status) == (slug, Status.FAILED)
    if is_irrelevant(part):
        assert is_irrelevant(whole), slug
        assert not looks_at(whole, hidden - inside), slug
    elif part.status is Status.NOT_EVALUATED and whole.status is not Status.NOT_EVALUATED:
        assert_named(part.reason, hidden)
        assert part.compliance is None


def assert_named(reason: Reason | None, hidden: set[str]) -> None:
    assert reason is not None
    assert reason.cause is Cause.NEEDS_ACCESS
    assert any(f"{verb} {resource}" in reason.text for resource in hidden for verb in ("list", "get")), reason.text


def is_irrelevant(item: ControlSummary) -> bool:
    return item.reason is not None and item.reason.cause is Cause.IRRELEVANT


def looks_at(item: ControlSummary, hidden: set[str]) -> bool:
    """Whether a control looks at a kind that is hidden."""
    kinds = {kind for (_, kind), known in BUILTIN_TYPES.items() if known.plural in hidden}
    pods = {kind for _, kind in POD_KINDS}
    targets = set(item.control.targets)
    return (
        bool(targets & kinds)
        or (WORKLOAD in targets and bool(kinds & pods))
        or (SUBJECT in targets and bool(kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}))
    )


def test_user_without_permissions_gets_no_verdicts(shop: Cluster, whole: Assessment) -> None:
    found = clusters.scanned(clusters.access(shop.kubeconfig, "nobody"))
    assert found.results == ()
    assert {item.status for item in found.controls} == {Status.NOT_EVALUATED}
    answered = [item for item in whole.controls if item.status is not Status.NOT_EVALUATED]
    told = {item.control.slug: item for item in found.controls}
    assert {told[item.control.slug].reason.cause for item in answered} == {Cause.NEEDS_ACCESS}  # type: ignore[union-attr]
    assert (found.compliance, found.coverage) == (None, 0)


def test_server_errors_count_as_missing_permissions(shop: Cluster, whole: Assessment) -> None:
    """Whatever keeps a list from being whole: an error of the server, or an end before the end."""

    def broken(exchange: Any) -> None:
        exchange.refuse(500, "InternalError", "etcd is gone")

    with front(shop, always(page_of("networkpolicies"), broken)) as proxy:
        part = clusters.scanned(clusters.through(shop.kubeconfig, proxy.url))
    assert [(str(item.location), item.message) for item in part.unread] == [
        ("list networkpolicies.networking.k8s.io", "etcd is gone")
    ]
    compare(whole, part, {"networkpolicies"})


def test_snapshot_equals_cluster(shop: Cluster, whole: Assessment, tmp_path: Path) -> None:
    """As `kubectl get -o json` dumps them, read as a snapshot; files have what controllers made as well."""
    items: list[dict[str, Any]] = []
    for path, kinds in (
        ("/api/v1", ()),
        ("/apis/apps/v1", ()),
        ("/apis/batch/v1", ()),
        ("/apis/networking.k8s.io/v1", ()),
        ("/apis/autoscaling/v2", ()),
        ("/apis/policy/v1", ()),
        ("/apis/rbac.authorization.k8s.io/v1", ()),
        ("/apis/admissionregistration.k8s.io/v1", ()),
        ("/apis/apiregistration.k8s.io/v1", ()),
        ("/apis/coordination.k8s.io/v1", ("leases",)),
        ("/apis/discovery.k8s.io/v1", ("endpointslices",)),
        ("/apis/storage.k8s.io/v1", ()),
    ):
        for resource in shop.admin("GET", path)["resources"]:
            if "list" in resource["verbs"] and "/" not in resource["name"] and (not kinds or resource["name"] in kinds):
                found = shop.admin("GET", f"{path}/{resource['name']}")
                version = path.removeprefix("/apis/").removeprefix("/api/")
                items += [{"apiVersion": version, "kind": resource["kind"]} | item for item in found["items"]]
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    version = f"1.{shop.admin('GET', '/version')['minor']}"
    files = scan(
        ScanRequest(
            ScanInput(paths=(str(dump),), snapshot=True), evaluation=EvaluationOptions(kubernetes_version=version)
        )
    )
    assert files.unread == ()
    statuses = {key: verdict.status for key, verdict in clusters.verdicts(files).items()}
    told = {key: verdict.status for key, verdict in clusters.verdicts(whole).items()}
    assert {name for name, _ in statuses.keys() - told.keys()} == clusters.OWNED
    assert {key: status for key, status in statuses.items() if key[0] not in clusters.OWNED} == told
    assert {item.control.slug: item.status for item in files.controls} == {
        item.control.slug: item.status for item in whole.controls
    }


def test_one_namespace_of_who_may_see_only_that(shop: Cluster) -> None:
    """A Role in one namespace: its objects are judged, and what takes the others is not evaluated."""
    admin = clusters.scanned(clusters.access(shop.kubeconfig), choice=clusters.only("team"))
    part = clusters.scanned(clusters.access(kubeconfig(shop, "team")), choice=clusters.only("team"))
    judged = {name for name, _ in clusters.verdicts(part)}
    assert judged >= {"Deployment team/web", "Pod team/naked", "Service team/web", "Ingress team/web", "Role team/all"}
    assert incomplete(part)
    hidden = {str(item.location).split()[1].partition(".")[0] for item in part.unread}
    assert {"deployments", "pods", "services", "secrets", "configmaps", "networkpolicies"}.isdisjoint(hidden)
    assert {"ingresses", "horizontalpodautoscalers", "customresourcedefinitions"}.isdisjoint(hidden)
    assert {"namespaces/team", "nodes", "clusterroles"} <= hidden
    compare(admin, part, hidden, inside=frozenset({"roles", "rolebindings"}))


def test_results_are_in_the_same_order_whatever_comes_first(shop: Cluster, whole: Assessment) -> None:
    with front(shop, always(page_of("configmaps"), _late)) as proxy:
        again = clusters.scanned(clusters.through(shop.kubeconfig, proxy.url))
    assert [item.resource.id for item in again.results] == [item.resource.id for item in whole.results]


def _late(exchange: Any) -> None:
    found = exchange.real()
    exchange.stream(iter([found.body[:10], found.body[10:]]))


def test_an_owner_that_is_hidden_leaves_what_it_owns(shop: Cluster) -> None:
    """The Pods of a Deployment that one may not see are judged themselves."""
    (deployment,) = shop.apply([objects.replicated("Deployment", "team", "owner")])
    (replicas,) = shop.apply([objects.set_owner(objects.replicated("ReplicaSet", "team", "owned"), deployment)])
    try:
        part = clusters.scanned(clusters.access(kubeconfig(shop, user_without(OWNERS))), controls=("C-0057",))
        full = clusters.scanned(clusters.access(shop.kubeconfig), controls=("C-0057",))
    finally:
        shop.delete(replicas)
        shop.delete(deployment)
    assert "ReplicaSet team/owned" in {name for name, _ in clusters.verdicts(part)}
    assert "ReplicaSet team/owned" not in {name for name, _ in clusters.verdicts(full)}
