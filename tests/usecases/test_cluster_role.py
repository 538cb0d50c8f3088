"""The roles shipped with Kubekeep match the library, are sufficient for it, and grant only what a scan or watch requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from scripts import role

from kubekeep.library.load import builtin
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.resource_types import BUILTIN_TYPES
from kubekeep.model.watch import WatchEvent, WatchStarted
from kubekeep.reports.format import Extra
from kubekeep.usecases.cluster import VERSIONS as VERSION
from kubekeep.usecases.permissions import Preflight, create_roles, preflight
from kubekeep.usecases.request import EvaluationOptions, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.watch import Watch
from kubekeep.usecases.watching.request import WatchRequest
from kubekeep.usecases.watching.subscribers import EventSubscriber
from tests.cluster.cluster import Cluster
from tests.kube.faults import Front, ReceivedRequest, front
from tests.requests import ALL_CONTROLS, replaced
from tests.sources.cluster import objects
from tests.usecases import clusters

NAME = "kubekeep-scan"
VERBS = ("list", "watch")
CUSTOM = sorted(kind for kind in role.list_kinds() if kind not in BUILTIN_TYPES)
VERSIONS = (VERSION.group, VERSION.resource)
OF_CLUSTER = frozenset(
    {
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
        "ClusterNetworkPolicy",
        "ClusterSecurityException",
        "ClusterVersion",
        "GlobalNetworkPolicy",
    }
)


def list_granted(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Return (group, resource) of all list permissions of a role, and assert that it has no other but for named objects."""
    list_requests = [rule for rule in document["rules"] if "resourceNames" not in rule]
    assert {verb for rule in list_requests for verb in rule["verbs"]} == {"list"}
    pairs = [
        (group, resource) for rule in list_requests for group in rule["apiGroups"] for resource in rule["resources"]
    ]
    assert len(pairs) == len(set(pairs))
    return set(pairs)


def read_role(command: str = "scan") -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(role.role_file(command).read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("command", ["scan", "watch"])
def test_role_matches_the_library(command: str) -> None:
    assert role.role_file(command).read_text(encoding="utf-8") == role.render_role(command), "run scripts/role.py"


def test_role_grants_no_wildcard() -> None:
    assert not {"*"} & {part for pair in list_granted(read_role()) for part in pair}
    assert ("", "secrets") in list_granted(read_role())


def definition(group: str, kind: str) -> dict[str, Any]:
    """Return the definition of a custom kind that a control names."""
    scope = "Cluster" if kind in OF_CLUSTER else "Namespaced"
    # A kind that no control reads is for attack paths only, and has no pods.
    schema = objects.open_schema() if (group, kind) in role.list_kinds("watch") else {"type": "object"}
    crd = objects.definition(group, kind, schema, scope=scope)
    names, plural = crd["spec"]["names"], role.find_plural((group, kind))
    crd["spec"]["names"] = names | {"plural": plural}
    crd["metadata"] = {
        "name": f"{plural}.{group}",
        "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
    }
    return crd


@pytest.fixture(scope="module")
def complete(module_cluster: Cluster) -> Cluster:
    """Cluster that serves every custom kind that a control names, and the ClusterVersion of OpenShift."""
    plurals = {(kind[0], role.find_plural(kind)): kind for kind in CUSTOM}
    clusters.apply_shop(module_cluster)
    module_cluster.apply(definition(*kind) for kind in (*plurals.values(), (VERSIONS[0], "ClusterVersion")))
    return module_cluster


@pytest.fixture(scope="module")
def scanner(complete: Cluster) -> Any:
    """Return the kubeconfig of a user with that role only."""
    kubeconfig = complete.user("scanner", [])
    complete.apply([read_role()])
    complete.bind("scanner", NAME)
    return kubeconfig


def test_role_is_sufficient(complete: Cluster, scanner: Any) -> None:
    assessment = clusters.scan_cluster(clusters.access(scanner), extras=frozenset({Extra.ATTACK_PATHS}))
    assert assessment.unread == ()
    assert assessment.results
    admin_assessment = clusters.scan_cluster(clusters.access(complete.kubeconfig))
    statuses = {summary.definition.slug: summary.status for summary in admin_assessment.controls}
    assert {summary.definition.slug: summary.status for summary in assessment.summaries} == statuses


def test_role_equals_the_lists_of_a_scan(complete: Cluster) -> None:
    """Scans of all controls with attack paths list each of its resources."""
    unnumbered = tuple(slug for slug, control in builtin().controls.items() if not control.ids)
    with front(complete) as proxy:
        extras = frozenset({Extra.ATTACK_PATHS})
        access = clusters.redirect_access(complete.kubeconfig, proxy.url)
        clusters.scan_cluster(access, extras=extras)
        clusters.scan_cluster(access, controls=unnumbered)
        listed_kinds = list_requests(proxy)
    assert listed_kinds == list_granted(read_role())


def assert_one_role(preflight_result: Preflight) -> dict[str, Any]:
    (admin_assessment,) = create_roles(preflight_result.permissions)
    return admin_assessment


def list_requests(proxy: Front) -> set[tuple[str, str]]:
    return {_resource(request) for request in proxy.lists()}


def _resource(request: ReceivedRequest) -> tuple[str, str]:
    parts = request.path.split("/")
    return (parts[2] if parts[1] == "apis" else "", request.kind)


def test_dry_run_prints_the_lists_of_a_scan(complete: Cluster) -> None:
    """The resources are those of this cluster, with custom kinds and parameters."""
    for controls in (("C-0057",), ("C-0012", "C-0088"), ()):
        with front(complete) as proxy:
            request = ScanRequest(
                ScanInput(paths=(), cluster=clusters.redirect_access(complete.kubeconfig, proxy.url)),
                rules=RuleOptions(controls=controls) if controls else ALL_CONTROLS,
            )
            preflight_result = preflight(request)
            before = list_requests(proxy)
            proxy.requests.clear()
            clusters.scan_cluster(clusters.redirect_access(complete.kubeconfig, proxy.url), controls=controls)
            listed_kinds = list_requests(proxy)
        assert (preflight_result.missing, preflight_result.unknown) == ([], [])
        assert list_granted(assert_one_role(preflight_result)) == listed_kinds
        assert before <= {("apiextensions.k8s.io", "customresourcedefinitions"), VERSIONS}
    assert ("kubescape.io", "controlinputs") in listed_kinds


@pytest.mark.parametrize(
    ("group", "resource"), [("", "pods"), ("rbac.authorization.k8s.io", "roles"), ("kubescape.io", "controlinputs")]
)
def test_missing_permission_is_reported(complete: Cluster, group: str, resource: str) -> None:
    rules = [
        rule | {"resources": [name for name in rule["resources"] if (rule["apiGroups"], name) != ([group], resource)]}
        for rule in read_role()["rules"]
    ]
    kubeconfig = complete.user(f"without-{resource}", [rule for rule in rules if rule["resources"]])
    assessment = clusters.scan_cluster(clusters.access(kubeconfig))
    full = f"{resource}.{group}" if group else resource
    assert [str(unread.location) for unread in assessment.unread] == [f"list {full}"]
    preflight_result = preflight(
        ScanRequest(ScanInput(paths=(), cluster=clusters.access(kubeconfig)), rules=ALL_CONTROLS)
    )
    assert [str(permission) for permission in preflight_result.missing] == [f"list {full}"]


def test_dry_run_reports_unreadable_definitions(complete: Cluster) -> None:
    """The printed role has no permissions for custom kinds that were not discovered."""
    preflight_result = preflight(
        ScanRequest(ScanInput(paths=(), cluster=clusters.access(complete.kubeconfig, "nobody")), rules=ALL_CONTROLS)
    )
    assert [gap.permission for gap in preflight_result.unknown] == [
        "list customresourcedefinitions.apiextensions.k8s.io"
    ]
    assert "list customresourcedefinitions.apiextensions.k8s.io" in map(str, preflight_result.missing)


def test_namespaced_permissions_are_granted_in_the_namespace(complete: Cluster) -> None:
    """A user with these roles gets the administrator's verdicts in the namespace, and no further permission."""
    resource_selection = ResourceSelection(include_namespaces=("default",))
    request = ScanRequest(
        ScanInput(paths=(), cluster=clusters.access(complete.kubeconfig)),
        evaluation=EvaluationOptions(resource_selection=resource_selection),
        rules=ALL_CONTROLS,
    )
    admin_assessment, inside, central = create_roles(preflight(request).permissions, "narrow")
    assert (admin_assessment["kind"], inside["kind"], inside["metadata"]["namespace"]) == (
        "ClusterRole",
        "Role",
        "default",
    )
    assert ("", "secrets") in list_granted(inside)
    one = {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["default"], "verbs": ["get"]}
    assert [
        rule for document in (admin_assessment, inside) for rule in document["rules"] if "resourceNames" in rule
    ] == [one]
    assert one in inside["rules"]
    # The cluster serves Cilium: its settings apply to every namespace.
    settings = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["cilium-config"], "verbs": ["get"]}
    assert (central["metadata"]["namespace"], central["rules"]) == ("kube-system", [settings])
    nowhere = {"secrets", "pods", "ingresses", "horizontalpodautoscalers", "customresourcedefinitions", "namespaces"}
    assert not nowhere & {resource for _, resource in list_granted(admin_assessment)}
    kubeconfig = complete.user("narrow-user", [])
    complete.apply([admin_assessment, inside, central])
    complete.bind("narrow-user", "narrow")
    complete.bind("narrow-user", "narrow", namespace="default")
    complete.bind("narrow-user", "narrow", namespace="kube-system")
    assessment = clusters.scan_cluster(clusters.access(kubeconfig), resource_selection=resource_selection)
    assert assessment.unread == ()
    admin = clusters.scan_cluster(clusters.access(complete.kubeconfig), resource_selection=resource_selection)
    assert {result.subject.id: result.verdicts for result in assessment.results} == {
        result.subject.id: result.verdicts for result in admin.results
    }


def test_watch_role_grants_watch() -> None:
    verbs = {
        (rule["apiGroups"][0], name): rule["verbs"]
        for rule in read_role("watch")["rules"]
        for name in rule["resources"]
    }
    assert verbs.pop(VERSIONS) == ["list"]
    assert {tuple(granted_verbs) for granted_verbs in verbs.values()} == {("list", "watch")}
    # A watch searches no attack paths.
    assert list_granted(read_role()) - verbs.keys() - {VERSIONS} == {
        (group, role.find_plural((group, kind))) for group, kind in role.list_kinds() - role.list_kinds("watch")
    }
    assert ("gateway.networking.k8s.io", "referencegrants") in list_granted(read_role()) - verbs.keys()


def run_watch(request: ScanRequest) -> WatchStarted:
    """Run a watch until everything has been listed, and return its start event."""
    stopped = threading.Event()
    events: list[WatchEvent] = []

    def receive(batch: Sequence[WatchEvent]) -> None:
        events.extend(batch)
        stopped.set()

    Watch(WatchRequest(scan=request), (EventSubscriber(receive),)).run(stopped)
    (start,) = [event for event in events if isinstance(event, WatchStarted)]
    return start


def test_dry_run_prints_the_requests_of_a_watch(complete: Cluster) -> None:
    with front(complete) as proxy:
        request = ScanRequest(
            ScanInput(paths=(), cluster=clusters.redirect_access(complete.kubeconfig, proxy.url)),
            rules=RuleOptions(controls=("C-0057",)),
        )
        preflight_result = preflight(request, watching=True)
        assert preflight_result.missing == []
        proxy.requests.clear()
        run_watch(request)
        listed_kinds = list_requests(proxy)
        streamed = {_resource(received) for received in proxy.requests if "watch" in received.query}
    verbs = {
        verb: {
            (permission.group, permission.resource)
            for permission in preflight_result.permissions
            if permission.verb == verb
        }
        for verb in VERBS
    }
    assert verbs == {"list": listed_kinds, "watch": streamed}
    assert {
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "apiservices"),
    } <= listed_kinds


def test_watch_without_watching_definitions_has_no_gap(complete: Cluster) -> None:
    """The only effect is that new kinds are noticed later."""
    rules = [
        rule | {"verbs": ["list"] if rule["apiGroups"] == ["apiextensions.k8s.io"] else rule["verbs"]}
        for rule in read_role("watch")["rules"]
        if rule["apiGroups"] != ["apiregistration.k8s.io"]
    ]
    access = clusters.access(complete.user("unnoticed", rules))
    request = ScanRequest(ScanInput(paths=(), cluster=access), rules=RuleOptions(controls=("C-0057",)))
    assert run_watch(request).gaps == 0
    missing = ["list apiservices.apiregistration.k8s.io", "watch apiservices.apiregistration.k8s.io"]
    missing.append("watch customresourcedefinitions.apiextensions.k8s.io")
    assert sorted(map(str, preflight(request, watching=True).missing)) == missing


def test_cluster_policies_add_permissions(complete: Cluster) -> None:
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "on-leases"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["coordination.k8s.io"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["leases"],
                    }
                ]
            },
            "validations": [{"expression": "true"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "on-leases"},
        "spec": {"policyName": "on-leases", "validationActions": ["Audit"]},
    }
    complete.apply([policy, binding])
    request = ScanRequest(
        ScanInput(paths=(), cluster=clusters.access(complete.kubeconfig)), rules=RuleOptions(controls=("C-0057",))
    )
    needed = [
        {str(permission) for permission in preflight(one).permissions}
        for one in (request, replaced(request, cluster_policies=True))
    ]
    assert "list leases.coordination.k8s.io" in needed[1] - needed[0]
