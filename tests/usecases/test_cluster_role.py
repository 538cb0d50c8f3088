"""The roles that come with Kubekeep: of today's library, enough for all of it, and no more than a scan or a watch asks for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from scripts import role

from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.resource_types import BUILTIN_TYPES
from kubekeep.model.watch import WatchEvent, WatchStarted
from kubekeep.reports.format import Extra
from kubekeep.usecases.cluster import VERSIONS as VERSION
from kubekeep.usecases.permissions import Preflight, create_roles, preflight
from kubekeep.usecases.request import EvaluationOptions, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.watch import Watch, WatchRequest
from tests.cluster.cluster import Cluster
from tests.kube.faults import Front, ReceivedRequest, front
from tests.requests import replaced
from tests.sources.cluster import objects
from tests.usecases import clusters

NAME = "kubekeep-scan"
VERBS = ("list", "watch")
CUSTOM = sorted(kind for kind in role.kinds() if kind not in BUILTIN_TYPES)
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


def granted(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Group and resource of everything that a role lets list; it lets do nothing else but get single objects."""
    lists = [rule for rule in document["rules"] if "resourceNames" not in rule]
    assert {verb for rule in lists for verb in rule["verbs"]} == {"list"}
    pairs = [(group, resource) for rule in lists for group in rule["apiGroups"] for resource in rule["resources"]]
    assert len(pairs) == len(set(pairs))
    return set(pairs)


def stored(command: str = "scan") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(role.file(command).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("command", ["scan", "watch"])
def test_it_is_of_todays_library(command: str) -> None:
    assert role.file(command).read_text(encoding="utf-8") == role.text(command), "run scripts/role.py"


def test_it_grants_no_star() -> None:
    assert not {"*"} & {part for pair in granted(stored()) for part in pair}
    assert ("", "secrets") in granted(stored())


def definition(group: str, kind: str) -> dict[str, Any]:
    """A definition of a custom kind that a control names."""
    scope = "Cluster" if kind in OF_CLUSTER else "Namespaced"
    # What no control looks at has no pods, and is looked at for attack paths alone.
    schema = objects.open_schema() if (group, kind) in role.kinds("watch") else {"type": "object"}
    found = objects.definition(group, kind, schema, scope=scope)
    names, plural = found["spec"]["names"], role.plural((group, kind))
    found["spec"]["names"] = names | {"plural": plural}
    found["metadata"] = {
        "name": f"{plural}.{group}",
        "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
    }
    return found


@pytest.fixture(scope="module")
def complete(module_cluster: Cluster) -> Cluster:
    """A cluster that serves every custom kind that a control names, and tells its version as OpenShift does."""
    plurals = {(kind[0], role.plural(kind)): kind for kind in CUSTOM}
    clusters.furnished(module_cluster)
    module_cluster.apply(definition(*kind) for kind in (*plurals.values(), (VERSIONS[0], "ClusterVersion")))
    return module_cluster


@pytest.fixture(scope="module")
def scanner(complete: Cluster) -> Any:
    """The kubeconfig of a user who has that role and nothing else."""
    kubeconfig = complete.user("scanner", [])
    complete.apply([stored()])
    complete.bind("scanner", NAME)
    return kubeconfig


def test_it_is_enough(complete: Cluster, scanner: Any) -> None:
    found = clusters.scanned(clusters.access(scanner), extras=frozenset({Extra.ATTACK_PATHS}))
    assert found.unread == ()
    assert found.results
    whole = clusters.scanned(clusters.access(complete.kubeconfig))
    statuses = {item.control.slug: item.status for item in whole.controls}
    assert {item.control.slug: item.status for item in found.controls} == statuses


def test_it_is_what_a_scan_asks_for(complete: Cluster) -> None:
    """Each of its resources is listed by a scan of all controls that looks for attack paths."""
    with front(complete) as proxy:
        extras = frozenset({Extra.ATTACK_PATHS})
        clusters.scanned(clusters.through(complete.kubeconfig, proxy.url), extras=extras)
        asked = lists(proxy)
    assert asked == granted(stored())


def one_role(found: Preflight) -> dict[str, Any]:
    (whole,) = create_roles(found.permissions)
    return whole


def lists(proxy: Front) -> set[tuple[str, str]]:
    return {_resource(asked) for asked in proxy.lists()}


def _resource(asked: ReceivedRequest) -> tuple[str, str]:
    parts = asked.path.split("/")
    return (parts[2] if parts[1] == "apis" else "", asked.kind)


def test_a_dry_run_says_what_a_scan_asks_for(complete: Cluster) -> None:
    """Resource by resource, for the very cluster; custom kinds and settings too."""
    for controls in (("C-0057",), ("C-0012", "C-0088"), ()):
        with front(complete) as proxy:
            request = ScanRequest(
                ScanInput(paths=(), cluster=clusters.through(complete.kubeconfig, proxy.url)),
                rules=RuleOptions(controls=controls),
            )
            found = preflight(request)
            before = lists(proxy)
            proxy.requests.clear()
            clusters.scanned(clusters.through(complete.kubeconfig, proxy.url), controls=controls)
            asked = lists(proxy)
        assert (found.missing, found.unknown) == ([], [])
        assert granted(one_role(found)) == asked
        assert before <= {("apiextensions.k8s.io", "customresourcedefinitions"), VERSIONS}
    assert ("kubescape.io", "controlinputs") in asked


@pytest.mark.parametrize(
    ("group", "resource"), [("", "pods"), ("rbac.authorization.k8s.io", "roles"), ("kubescape.io", "controlinputs")]
)
def test_each_part_of_it_is_missed(complete: Cluster, group: str, resource: str) -> None:
    rules = [
        rule | {"resources": [name for name in rule["resources"] if (rule["apiGroups"], name) != ([group], resource)]}
        for rule in stored()["rules"]
    ]
    kubeconfig = complete.user(f"without-{resource}", [rule for rule in rules if rule["resources"]])
    found = clusters.scanned(clusters.access(kubeconfig))
    full = f"{resource}.{group}" if group else resource
    assert [str(item.location) for item in found.unread] == [f"list {full}"]
    checked = preflight(ScanRequest(ScanInput(paths=(), cluster=clusters.access(kubeconfig))))
    assert [str(permission) for permission in checked.missing] == [f"list {full}"]


def test_who_may_not_read_definitions_is_told_that_more_may_be_needed(complete: Cluster) -> None:
    """The role that is printed lacks the custom kinds that nobody knows of."""
    found = preflight(ScanRequest(ScanInput(paths=(), cluster=clusters.access(complete.kubeconfig, "nobody"))))
    assert [gap.permission for gap in found.unknown] == ["list customresourcedefinitions.apiextensions.k8s.io"]
    assert "list customresourcedefinitions.apiextensions.k8s.io" in map(str, found.missing)


def test_with_namespaces_what_is_in_them_is_granted_there(complete: Cluster) -> None:
    """A user with those roles sees what an administrator does in the namespace, and nothing more is granted."""
    choice = ResourceSelection(include_namespaces=("default",))
    request = ScanRequest(
        ScanInput(paths=(), cluster=clusters.access(complete.kubeconfig)), evaluation=EvaluationOptions(choice=choice)
    )
    whole, inside, central = create_roles(preflight(request).permissions, "narrow")
    assert (whole["kind"], inside["kind"], inside["metadata"]["namespace"]) == ("ClusterRole", "Role", "default")
    assert ("", "secrets") in granted(inside)
    one = {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["default"], "verbs": ["get"]}
    assert [rule for document in (whole, inside) for rule in document["rules"] if "resourceNames" in rule] == [one]
    assert one in inside["rules"]
    # Cilium is served here, whose settings matter everywhere.
    settings = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["cilium-config"], "verbs": ["get"]}
    assert (central["metadata"]["namespace"], central["rules"]) == ("kube-system", [settings])
    nowhere = {"secrets", "pods", "ingresses", "horizontalpodautoscalers", "customresourcedefinitions", "namespaces"}
    assert not nowhere & {resource for _, resource in granted(whole)}
    kubeconfig = complete.user("narrow-user", [])
    complete.apply([whole, inside, central])
    complete.bind("narrow-user", "narrow")
    complete.bind("narrow-user", "narrow", namespace="default")
    complete.bind("narrow-user", "narrow", namespace="kube-system")
    found = clusters.scanned(clusters.access(kubeconfig), choice=choice)
    assert found.unread == ()
    admin = clusters.scanned(clusters.access(complete.kubeconfig), choice=choice)
    assert {item.resource.id: item.verdicts for item in found.results} == {
        item.resource.id: item.verdicts for item in admin.results
    }


def test_who_watches_is_told_of_watching() -> None:
    verbs = {
        (rule["apiGroups"][0], name): rule["verbs"] for rule in stored("watch")["rules"] for name in rule["resources"]
    }
    assert verbs.pop(VERSIONS) == ["list"]
    assert {tuple(found) for found in verbs.values()} == {("list", "watch")}
    # It looks for no attack paths.
    assert granted(stored()) - verbs.keys() - {VERSIONS} == {
        (group, role.plural((group, kind))) for group, kind in role.kinds() - role.kinds("watch")
    }
    assert ("gateway.networking.k8s.io", "referencegrants") in granted(stored()) - verbs.keys()


def watched(request: ScanRequest) -> WatchStarted:
    """A watch that ends as soon as everything has been seen."""
    stopped = threading.Event()
    told: list[WatchEvent] = []

    def tell(happened: Sequence[WatchEvent]) -> None:
        told.extend(happened)
        stopped.set()

    Watch(WatchRequest(scan=request), tell).run(stopped)
    (began,) = [item for item in told if isinstance(item, WatchStarted)]
    return began


def test_a_dry_run_of_a_watch_says_what_a_watch_asks_for(complete: Cluster) -> None:
    with front(complete) as proxy:
        request = ScanRequest(
            ScanInput(paths=(), cluster=clusters.through(complete.kubeconfig, proxy.url)),
            rules=RuleOptions(controls=("C-0057",)),
        )
        found = preflight(request, watching=True)
        assert found.missing == []
        proxy.requests.clear()
        watched(request)
        listed = lists(proxy)
        streamed = {_resource(asked) for asked in proxy.requests if "watch" in asked.query}
    verbs = {verb: {(item.group, item.resource) for item in found.permissions if item.verb == verb} for verb in VERBS}
    assert verbs == {"list": listed, "watch": streamed}
    assert {("apiextensions.k8s.io", "customresourcedefinitions"), ("apiregistration.k8s.io", "apiservices")} <= listed


def test_who_may_not_follow_definitions_misses_nothing(complete: Cluster) -> None:
    """New kinds are noticed later, and that is all."""
    rules = [
        rule | {"verbs": ["list"] if rule["apiGroups"] == ["apiextensions.k8s.io"] else rule["verbs"]}
        for rule in stored("watch")["rules"]
        if rule["apiGroups"] != ["apiregistration.k8s.io"]
    ]
    access = clusters.access(complete.user("unnoticed", rules))
    request = ScanRequest(ScanInput(paths=(), cluster=access), rules=RuleOptions(controls=("C-0057",)))
    assert watched(request).gaps == 0
    missing = ["list apiservices.apiregistration.k8s.io", "watch apiservices.apiregistration.k8s.io"]
    missing.append("watch customresourcedefinitions.apiextensions.k8s.io")
    assert sorted(map(str, preflight(request, watching=True).missing)) == missing


def test_with_its_policies_what_they_look_at_is_needed_too(complete: Cluster) -> None:
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "on-budgets"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["policy"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["poddisruptionbudgets"],
                    }
                ]
            },
            "validations": [{"expression": "true"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "on-budgets"},
        "spec": {"policyName": "on-budgets", "validationActions": ["Audit"]},
    }
    complete.apply([policy, binding])
    request = ScanRequest(
        ScanInput(paths=(), cluster=clusters.access(complete.kubeconfig)), rules=RuleOptions(controls=("C-0057",))
    )
    needed = [
        {str(permission) for permission in preflight(one).permissions}
        for one in (request, replaced(request, cluster_policies=True))
    ]
    assert "list poddisruptionbudgets.policy" in needed[1] - needed[0]
