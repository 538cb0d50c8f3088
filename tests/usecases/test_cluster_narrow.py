"""Users with access to one namespace: each verdict equals the administrator's, or is not evaluated."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from kubekeep.model.assessment import Assessment
from kubekeep.model.control import SUBJECT
from kubekeep.model.finding import Cause, Status, Verdict
from kubekeep.model.watch import UnmatchedName, WatchEvent, WatchStarted
from kubekeep.posture.gate import incomplete
from kubekeep.usecases.permissions import create_roles, preflight
from kubekeep.usecases.request import EvaluationOptions, ScanInput, ScanRequest
from kubekeep.usecases.watch import Watch, WatchRequest
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually
from tests.kube.faults import front
from tests.requests import replaced, scan_request
from tests.sources.cluster import objects
from tests.usecases import clusters

GROUP = "rbac.authorization.k8s.io"
WHERE = "team"
BOAT = "boats.example.com"
STANDARDS = ("pss-baseline", "pss-restricted")


def bound(cluster: Cluster, user: str, role: str) -> None:
    """A new user with a ClusterRole in the one namespace, once that is in force."""
    cluster.user(user, [])
    binding = {"apiVersion": f"{GROUP}/v1", "kind": "RoleBinding", "metadata": {"name": user, "namespace": WHERE}}
    subjects = [{"kind": "User", "apiGroup": GROUP, "name": user}]
    cluster.apply(
        [binding | {"subjects": subjects, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}}]
    )
    attributes = {"namespace": WHERE, "verb": "list", "resource": "pods"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    eventually(lambda: cluster.admin("POST", path, review)["status"]["allowed"])


@pytest.fixture(scope="module")
def shop(module_cluster: Cluster) -> Cluster:
    """A cluster with a shop, a team, custom kinds without pods, and people who may see the team's namespace."""
    clusters.furnished(module_cluster)
    meta = {"name": "hpa", "namespace": WHERE}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gone"}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta}
    module_cluster.apply(
        [
            objects.definition("example.com", "Boat", {"type": "object", "properties": {"sails": {"type": "integer"}}}),
            scaler | {"spec": {"scaleTargetRef": target, "maxReplicas": 2}},
        ]
    )
    # Who may not see definitions is told by it that boats have no pods; it comes after the kind is served.
    eventually(lambda: module_cluster.admin("GET", "/openapi/v3/apis/example.com/v1")["components"], Refused)
    for user, role in (("viewing", "view"), ("administering", "admin")):
        bound(module_cluster, user, role)
    module_cluster.user("listing", [])
    module_cluster.apply(clusters.role_in(WHERE, "listing"))
    one = {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [WHERE], "verbs": ["get"]}
    module_cluster.user("getting", [one])
    module_cluster.apply(clusters.role_in(WHERE, "getting"))
    return module_cluster


def scanned(cluster: Cluster, user: str, *namespaces: str, **request: Any) -> Assessment:
    kubeconfig = cluster.kubeconfig if user == "admin" else cluster.layout.kubeconfigs / user
    return clusters.scanned(clusters.access(kubeconfig), choice=clusters.only(*(namespaces or (WHERE,))), **request)


@pytest.fixture(scope="module")
def whole(shop: Cluster) -> Assessment:
    found = scanned(shop, "admin")
    assert found.unread == ()
    return found


def lacks_access(verdict: Verdict) -> bool:
    return verdict.reason is not None and verdict.reason.cause is Cause.NEEDS_ACCESS


def compare(whole: Assessment, part: Assessment) -> Counter[str]:
    """Hold what `part` says against the truth; gives how many verdicts and controls are equal and unknown."""
    truth, told = clusters.verdicts(whole), clusters.verdicts(part)
    found: Counter[str] = Counter()
    for key, verdict in told.items():
        if lacks_access(verdict):
            found["unknown"] += 1
            continue
        assert (key, verdict) == (key, truth[key])
        found["equal"] += 1
    found["missing"] = len(truth.keys() - told.keys())
    summaries = {item.control.slug: item for item in whole.controls}
    for item in part.controls:
        known = summaries[item.control.slug]
        if item.reason is not None and item.reason.cause is Cause.NEEDS_ACCESS:
            found["controls unknown"] += 1
            continue
        assert (item.control.slug, item.status, item.reason) == (item.control.slug, known.status, known.reason)
        found["controls equal"] += 1
    for _, slug in truth.keys() - told.keys():
        (item,) = (item for item in part.controls if item.control.slug == slug)
        assert item.status is not Status.PASSED, slug
    return found


USERS = {
    "viewing": {"list roles.rbac.authorization.k8s.io", "list secrets in namespace team"},
    "administering": {"list clusterroles.rbac.authorization.k8s.io"},
    "listing": {"get namespaces/team"},
    "getting": {"list clusterroles.rbac.authorization.k8s.io"},
}
"""Some of what lacks."""
OF_CLUSTER = " of ClusterRole /"
UNSEEN = {
    "viewing": ("Role ", "RoleBinding ", "Secret ", " of RoleBinding "),
    "administering": (OF_CLUSTER,),
    "listing": ("Namespace ", OF_CLUSTER),
    "getting": (OF_CLUSTER,),
}
"""What names of resources hold of which nothing can be said."""


@pytest.mark.parametrize("user", USERS)
def test_every_verdict_is_the_administrators_or_unknown(shop: Cluster, whole: Assessment, user: str) -> None:
    part = scanned(shop, user)
    found = compare(whole, part)
    assert incomplete(part)
    assert found["equal"] > 6 * found["unknown"], (found, part.unread)
    assert part.target.cluster is not None
    hidden = set[str]().union(
        *((gap.names & {SUBJECT}) if gap.inside else gap.names for gap in part.target.cluster.gaps)
    )
    truth, told = clusters.verdicts(whole), clusters.verdicts(part)
    controls = {item.control.slug: item.control for item in whole.controls}
    for name, slug in truth:
        verdict, control = told.get((name, slug)), controls[slug]
        if verdict is None:
            # Without Nodes nobody knows whether it is a platform that the control is about.
            assert control.providers or any(word in name for word in UNSEEN[user]), (name, slug)
        elif lacks_access(verdict):
            assert hidden & {*control.relates, *(["Node"] if control.providers else [])}, (name, slug)
    missing = {str(item.location) for item in part.unread}
    assert missing >= USERS[user]
    assert not [name for name in missing if "customresourcedefinitions" in name or "horizontal" in name]


def test_view_role_gets_verdicts_on_namespaced_controls(shop: Cluster, whole: Assessment) -> None:
    """Pod Security by the labels of the Namespace, Ingress and network policies among it."""
    truth, told = clusters.verdicts(whole), clusters.verdicts(scanned(shop, "viewing"))
    for slug in (
        "external-facing",
        "dangling-ingress-backend",
        "dangling-autoscaler-target",
        "missing-network-policy",
        "namespace-network-policy",
        "service-without-workload",
    ):
        concerned = [key for key in truth if key[1] == slug]
        assert concerned, slug
        assert {key: told[key] for key in concerned} == {key: truth[key] for key in concerned}


def test_roles_of_the_namespace_are_judged_though_grants_from_elsewhere_are_not_known(
    shop: Cluster, whole: Assessment
) -> None:
    part = scanned(shop, "administering")
    truth, told = clusters.verdicts(whole), clusters.verdicts(part)
    subject = f"ServiceAccount {WHERE}/robot of RoleBinding {WHERE}/all of Role {WHERE}/all"
    about = [key for key in truth if key[0] == subject]
    assert about
    assert {key: told[key] for key in about} == {key: truth[key] for key in about}
    grants = {item.control.slug for item in part.controls if SUBJECT in item.control.relates}
    assert grants
    assert all(lacks_access(verdict) for (_, slug), verdict in told.items() if slug in grants)
    of_roles = {str(item.location): item.message for item in part.unread}["list roles.rbac.authorization.k8s.io"]
    assert of_roles == "forbidden for administering, but for the namespaces that are scanned"


@pytest.mark.parametrize("user", ["viewing", "administering"])
def test_namespaced_controls_are_complete(shop: Cluster, user: str) -> None:
    part = scanned(shop, user, frameworks=STANDARDS)
    assert (part.unread, incomplete(part)) == ((), False)
    admin = scanned(shop, "admin", frameworks=STANDARDS)
    assert [(item.status, item.counts) for item in part.controls] == [
        (item.status, item.counts) for item in admin.controls
    ]


def test_missing_namespace_is_reported(shop: Cluster) -> None:
    assert scanned(shop, "admin", "taem", controls=("C-0057",)).notes == ("the cluster has no namespace taem",)
    hidden = scanned(shop, "viewing", "taem", controls=("C-0057",))
    assert hidden.notes == ("no resource that was read is in namespace taem",)
    assert "get namespaces/taem" in {str(item.location) for item in hidden.unread}


def test_dry_run_permissions_are_enough(shop: Cluster) -> None:
    request = ScanRequest(
        ScanInput(paths=(), cluster=clusters.access(shop.kubeconfig)),
        evaluation=EvaluationOptions(choice=clusters.only(WHERE)),
    )
    shop.user("printed", [])
    for thing in create_roles(preflight(request).permissions, "printed"):
        shop.apply([thing])
        shop.bind("printed", "printed", namespace=thing["metadata"].get("namespace", ""))
    part = scanned(shop, "printed")
    assert part.unread == ()
    assert compare(scanned(shop, "admin"), part)["unknown"] == 0
    checked = preflight(replaced(request, cluster=clusters.access(shop.layout.kubeconfigs / "printed")))
    assert (checked.missing, checked.unknown) == ([], [])


@pytest.mark.parametrize("namespaces", [(WHERE,), (WHERE, "default")])
def test_a_namespace_is_asked_for_by_its_name(shop: Cluster, namespaces: tuple[str, ...]) -> None:
    with front(shop) as proxy:
        clusters.scanned(clusters.through(shop.kubeconfig, proxy.url), choice=clusters.only(*namespaces))
        asked = {asked.path for asked in proxy.requests}
    assert {f"/api/v1/namespaces/{name}" for name in namespaces} <= asked
    assert not {"/api/v1/namespaces", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"} & asked


def watched(cluster: Cluster, user: str, during: Callable[[Watch], None], **request: Any) -> list[WatchEvent]:
    """What is told while a user watches the namespace."""
    told: list[WatchEvent] = []
    kubeconfig = cluster.kubeconfig if user == "admin" else cluster.layout.kubeconfigs / user
    asked = scan_request(cluster=clusters.access(kubeconfig), **{"choice": clusters.only(WHERE)} | request)
    watch = Watch(WatchRequest(scan=asked), told.extend)
    stopped = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stopped,))
    thread.start()
    try:
        eventually(lambda: any(isinstance(item, WatchStarted) for item in told))
        during(watch)
    finally:
        stopped.set()
        thread.join(20)
    assert not thread.is_alive()
    return told


@pytest.mark.parametrize("user", ["viewing", "administering"])
def test_watch_equals_scan(shop: Cluster, user: str) -> None:
    expected = {key: verdict.status for key, verdict in clusters.verdicts(scanned(shop, user)).items()}
    unread = {str(item.location) for item in scanned(shop, user).unread}

    def during(watch: Watch) -> None:
        assert watch.current is not None
        found = watch.current.assessment(ScanRequest(ScanInput(paths=())))
        assert {key: verdict.status for key, verdict in clusters.verdicts(found).items()} == expected
        assert {str(item.location) for item in found.unread} == unread

    watched(shop, user, during)


def test_a_watch_tells_of_a_namespace_that_does_not_exist(shop: Cluster) -> None:
    told = watched(shop, "getting", lambda _: None, controls=("C-0057",), choice=clusters.only(WHERE, "taem"))
    assert [item.text for item in told if isinstance(item, UnmatchedName)] == [
        "no resource that was read is in namespace taem"
    ]
    told = watched(shop, "admin", lambda _: None, controls=("C-0057",), choice=clusters.only("taem"))
    assert [item.text for item in told if isinstance(item, UnmatchedName)] == ["the cluster has no namespace taem"]


def test_a_watch_sees_changes_where_it_may(shop: Cluster) -> None:
    """Roles may be followed in the namespace alone."""

    def failing(watch: Watch) -> set[str]:
        assert watch.current is not None
        return {
            item.resource.label
            for item in watch.current.results
            if any(verdict.status is Status.FAILED for verdict in item.verdicts.values())
        }

    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    meta = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": "late", "namespace": WHERE}}
    role = meta | {"kind": "Role", "rules": rules}
    reference = {"apiGroup": GROUP, "kind": "Role", "name": "late"}
    subjects = [{"kind": "User", "apiGroup": GROUP, "name": "late"}]
    binding = meta | {"kind": "RoleBinding", "roleRef": reference, "subjects": subjects}

    def during(watch: Watch) -> None:
        before = failing(watch)
        made = shop.apply([role, binding])
        try:
            eventually(lambda: failing(watch) - before)
        finally:
            for thing in made:
                shop.delete(thing)
        eventually(lambda: failing(watch) == before)

    watched(shop, "administering", during, controls=("C-0187",))


def test_who_may_list_namespaces_need_not_get_one(shop: Cluster) -> None:
    """As with the role that comes with Kubekeep, which lets list everything and get nothing."""
    kubeconfig = shop.user("lister", clusters.rules_without(shop))
    part = scanned(shop, "lister")
    assert part.unread == ()
    assert compare(scanned(shop, "admin"), part)["unknown"] == 0
    request = ScanRequest(
        ScanInput(paths=(), cluster=clusters.access(kubeconfig)),
        evaluation=EvaluationOptions(choice=clusters.only(WHERE)),
    )
    assert preflight(request).missing == []
    assert scanned(shop, "lister", "taem", controls=("C-0057",)).notes == ("the cluster has no namespace taem",)
