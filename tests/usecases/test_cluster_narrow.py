"""Users with access to one namespace: each verdict equals the administrator's, or is not evaluated."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from kubekeep.model.assessment import Assessment
from kubekeep.model.control import SUBJECT, Control
from kubekeep.model.verdict import Cause, Status, Verdict
from kubekeep.model.watch import UnmatchedName, WatchEvent, WatchStarted
from kubekeep.posture.gate import is_incomplete
from kubekeep.usecases.permissions import create_roles, preflight
from kubekeep.usecases.request import EvaluationOptions, ScanInput, ScanRequest
from kubekeep.usecases.watch import Watch
from kubekeep.usecases.watching.request import WatchRequest
from kubekeep.usecases.watching.subscribers import EventSubscriber
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually
from tests.kube.faults import front
from tests.requests import ALL_CONTROLS, replaced, scan_request
from tests.sources.cluster import objects
from tests.usecases import clusters

GROUP = "rbac.authorization.k8s.io"
TEAM = "team"
STANDARDS = ("pss-baseline", "pss-restricted")


def bind_user(cluster: Cluster, user: str, role: str) -> None:
    """Create a user with a ClusterRole in the team's namespace, and wait until the binding is effective."""
    cluster.user(user, [])
    binding = {"apiVersion": f"{GROUP}/v1", "kind": "RoleBinding", "metadata": {"name": user, "namespace": TEAM}}
    subjects = [{"kind": "User", "apiGroup": GROUP, "name": user}]
    cluster.apply(
        [binding | {"subjects": subjects, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}}]
    )
    attributes = {"namespace": TEAM, "verb": "list", "resource": "pods"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    eventually(lambda: cluster.admin("POST", path, review)["status"]["allowed"])


@pytest.fixture(scope="module")
def shop(module_cluster: Cluster) -> Cluster:
    """Cluster with the example shop, a custom kind without pods, and users restricted to the team's namespace."""
    clusters.apply_shop(module_cluster)
    meta = {"name": "hpa", "namespace": TEAM}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gone"}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta}
    module_cluster.apply(
        [
            objects.definition("example.com", "Boat", {"type": "object", "properties": {"sails": {"type": "integer"}}}),
            scaler | {"spec": {"scaleTargetRef": target, "maxReplicas": 2}},
        ]
    )
    # Without access to definitions, only the OpenAPI schema says that boats have no pods.
    # It is published after the kind is served.
    eventually(lambda: module_cluster.admin("GET", "/openapi/v3/apis/example.com/v1")["components"], Refused)
    for user, role in (("viewing", "view"), ("administering", "admin")):
        bind_user(module_cluster, user, role)
    module_cluster.user("listing", [])
    module_cluster.apply(clusters.create_namespaced_role(TEAM, "listing"))
    one = {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [TEAM], "verbs": ["get"]}
    module_cluster.user("getting", [one])
    module_cluster.apply(clusters.create_namespaced_role(TEAM, "getting"))
    return module_cluster


def scanned(cluster: Cluster, user: str, *namespaces: str, **request: Any) -> Assessment:
    kubeconfig = cluster.kubeconfig if user == "admin" else cluster.layout.kubeconfigs / user
    return clusters.scan_cluster(
        clusters.access(kubeconfig), resource_selection=clusters.select_namespaces(*(namespaces or (TEAM,))), **request
    )


@pytest.fixture(scope="module")
def admin_assessment(shop: Cluster) -> Assessment:
    assessment = scanned(shop, "admin")
    assert assessment.unread == ()
    return assessment


def lacks_access(verdict: Verdict) -> bool:
    return verdict.reason is not None and verdict.reason.cause is Cause.NEEDS_ACCESS


def compare(admin_assessment: Assessment, user_assessment: Assessment) -> Counter[str]:
    """Assert that each verdict of the user equals the administrator's or needs access. Return the number of each case."""
    expected, partial = clusters.verdicts(admin_assessment), clusters.verdicts(user_assessment)
    counts: Counter[str] = Counter()
    for key, verdict in partial.items():
        if lacks_access(verdict):
            counts["unknown"] += 1
            continue
        assert (key, verdict) == (key, expected[key])
        counts["equal"] += 1
    counts["missing"] = len(expected.keys() - partial.keys())
    summaries = {summary.definition.slug: summary for summary in admin_assessment.controls}
    for summary in user_assessment.controls:
        known = summaries[summary.definition.slug]
        if summary.reason is not None and summary.reason.cause is Cause.NEEDS_ACCESS:
            counts["controls unknown"] += 1
            continue
        assert (summary.definition.slug, summary.status, summary.reason) == (
            summary.definition.slug,
            known.status,
            known.reason,
        )
        counts["controls equal"] += 1
    for _, slug in expected.keys() - partial.keys():
        (summary,) = (summary for summary in user_assessment.controls if summary.definition.slug == slug)
        assert summary.status is not Status.PASSED, slug
    return counts


USERS = {
    "viewing": {"list roles.rbac.authorization.k8s.io", "list secrets in namespace team"},
    "administering": {"list clusterroles.rbac.authorization.k8s.io"},
    "listing": {"get namespaces/team"},
    "getting": {"list clusterroles.rbac.authorization.k8s.io"},
}
"""Some missing permissions of each user."""
OF_CLUSTER = " of ClusterRole /"
UNSEEN = {
    "viewing": ("Role ", "RoleBinding ", "Secret ", " of RoleBinding "),
    "administering": (),
    "listing": ("Namespace ",),
    "getting": (),
}
"""Parts of the names of resources without a verdict."""


@pytest.mark.parametrize("user", USERS)
def test_every_verdict_is_the_administrators_or_unknown(shop: Cluster, admin_assessment: Assessment, user: str) -> None:
    user_assessment = scanned(shop, user)
    counts = compare(admin_assessment, user_assessment)
    assert is_incomplete(user_assessment)
    assert counts["equal"] > 5 * counts["unknown"], (counts, user_assessment.unread)
    assert user_assessment.target.cluster is not None
    hidden = set[str]().union(
        *(
            (gap.names & {SUBJECT}) if gap.is_outside_selection else gap.names
            for gap in user_assessment.target.cluster.gaps
        )
    )
    expected, partial = clusters.verdicts(admin_assessment), clusters.verdicts(user_assessment)
    controls = {summary.definition.slug: summary.definition for summary in admin_assessment.controls}
    for name, slug in expected:
        verdict, control = partial.get((name, slug)), controls[slug]
        assert isinstance(control, Control)
        if verdict is None:
            # Without Nodes the platform is unknown, and controls for one platform may not apply.
            assert control.providers or any(word in name for word in UNSEEN[user]), (name, slug)
        elif lacks_access(verdict):
            is_of_hidden_role = SUBJECT in control.targets and OF_CLUSTER in name
            needed = {*control.relates, *(["Node"] if control.providers else [])}
            assert is_of_hidden_role or hidden & needed, (name, slug)
    missing = {str(unread.location) for unread in user_assessment.unread}
    assert missing >= USERS[user]
    assert not [name for name in missing if "customresourcedefinitions" in name or "horizontal" in name]


@pytest.mark.parametrize("user", ["administering", "listing", "getting"])
def test_permissions_of_a_hidden_role_are_unknown(shop: Cluster, admin_assessment: Assessment, user: str) -> None:
    """Not assumed, although every cluster has these roles; the name of the role is known."""
    expected, partial = clusters.verdicts(admin_assessment), clusters.verdicts(scanned(shop, user))
    for name in ("administering", "viewing"):
        role = {"administering": "admin", "viewing": "view"}[name]
        subject = f"User /{name} of RoleBinding {TEAM}/{name}{OF_CLUSTER}{role}"
        hidden = partial[subject, "reading-secrets"]
        assert lacks_access(hidden)
        assert hidden.reason is not None
        assert "list clusterroles.rbac.authorization.k8s.io" in hidden.reason.text
        assert partial[subject, "cluster-admin-bindings"] == expected[subject, "cluster-admin-bindings"]
        assert expected[subject, "reading-secrets"].status is (Status.FAILED if role == "admin" else Status.PASSED)


def test_view_role_gets_verdicts_on_namespaced_controls(shop: Cluster, admin_assessment: Assessment) -> None:
    """Includes Pod Security by labels of the Namespace, Ingress and network policies."""
    expected, partial = clusters.verdicts(admin_assessment), clusters.verdicts(scanned(shop, "viewing"))
    for slug in (
        "external-facing",
        "dangling-ingress-backend",
        "dangling-autoscaler-target",
        "missing-network-policy",
        "namespace-network-policy",
        "service-without-workload",
    ):
        concerned = [key for key in expected if key[1] == slug]
        assert concerned, slug
        assert {key: partial[key] for key in concerned} == {key: expected[key] for key in concerned}


def test_namespaced_roles_are_evaluated_without_other_grants(shop: Cluster, admin_assessment: Assessment) -> None:
    user_assessment = scanned(shop, "administering")
    expected, partial = clusters.verdicts(admin_assessment), clusters.verdicts(user_assessment)
    subject = f"ServiceAccount {TEAM}/robot of RoleBinding {TEAM}/all of Role {TEAM}/all"
    keys = [key for key in expected if key[0] == subject]
    assert keys
    assert {key: partial[key] for key in keys} == {key: expected[key] for key in keys}
    grant_controls = {
        summary.definition.slug: summary.definition
        for summary in user_assessment.controls
        if isinstance(summary.definition, Control)
        and SUBJECT in summary.definition.relates
        and summary.definition.within.get(SUBJECT) != "own"
    }
    # Bindings can only exempt accounts other than `default`, which no workload of the namespace uses.
    exempting = {slug for slug, control in grant_controls.items() if SUBJECT in control.exempting}
    assert exempting
    assert grant_controls.keys() > exempting
    for (name, slug), verdict in partial.items():
        if slug in exempting:
            assert verdict == expected[name, slug], (name, slug)
        elif slug in grant_controls:
            assert lacks_access(verdict), (name, slug)
    message = {str(unread.location): unread.message for unread in user_assessment.unread}[
        "list roles.rbac.authorization.k8s.io"
    ]
    assert message == "forbidden for administering; the scanned namespaces are complete"


@pytest.mark.parametrize("user", ["viewing", "administering"])
def test_namespaced_controls_are_complete(shop: Cluster, user: str) -> None:
    user_assessment = scanned(shop, user, frameworks=STANDARDS)
    assert (user_assessment.unread, is_incomplete(user_assessment)) == ((), False)
    admin = scanned(shop, "admin", frameworks=STANDARDS)
    assert [(summary.status, summary.counts) for summary in user_assessment.controls] == [
        (summary.status, summary.counts) for summary in admin.controls
    ]


def test_missing_namespace_is_reported(shop: Cluster) -> None:
    assert scanned(shop, "admin", "taem", controls=("C-0057",)).notes == ("the cluster has no namespace taem",)
    hidden = scanned(shop, "viewing", "taem", controls=("C-0057",))
    assert hidden.notes == ("no resource in the input has namespace taem",)
    assert "get namespaces/taem" in {str(unread.location) for unread in hidden.unread}


def test_dry_run_permissions_are_enough(shop: Cluster) -> None:
    request = ScanRequest(
        ScanInput(paths=(), cluster=clusters.access(shop.kubeconfig)),
        evaluation=EvaluationOptions(resource_selection=clusters.select_namespaces(TEAM)),
        rules=ALL_CONTROLS,
    )
    shop.user("printed", [])
    for role in create_roles(preflight(request).permissions, "printed"):
        shop.apply([role])
        shop.bind("printed", "printed", namespace=role["metadata"].get("namespace", ""))
    user_assessment = scanned(shop, "printed")
    assert user_assessment.unread == ()
    assert compare(scanned(shop, "admin"), user_assessment)["unknown"] == 0
    checked = preflight(replaced(request, cluster=clusters.access(shop.layout.kubeconfigs / "printed")))
    assert (checked.missing, checked.unknown) == ([], [])


@pytest.mark.parametrize("namespaces", [(TEAM,), (TEAM, "default")])
def test_selected_namespace_is_requested_by_name(shop: Cluster, namespaces: tuple[str, ...]) -> None:
    with front(shop) as proxy:
        clusters.scan_cluster(
            clusters.redirect_access(shop.kubeconfig, proxy.url),
            resource_selection=clusters.select_namespaces(*namespaces),
        )
        paths = {request.path for request in proxy.requests}
    assert {f"/api/v1/namespaces/{name}" for name in namespaces} <= paths
    assert not {"/api/v1/namespaces", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"} & paths


def run_watch(cluster: Cluster, user: str, during: Callable[[Watch], None], **options: Any) -> list[WatchEvent]:
    """Return the events of a user's watch of the namespace, with `during` called after its start."""
    events: list[WatchEvent] = []
    kubeconfig = cluster.kubeconfig if user == "admin" else cluster.layout.kubeconfigs / user
    request = scan_request(
        cluster=clusters.access(kubeconfig), **{"resource_selection": clusters.select_namespaces(TEAM)} | options
    )
    watch = Watch(WatchRequest(scan=request), (EventSubscriber(events.extend),))
    stopped = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stopped,))
    thread.start()
    try:
        eventually(lambda: any(isinstance(event, WatchStarted) for event in events))
        during(watch)
    finally:
        stopped.set()
        thread.join(60)
    assert not thread.is_alive()
    return events


@pytest.mark.parametrize("user", ["viewing", "administering"])
def test_watch_equals_scan(shop: Cluster, user: str) -> None:
    expected = {key: verdict.status for key, verdict in clusters.verdicts(scanned(shop, user)).items()}
    expected_unread = {str(unread.location) for unread in scanned(shop, user).unread}

    def during(watch: Watch) -> None:
        assert watch.current is not None
        assessment = watch.current.assessment(ScanRequest(ScanInput(paths=()), rules=ALL_CONTROLS))
        assert {key: verdict.status for key, verdict in clusters.verdicts(assessment).items()} == expected
        assert {str(unread.location) for unread in assessment.unread} == expected_unread

    run_watch(shop, user, during)


def test_watch_reports_missing_namespace(shop: Cluster) -> None:
    events = run_watch(
        shop,
        "getting",
        lambda _: None,
        controls=("C-0057",),
        resource_selection=clusters.select_namespaces(TEAM, "taem"),
    )
    assert [event.text for event in events if isinstance(event, UnmatchedName)] == [
        "no resource in the input has namespace taem"
    ]
    events = run_watch(
        shop, "admin", lambda _: None, controls=("C-0057",), resource_selection=clusters.select_namespaces("taem")
    )
    assert [event.text for event in events if isinstance(event, UnmatchedName)] == ["the cluster has no namespace taem"]


def test_watch_follows_roles_of_one_namespace(shop: Cluster) -> None:
    """The user may watch roles in that namespace only."""

    def failing(watch: Watch) -> set[str]:
        assert watch.current is not None
        return {
            result.subject.label
            for result in watch.current.results
            if any(verdict.status is Status.FAILED for verdict in result.verdicts.values())
        }

    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    meta = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": "late", "namespace": TEAM}}
    role = meta | {"kind": "Role", "rules": rules}
    reference = {"apiGroup": GROUP, "kind": "Role", "name": "late"}
    subjects = [{"kind": "User", "apiGroup": GROUP, "name": "late"}]
    binding = meta | {"kind": "RoleBinding", "roleRef": reference, "subjects": subjects}

    def during(watch: Watch) -> None:
        before = failing(watch)
        applied = shop.apply([role, binding])
        try:
            eventually(lambda: failing(watch) - before)
        finally:
            for resource in applied:
                shop.delete(resource)
        eventually(lambda: failing(watch) == before)

    run_watch(shop, "administering", during, controls=("C-0187",))


def test_listing_namespaces_needs_no_get(shop: Cluster) -> None:
    """The role shipped with Kubekeep grants list on namespaces, but not get."""
    kubeconfig = shop.user("lister", clusters.create_rules_without(shop))
    user_assessment = scanned(shop, "lister")
    assert user_assessment.unread == ()
    assert compare(scanned(shop, "admin"), user_assessment)["unknown"] == 0
    request = ScanRequest(
        ScanInput(paths=(), cluster=clusters.access(kubeconfig)),
        evaluation=EvaluationOptions(resource_selection=clusters.select_namespaces(TEAM)),
        rules=ALL_CONTROLS,
    )
    assert preflight(request).missing == []
    assert scanned(shop, "lister", "taem", controls=("C-0057",)).notes == ("the cluster has no namespace taem",)
