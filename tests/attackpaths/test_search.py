"""Search of paths: the best path for each target, for graphs of any shape and size, with notes about omissions."""

from __future__ import annotations

import pytest
import yaml

from kubekeep.attackpaths.find import compute_attack_paths
from kubekeep.attackpaths.search import CandidatePath, choose_cuts
from kubekeep.model.attack import AttackQuery
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.posture.select import UnknownNameError
from tests.attackpaths.chains import chain, chains, find_paths, pod, role, service

ADMIN = "[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]"
PRIVILEGED = "securityContext: {privileged: true}"


def test_empty_input_has_no_paths() -> None:
    attacks = find_paths("")
    assert not attacks.paths
    assert not attacks.cuts
    assert "the input contains no workload" in attacks.notes
    assert any("no bindings" in note for note in attacks.notes)


def test_path_without_assumptions_is_preferred_and_lesser_target_is_implied() -> None:
    text = (
        pod("", f"{PRIVILEGED}, ports: [{{containerPort: 80, hostPort: 80}}]") + service() + role(ADMIN, cluster=True)
    )
    assert chains(text) == [
        "internet > Service shop/web > Pod shop/web > ServiceAccount shop/default > cluster-admin",
    ]
    (path,) = find_paths(text).paths
    assert path.assumptions == ()
    assert path.severity is Severity.CRITICAL


def test_each_requested_target_has_its_own_path() -> None:
    text = pod("", f"{PRIVILEGED}, envFrom: [{{secretRef: {{name: db}}}}]")
    resources = [Resource(document) for document in yaml.safe_load_all(text) if document]
    paths = compute_attack_paths(resources, [], {}, AttackQuery(("pod/web",), ("secret/db", "node"))).paths
    assert [path.target.label for path in paths] == ["a node of the cluster", "Secret shop/db"]


def test_each_reached_workload_has_its_own_path() -> None:
    text = "".join(pod("", PRIVILEGED, name=name) + service(name=name) for name in ("a", "b"))
    assert {line.split(" > ")[2] for line in chains(text, to="node")} == {"Pod shop/a", "Pod shop/b"}


def test_cycles_are_followed_once() -> None:
    exec_role = role("[{apiGroups: [''], resources: [pods/exec], verbs: [create]}]")
    text = pod("", PRIVILEGED) + service() + exec_role
    assert chains(text, to="any pod in namespace shop") == [
        (
            "internet > Service shop/web > Pod shop/web > ServiceAccount shop/default > Role shop/r > "
            "any pod in namespace shop"
        )
    ]


def test_unlisted_paths_are_counted() -> None:
    text = "".join(pod("", PRIVILEGED, name=f"w{number}") + service(name=f"w{number}") for number in range(5))
    attacks = find_paths(text, to="node", most=2)
    assert (len(attacks.paths), attacks.unlisted_path_count) == (2, 3)
    assert sum(cut.count for cut in attacks.cuts) == 5
    assert all(place < 2 for cut in attacks.cuts for place in cut.paths)


@pytest.mark.parametrize(
    ("word", "hint"),
    [("deployment/web", "did you mean pod/web"), ("pod/wbe", "did you mean pod/web"), ("x", "the name 'x'")],
)
def test_unknown_names(word: str, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=hint):
        find_paths(pod(), word)
    with pytest.raises(UnknownNameError):
        find_paths(pod(), to=word)


def test_sources_by_name() -> None:
    text = pod("", PRIVILEGED) + pod("", PRIVILEGED, namespace="other")
    assert len(find_paths(text, "pod/web", to="node").paths) == 2
    assert [chain(path) for path in find_paths(text, "Other/Pod/Web", to="node").paths] == [
        "Pod other/web > a node of the cluster"
    ]
    assert find_paths(text, "internet").paths == ()


def test_owned_pods_are_represented_by_their_owner() -> None:
    owned = """
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web}]
spec: {containers: [{name: c, image: i, securityContext: {privileged: true}}]}
---"""
    replicas = """
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, namespace: shop}
spec:
  replicas: %s
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: i, securityContext: {privileged: true}}]}
---"""
    assert len(chains(owned + service(), to="node")) == 1
    (line,) = chains(owned + replicas % 1 + service(), to="node")
    assert "ReplicaSet shop/web" in line
    assert chains(owned + replicas % 0 + service(), to="node") == []


def candidate(*nodes: str) -> CandidatePath:
    return CandidatePath(nodes, len(nodes), Severity.HIGH, nodes[0], 0)


def test_cuts_are_breakable_steps_by_number_of_paths() -> None:
    candidates = [candidate("i", "a", "x", "t"), candidate("i", "b", "x", "t"), candidate("i", "c", "u")]
    steps = {step for candidate in candidates for step in candidate.steps}
    breakable = {step for step in steps if step[0] != "i"}
    assert choose_cuts(candidates, breakable, 5) == [(("x", "t"), (0, 1)), (("c", "u"), (2,))]
    assert choose_cuts(candidates, breakable, 1) == [(("x", "t"), (0, 1))]
    assert choose_cuts(candidates, set(), 5) == []


def test_detour_around_cut_is_counted() -> None:
    bound = role(ADMIN, cluster=True)
    other = bound.replace("name: r}", "name: r2}").replace("name: b}", "name: b2}").replace("name: r}", "name: r2}")
    text = pod("", PRIVILEGED) + service() + bound
    (cut,) = find_paths(text).cuts
    assert (cut.edge.target.label, cut.count, cut.detours) == ("cluster-admin", 1, 0)
    agent = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: agents}
spec: {template: {spec: {containers: [{name: c, image: i}]}}}
---"""
    more = other.replace("name: default, namespace: shop", "name: default, namespace: agents")
    cuts_of_both = find_paths(text + agent + more).cuts
    assert [(cut.count, cut.detours) for cut in cuts_of_both] == [(1, 1)]


def test_missing_target_gives_no_other_path() -> None:
    text = pod("", PRIVILEGED) + service()
    assert find_paths(text, "anonymous").paths == ()
    assert find_paths(text, to="cluster-admin").paths == ()


def test_search_time_grows_linearly_with_input() -> None:
    """Search 5,000 exposed workloads with many permissions: one path per workload and target."""
    roles = role("[{apiGroups: [''], resources: [secrets, pods], verbs: [get, create]}]", cluster=True)
    shared = "".join(pod("", PRIVILEGED, name=f"w{number}") + service(name=f"w{number}") for number in range(5_000))
    attacks = find_paths(shared + roles, most=10)
    assert len(attacks.paths) == 10
    assert attacks.unlisted_path_count == 14_990
    assert attacks.cuts[0].count == 10_000


def test_oversized_graph_is_truncated_with_a_note() -> None:
    selected = "".join(
        pod("", PRIVILEGED, name=f"w{number}").replace(f"app: w{number}", "app: x") for number in range(800)
    )
    services = "".join(service(name=f"s{number}").replace(f"app: s{number}", "app: x") for number in range(800))
    attacks = find_paths(selected + services, to="node")
    assert any("more than 500000 edges" in note for note in attacks.notes)
    assert attacks.paths


@pytest.mark.parametrize(
    "text",
    [
        "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {selector: 1, ports: 2, type: LoadBalancer}}",
        "{apiVersion: v1, kind: Service, metadata: [], spec: {type: NodePort, selector: {a: {}}, ports: [1, {}]}}",
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: 1, ports: [x], env: {a: b}}]}}",
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: 7}}",
        "{apiVersion: v1, kind: Pod, spec: {containers: [{name: a, volumeMounts: [1]}], volumes: [{hostPath: 1}]}}",
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {matchLabels: 1}}}",
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: 5}",
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a}, spec: {rules: 1}}",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}, rules: [1, {verbs: x}]}",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: a}, subjects: [1, {}]}",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: a}, roleRef: []}",
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: a}, specs: [1, {endpointSelector: {}}]}",
        "{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {annotations: 5}}",
        "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a}, spec: {parentRefs: [x]}}",
    ],
)
def test_malformed_objects_give_no_paths_and_no_errors(text: str) -> None:
    assert find_paths(f"{text}\n---\n{pod()}{service()}").paths == ()
