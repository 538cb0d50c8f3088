"""Incomplete access to a cluster: every verdict that differs from the administrator's is not evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.control import SUBJECT, WORKLOAD
from kubekeep.model.resource_types import BUILTIN_TYPES
from kubekeep.model.verdict import Cause, Reason, Status
from kubekeep.model.workload import POD_KINDS
from kubekeep.posture.gate import is_incomplete
from kubekeep.usecases.request import EvaluationOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.cluster.cluster import Cluster
from tests.kube.faults import always, front, page_of
from tests.requests import ALL_CONTROLS
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
    """Cluster with the example shop and the users of all tests: compared resources must not change between scans."""
    clusters.apply_shop(module_cluster)
    for hidden in (*HIDDEN, OWNERS):
        module_cluster.user(user_without(hidden), clusters.create_rules_without(module_cluster, *hidden))
    module_cluster.user("team", [])
    module_cluster.apply(clusters.create_namespaced_role("team", "team"))
    return module_cluster


def user_without(hidden: tuple[str, ...]) -> str:
    return f"without-{len(hidden)}-{hidden[0]}"


def kubeconfig(cluster: Cluster, user: str) -> Path:
    return cluster.layout.kubeconfigs / user


@pytest.fixture(scope="module")
def admin_assessment(shop: Cluster) -> Assessment:
    """Assessment by the administrator."""
    assessment = clusters.scan_cluster(clusters.access(shop.kubeconfig))
    assert (assessment.unread, is_incomplete(assessment)) == ((), False)
    statuses = {verdict.status for verdict in clusters.verdicts(assessment).values()}
    assert statuses == {Status.PASSED, Status.FAILED, Status.NOT_EVALUATED}
    return assessment


def test_full_scan_evaluates_every_hidden_kind(admin_assessment: Assessment) -> None:
    """The kinds that the tests below hide have verdicts in the full scan."""
    kinds = {result.subject.kind for result in admin_assessment.results}
    assert kinds >= {"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Pod", "Service", "Ingress", "Namespace"}
    assert kinds >= {"ServiceAccount", "ConfigMap", "Role", "RoleBinding", "ClusterRoleBinding", "NetworkPolicy"}


@pytest.mark.parametrize("hidden", HIDDEN, ids="+".join)
def test_hidden_resources_are_never_treated_as_absent(
    shop: Cluster, admin_assessment: Assessment, hidden: tuple[str, ...]
) -> None:
    user = user_without(hidden)
    user_assessment = clusters.scan_cluster(clusters.access(kubeconfig(shop, user)))
    plurals = {str(unread.location).split()[1].partition(".")[0] for unread in user_assessment.unread}
    assert plurals == {*hidden}, user_assessment.unread
    assert all(user in unread.message for unread in user_assessment.unread)
    assert is_incomplete(user_assessment)
    compare(admin_assessment, user_assessment, {*hidden})


def compare(
    admin_assessment: Assessment, user_assessment: Assessment, hidden: set[str], inside: frozenset[str] = frozenset()
) -> None:
    """Assert that the assessments differ only by verdicts that are not evaluated because of `hidden`.

    inside: kinds of `hidden` that are listed in the evaluated namespaces.
    """
    expected, partial = clusters.verdicts(admin_assessment), clusters.verdicts(user_assessment)
    summaries = {summary.definition.slug: summary for summary in user_assessment.controls}
    for (name, slug), verdict in partial.items():
        known = expected.get((name, slug))
        if known is None and name.split()[0] in {kind for _, kind in POD_KINDS} and hidden & OWNING:
            continue  # the full scan evaluates its owner instead
        if known is None:
            # The control may not apply, depending on the hidden resources.
            assert (name, slug, verdict.status) == (name, slug, Status.NOT_EVALUATED)
            assert_named(verdict.reason, hidden)
        elif verdict.status is not known.status:
            assert (name, slug, verdict.status) == (name, slug, Status.NOT_EVALUATED)
            assert_named(verdict.reason, hidden)
        elif verdict.status is Status.FAILED:
            assert [evidence.path for evidence in verdict.evidence] == [evidence.path for evidence in known.evidence]
    for name, slug in expected.keys() - partial.keys():
        assert (name, slug, summaries[slug].status) != (name, slug, Status.PASSED)
        assert not is_irrelevant(summaries[slug]), (name, slug)
    for summary in admin_assessment.controls:
        compare_control(summary, summaries[summary.definition.slug], hidden, inside)
    assert user_assessment.coverage <= admin_assessment.coverage


def compare_control(
    admin_assessment: DefinitionSummary,
    user_assessment: DefinitionSummary,
    hidden: set[str],
    inside: frozenset[str] = frozenset(),
) -> None:
    slug = admin_assessment.definition.slug
    if user_assessment.status is Status.PASSED:
        assert (slug, admin_assessment.status) == (slug, Status.PASSED)
        assert not reads_hidden_kind(admin_assessment, hidden - inside), slug
    if user_assessment.status is Status.FAILED:
        assert (slug, admin_assessment.status) == (slug, Status.FAILED)
    if is_irrelevant(user_assessment):
        assert is_irrelevant(admin_assessment), slug
        assert not reads_hidden_kind(admin_assessment, hidden - inside), slug
    elif user_assessment.status is Status.NOT_EVALUATED and admin_assessment.status is not Status.NOT_EVALUATED:
        assert_named(user_assessment.reason, hidden)
        assert user_assessment.compliance is None


def assert_named(reason: Reason | None, hidden: set[str]) -> None:
    assert reason is not None
    assert reason.cause is Cause.NEEDS_ACCESS
    assert any(f"{verb} {resource}" in reason.text for resource in hidden for verb in ("list", "get")), reason.text


def is_irrelevant(summary: DefinitionSummary) -> bool:
    return summary.reason is not None and summary.reason.cause is Cause.IRRELEVANT


def reads_hidden_kind(summary: DefinitionSummary, hidden: set[str]) -> bool:
    """Return True if a control reads a hidden kind."""
    kinds = {kind for (_, kind), known in BUILTIN_TYPES.items() if known.plural in hidden}
    pods = {kind for _, kind in POD_KINDS}
    targets = set(summary.definition.targets)
    return (
        bool(targets & kinds)
        or (WORKLOAD in targets and bool(kinds & pods))
        or (SUBJECT in targets and bool(kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}))
    )


def test_user_without_permissions_gets_no_verdicts(shop: Cluster, admin_assessment: Assessment) -> None:
    assessment = clusters.scan_cluster(clusters.access(shop.kubeconfig, "nobody"))
    assert assessment.results == ()
    assert {summary.status for summary in assessment.summaries} == {Status.NOT_EVALUATED}
    answered = [summary for summary in admin_assessment.controls if summary.status is not Status.NOT_EVALUATED]
    summaries = {summary.definition.slug: summary for summary in assessment.summaries}
    assert {summaries[summary.definition.slug].reason.cause for summary in answered} == {Cause.NEEDS_ACCESS}  # type: ignore[union-attr]
    assert (assessment.compliance, assessment.coverage) == (None, 0)


def test_server_errors_count_as_missing_permissions(shop: Cluster, admin_assessment: Assessment) -> None:
    """A list that ends with a server error is incomplete."""

    def fail(exchange: Any) -> None:
        exchange.refuse(500, "InternalError", "etcd is gone")

    with front(shop, always(page_of("networkpolicies"), fail)) as proxy:
        user_assessment = clusters.scan_cluster(clusters.redirect_access(shop.kubeconfig, proxy.url))
    assert [(str(unread.location), unread.message) for unread in user_assessment.unread] == [
        ("list networkpolicies.networking.k8s.io", "etcd is gone")
    ]
    compare(admin_assessment, user_assessment, {"networkpolicies"})


def test_snapshot_equals_cluster(shop: Cluster, admin_assessment: Assessment, tmp_path: Path) -> None:
    """Resources are dumped as by `kubectl get -o json`, including those that controllers created."""
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
                listing = shop.admin("GET", f"{path}/{resource['name']}")
                version = path.removeprefix("/apis/").removeprefix("/api/")
                items += [{"apiVersion": version, "kind": resource["kind"]} | document for document in listing["items"]]
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    version = f"1.{shop.admin('GET', '/version')['minor']}"
    files = scan(
        ScanRequest(
            ScanInput(paths=(str(dump),), snapshot=True),
            evaluation=EvaluationOptions(kubernetes_version=version),
            rules=ALL_CONTROLS,
        )
    )
    assert files.unread == ()
    statuses = {key: verdict.status for key, verdict in clusters.verdicts(files).items()}
    expected = {key: verdict.status for key, verdict in clusters.verdicts(admin_assessment).items()}
    assert {name for name, _ in statuses.keys() - expected.keys()} == clusters.OWNED
    assert {key: status for key, status in statuses.items() if key[0] not in clusters.OWNED} == expected
    assert {summary.definition.slug: summary.status for summary in files.controls} == {
        summary.definition.slug: summary.status for summary in admin_assessment.controls
    }


def test_user_of_one_namespace_gets_its_verdicts(shop: Cluster) -> None:
    """With a Role in one namespace, its resources are evaluated, but not controls that need other namespaces."""
    admin = clusters.scan_cluster(
        clusters.access(shop.kubeconfig), resource_selection=clusters.select_namespaces("team")
    )
    user_assessment = clusters.scan_cluster(
        clusters.access(kubeconfig(shop, "team")), resource_selection=clusters.select_namespaces("team")
    )
    evaluated = {name for name, _ in clusters.verdicts(user_assessment)}
    assert evaluated >= {
        "Deployment team/web",
        "Pod team/naked",
        "Service team/web",
        "Ingress team/web",
        "Role team/all",
    }
    assert is_incomplete(user_assessment)
    hidden = {str(unread.location).split()[1].partition(".")[0] for unread in user_assessment.unread}
    assert {"deployments", "pods", "services", "secrets", "configmaps", "networkpolicies"}.isdisjoint(hidden)
    assert {"ingresses", "horizontalpodautoscalers", "customresourcedefinitions"}.isdisjoint(hidden)
    assert {"namespaces/team", "nodes", "clusterroles"} <= hidden
    compare(admin, user_assessment, hidden, inside=frozenset({"roles", "rolebindings"}))


def test_order_of_results_is_independent_of_response_times(shop: Cluster, admin_assessment: Assessment) -> None:
    with front(shop, always(page_of("configmaps"), _late)) as proxy:
        again = clusters.scan_cluster(clusters.redirect_access(shop.kubeconfig, proxy.url))
    assert [result.subject.id for result in again.results] == [result.subject.id for result in admin_assessment.results]


def _late(exchange: Any) -> None:
    response = exchange.real()
    exchange.stream(iter([response.body[:10], response.body[10:]]))


def test_resources_of_a_hidden_owner_are_evaluated(shop: Cluster) -> None:
    """The ReplicaSet of a hidden Deployment is evaluated itself."""
    (deployment,) = shop.apply([objects.replicated("Deployment", "team", "owner")])
    (replicas,) = shop.apply([objects.set_owner(objects.replicated("ReplicaSet", "team", "owned"), deployment)])
    try:
        user_assessment = clusters.scan_cluster(
            clusters.access(kubeconfig(shop, user_without(OWNERS))), controls=("C-0057",)
        )
        full = clusters.scan_cluster(clusters.access(shop.kubeconfig), controls=("C-0057",))
    finally:
        shop.delete(replicas)
        shop.delete(deployment)
    assert "ReplicaSet team/owned" in {name for name, _ in clusters.verdicts(user_assessment)}
    assert "ReplicaSet team/owned" not in {name for name, _ in clusters.verdicts(full)}
