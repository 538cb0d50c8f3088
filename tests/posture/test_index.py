"""Index of `input.cluster`: content for rules, joined subjects, and linear size."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubekeep.model.control import SUBJECT, WORKLOAD
from kubekeep.model.resource import Resource
from kubekeep.posture.index import MAX_CONFIG_VALUE, Index
from kubekeep.posture.isolation import CILIUM_POLICY, EVERYWHERE, index_isolation
from kubekeep.posture.roles import RoleCoverage


def make_object(kind: str, name: str, namespace: str = "", *, version: str = "v1", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def index_objects(*objects: dict[str, Any], kinds: tuple[str, ...] = (), join: bool = False) -> Index:
    index = Index(kinds, join_subjects=join)
    for content in objects:
        index.add(Resource(content))
    return index


def role(kind: str, name: str, namespace: str = "", verb: str = "get") -> dict[str, Any]:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]
    return make_object(kind, name, namespace, version="rbac.authorization.k8s.io/v1", rules=rules)


def binding(kind: str, of: tuple[str, str], namespace: str = "", users: int = 1) -> dict[str, Any]:
    subjects = [{"kind": "User", "name": f"user-{number}"} for number in range(users)]
    reference = {"kind": of[0], "name": of[1]}
    return make_object(
        kind, "bound", namespace, version="rbac.authorization.k8s.io/v1", roleRef=reference, subjects=subjects
    )


def list_subjects(*objects: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the names of subjects, with kind and namespace of their role; both are empty for a missing role."""
    subjects = index_objects(*objects, join=True).iterate_subjects()
    joined = [(subject.name, subject.related[1]) for subject in subjects]
    return [(name, role.kind, role.namespace) if role.missing is None else (name, "", "") for name, role in joined]


def test_only_requested_kinds_are_kept() -> None:
    cilium = make_object("CiliumNetworkPolicy", "c", "shop", version="cilium.io/v2")
    calico = make_object("NetworkPolicy", "x", version="crd.projectcalico.org/v1")
    policy = make_object("NetworkPolicy", "p", version="networking.k8s.io/v1")
    kinds = ("NetworkPolicy", "cilium.io/CiliumNetworkPolicy")
    built = index_objects(policy, cilium, calico, make_object("Secret", "s"), kinds=kinds).build()
    assert built["objects"] == {
        "NetworkPolicy": {"default": [policy]},
        "cilium.io/CiliumNetworkPolicy": {"shop": [cilium]},
    }


def test_only_control_plane_pods_are_kept() -> None:
    server, web = make_object("Pod", "kube-apiserver-one", "kube-system"), make_object("Pod", "web", "shop")
    assert index_objects(server, web, kinds=("Pod",)).build()["objects"] == {"Pod": {"kube-system": [server]}}


def test_referenced_objects_are_indexed_by_name() -> None:
    first, second = (
        make_object("ServiceAccount", "runner", "shop"),
        make_object("ServiceAccount", "runner", "shop", secrets=[]),
    )
    built = index_objects(first, second, kinds=("ServiceAccount",)).build()
    assert built["named"] == {"ServiceAccount": {"shop": {"runner": [first, second]}}}


def test_config_maps_are_kept_without_files() -> None:
    values = {"short": "x" * MAX_CONFIG_VALUE, "file": "x" * (MAX_CONFIG_VALUE + 1), "number": 1}
    config = make_object("ConfigMap", "settings", data=values, binaryData={"blob": "AAAA"})
    empty = make_object("ConfigMap", "empty", data=None)
    (kept, kept_empty) = index_objects(config, empty, kinds=("ConfigMap",)).build()["objects"]["ConfigMap"]["default"]
    assert kept == make_object("ConfigMap", "settings", data={"short": "x" * MAX_CONFIG_VALUE, "number": 1})
    assert kept_empty == empty


def test_accounts_of_workloads() -> None:
    def pod(name: str, **spec: Any) -> dict[str, Any]:
        return make_object("Pod", name, spec={"containers": [], **spec})

    index = index_objects(
        pod("a", serviceAccountName="runner"),
        pod("b", serviceAccount="old"),
        pod("c", serviceAccountName=""),
        make_object(
            "Deployment", "d", "shop", version="apps/v1", spec={"template": {"spec": {"serviceAccountName": "web"}}}
        ),
        make_object("Deployment", "e", "shop", version="apps/v1", spec=None),
        make_object("Service", "f", "shop", spec={"serviceAccountName": "none"}),
        kinds=("ServiceAccount",),
    )
    assert index.build()["account_users"] == {
        "default": {"runner": True, "old": True, "default": True},
        "shop": {"web": True},
    }


@pytest.mark.parametrize(
    ("spec", "owns_pods"),
    [
        (None, False),
        ({"replicas": 2}, True),
        ({"replicas": None, "tolerations": None}, False),
        ({"replicas": "many"}, False),
        ({"nodeSets": [{"count": 1}, {"podTemplate": {}}]}, True),
        ({"a": {"b": {"nodeSelector": {}}}}, True),
        ({"a": {"b": {"c": {"nodeSelector": {}}}}}, False),
        ({"image": "registry.example.com/web:1.2", "interval": "1m"}, False),
    ],
)
def test_custom_resources_may_own_pods(spec: Any, *, owns_pods: bool) -> None:
    custom = make_object("Database", "orders", "shop", version="example.com/v1", spec=spec)
    built = index_objects(custom, kinds=(WORKLOAD,)).build()
    assert built["custom_owners"] == {"example.com/Database": {"shop": {"orders": owns_pods}}}
    assert index_objects(custom, kinds=("Service",)).build()["custom_owners"] == {}


def test_clusters_have_the_pods_of_custom_resources() -> None:
    index = Index((WORKLOAD,), join_subjects=False, roles=RoleCoverage(is_whole_cluster=True))
    index.add(Resource(make_object("Database", "orders", "shop", version="example.com/v1", spec={"replicas": 2})))
    assert index.build()["custom_owners"] == {}


@pytest.mark.parametrize(
    ("kind", "version", "spec"),
    [
        ("Deployment", "apps/v1", {"replicas": 2}),
        ("Gateway", "gateway.networking.k8s.io/v1", {"replicas": 2}),
        ("ClusterPolicy", "kyverno.io/v1", {"replicas": 2}),
        ("Rollout", "argoproj.io/v1", {"replicas": 2, "template": {"spec": {"containers": []}}}),
        ("KubeletInfo", "hostdata.kubescape.cloud/v1beta0", {"replicas": 2}),
    ],
)
def test_other_resources_are_no_owners(kind: str, version: str, spec: Any) -> None:
    resource = make_object(kind, "orders", "shop", version=version, spec=spec)
    assert index_objects(resource, kinds=(WORKLOAD,)).build()["custom_owners"] == {}


def test_pod_templates_have_no_pods() -> None:
    """Without permission to list them, the index of Services and accounts is the same."""
    labels = {"labels": {"app": "web"}}
    template = make_object(
        "PodTemplate", "t", "shop", template={"metadata": labels, "spec": {"serviceAccountName": "robot"}}
    )
    built = index_objects(template, kinds=(WORKLOAD, "ServiceAccount")).build()
    assert (built["pods"], built["account_users"]) == ({}, {})
    running = make_object("ReplicationController", "r", "shop", spec={"template": template["template"]})
    built = index_objects(template, running, kinds=(WORKLOAD, "ServiceAccount")).build()
    assert [pod.name for pod in built["pods"]["shop"]["all"]] == ["r"]
    assert built["account_users"] == {"shop": {"robot": True}}


def test_order_of_grants_is_independent_of_input_order() -> None:
    account = [{"kind": "ServiceAccount", "name": "robot", "namespace": "shop"}]
    roles = [role("ClusterRole", "all"), role("Role", "all", "shop")]
    bindings = [
        binding("RoleBinding", ("Role", "all"), "shop") | {"subjects": account},
        binding("ClusterRoleBinding", ("ClusterRole", "all")) | {"subjects": account},
    ]
    grants = [
        index_objects(*roles, *ordered, kinds=(SUBJECT,)).build()["grants"]
        for ordered in (bindings, [*reversed(bindings)])
    ]
    assert grants[0]["bound"] == {"shop": {"robot": ["ClusterRoleBinding bound", "RoleBinding bound"]}}
    assert grants[0] == grants[1]


def test_role_bindings_use_roles_of_their_namespace() -> None:
    roles = (role("Role", "reader", "shop"), role("Role", "reader", "build"))
    assert list_subjects(*roles, binding("RoleBinding", ("Role", "reader"), "shop")) == [("user-0", "Role", "shop")]
    assert list_subjects(*roles, binding("RoleBinding", ("Role", "reader"), "other")) == [("user-0", "", "")]
    assert list_subjects(role("Role", "reader", "default"), binding("RoleBinding", ("Role", "reader"))) == [
        ("user-0", "Role", "default")
    ]


def test_cluster_role_bindings_use_cluster_roles_only() -> None:
    objects = (role("Role", "reader"), role("ClusterRole", "reader"))
    assert list_subjects(*objects, binding("ClusterRoleBinding", ("Role", "reader"))) == []
    assert list_subjects(*objects, binding("ClusterRoleBinding", ("ClusterRole", "reader"), users=2)) == [
        ("user-0", "ClusterRole", ""),
        ("user-1", "ClusterRole", ""),
    ]
    assert len(list_subjects(*objects, binding("RoleBinding", ("ClusterRole", "reader"), "shop"))) == 1


def test_bindings_may_precede_roles_and_be_malformed() -> None:
    bound = binding("RoleBinding", ("ClusterRole", "reader"), "shop")
    broken = [{**bound, "roleRef": None}, {**bound, "subjects": None}, {**bound, "subjects": ["dana"]}]
    assert len(list_subjects(bound, *broken, role("ClusterRole", "reader"))) == 1


def test_equal_roles_are_joined_once_and_variants_all() -> None:
    bound = binding("ClusterRoleBinding", ("ClusterRole", "reader"))
    copies = [role("ClusterRole", "reader")] * 3
    assert len(list_subjects(*copies, bound)) == 1
    assert len(list_subjects(*copies, role("ClusterRole", "reader", verb="*"), bound)) == 2


def test_accounts_are_bound_to_unknown_roles() -> None:
    named = binding("RoleBinding", ("Role", "unknown"), "shop") | {
        "subjects": [
            {"kind": "ServiceAccount", "name": "web"},
            {"kind": "ServiceAccount", "name": "runner", "namespace": "build"},
            {"kind": "User", "name": "system:serviceaccount:build:runner"},
            {"kind": "Group", "name": "system:serviceaccounts:build"},
            None,
        ]
    }
    empty = binding("ClusterRoleBinding", ("ClusterRole", "unknown")) | {"subjects": None}
    grants = index_objects(named, empty, kinds=("rbac-subject",)).build()["grants"]
    bound = "RoleBinding bound"
    assert grants["bound"] == {"shop": {"web": [bound]}, "build": {"runner": [bound, bound]}}
    (grant,) = grants["accounts"]["shop"]["web"]
    assert grant["role"] is None


def test_bound_roles_include_parts_of_aggregated_roles() -> None:
    part = role("ClusterRole", "part")
    part["metadata"]["labels"] = {"part": "yes"}
    rule = {"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]}
    whole = role("ClusterRole", "whole") | {"aggregationRule": rule}
    others = (role("Role", "reader", "shop"), role("Role", "reader", "build"), role("ClusterRole", "reader"))
    bindings = (
        binding("RoleBinding", ("Role", "reader"), "shop"),
        binding("RoleBinding", ("ClusterRole", "whole"), "shop"),
    )
    roles = index_objects(part, whole, *others, *bindings, kinds=(SUBJECT,)).build()["grants"]["roles"]
    assert roles == {
        "default": {"ClusterRole/whole": True, "ClusterRole/part": True},
        "shop": {"Role/reader": True},
    }


def test_cluster_admin_needs_no_definition() -> None:
    bound = binding("ClusterRoleBinding", ("ClusterRole", "cluster-admin"))
    (subject,) = index_objects(bound, join=True).iterate_subjects()
    assert subject.related[1].object["rules"][0]["verbs"] == ["*"]
    (subject,) = index_objects(bound, role("ClusterRole", "cluster-admin"), join=True).iterate_subjects()
    assert subject.related[1].object["rules"][0]["verbs"] == ["get"]


def policy(spec: Any, name: str = "p", namespace: str = "shop") -> dict[str, Any]:
    return make_object("NetworkPolicy", name, namespace, version="networking.k8s.io/v1", spec=spec)


def index_policies(*specs: Any) -> dict[str, Any]:
    objects = {"NetworkPolicy": {"shop": [policy(spec, f"p{at}") for at, spec in enumerate(specs)]}}
    isolation: dict[str, Any] = msgspec.to_builtins(index_isolation(objects)["shop"])
    return isolation


def test_directions_of_a_policy() -> None:
    everything: dict[str, Any] = {"podSelector": {}}
    assert index_policies(everything)["all"] == ["ingress"]
    assert index_policies({**everything, "policyTypes": []})["all"] == ["ingress"]
    assert index_policies({**everything, "egress": []})["all"] == ["ingress"]
    assert index_policies({**everything, "egress": [{}]})["all"] == ["egress", "ingress"]
    assert index_policies({**everything, "policyTypes": ["Egress"], "ingress": [{}]})["all"] == ["egress"]
    assert index_policies(everything, {**everything, "policyTypes": ["Egress"]})["all"] == ["egress", "ingress"]
    assert index_policies(None)["all"] == ["ingress"]


def test_policies_are_indexed_by_rarest_label() -> None:
    common = {"part-of": "shop"}
    specs = [{"podSelector": {"matchLabels": {**common, "app": f"a{number}"}}} for number in range(3)]
    labels = index_policies(*specs)["by_label"]
    assert set(labels) == {"app=a0", "app=a1", "app=a2"}
    (selection,) = labels["app=a0"]
    assert selection["labels"] == {**common, "app": "a0"}
    assert selection["expressions"] == []
    assert selection["directions"] == ["ingress"]


def test_policies_that_allow_all_traffic() -> None:
    isolation = index_policies({"podSelector": {}, "ingress": [{}]}, {"podSelector": {"matchLabels": {"app": "a"}}})
    assert isolation["opened"] == {"ingress": "NetworkPolicy p0"}
    assert isolation["has_open"]
    assert not index_policies({"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]})["has_open"]


@pytest.mark.parametrize("port", [{"port": {}}, {"port": [0]}, {"protocol": []}, {"port": 0, "endPort": {}}])
def test_ports_of_another_type_open_nothing(port: object) -> None:
    isolation = index_policies({"podSelector": {}, "ingress": [{"ports": [port, {"port": 80}]}]})
    assert isolation["opened"] == {}


@pytest.mark.parametrize("port", [{"port": {}}, {"port": "0", "protocol": []}])
def test_cilium_ports_of_another_type_open_nothing(port: object) -> None:
    rule = {"toPorts": [{"ports": [port]}]}
    policy = {"kind": "CiliumNetworkPolicy", "metadata": {"namespace": "shop"}}
    objects = {CILIUM_POLICY: {"shop": [policy | {"spec": {"endpointSelector": {}, "ingress": [rule]}}]}}
    assert index_isolation(objects)["shop"]["opened"] == {}


def test_expressions_are_indexed_by_value_key_or_other() -> None:
    def select_by(operator: str, **rest: Any) -> dict[str, Any]:
        return {"podSelector": {"matchExpressions": [{"key": "app", "operator": operator, **rest}]}}

    isolation = index_policies(
        select_by("In", values=["a", "b"]),
        select_by("Exists"),
        select_by("NotIn", values=["c"]),
        select_by("DoesNotExist"),
    )
    assert set(isolation["by_label"]) == {"app=a", "app=b"}
    assert set(isolation["by_key"]) == {"app"}
    assert [selector["expressions"][0]["operator"] for selector in isolation["other"]] == ["NotIn", "DoesNotExist"]


def cilium(kind: str, **rest: Any) -> dict[str, Any]:
    objects = {f"cilium.io/{kind}": {"shop": [make_object(kind, "p", "shop", version="cilium.io/v2", **rest)]}}
    isolation: dict[str, Any] = msgspec.to_builtins(index_isolation(objects))
    return isolation


def test_cilium_policies() -> None:
    spec: dict[str, Any] = {"endpointSelector": {}, "ingress": [{}]}
    assert cilium("CiliumNetworkPolicy", spec=spec)["shop"]["all"] == ["ingress"]
    assert cilium("CiliumClusterwideNetworkPolicy", spec=spec)[EVERYWHERE]["all"] == ["ingress"]
    both = cilium("CiliumNetworkPolicy", specs=[spec, {"endpointSelector": {}, "egressDeny": [{}]}])
    assert both["shop"]["all"] == ["egress", "ingress"]
    labels = {"matchLabels": {"k8s:app": "web"}, "matchExpressions": [{"key": "any:tier", "operator": "Exists"}]}
    (selection,) = cilium("CiliumNetworkPolicy", spec={**spec, "endpointSelector": labels})["shop"]["by_label"][
        "app=web"
    ]
    assert selection["expressions"] == [{"key": "tier", "operator": "Exists"}]


def test_cilium_policies_without_effect_on_pods() -> None:
    spec: dict[str, Any] = {"endpointSelector": {}, "ingress": [{}]}
    assert cilium("CiliumNetworkPolicy", spec={"endpointSelector": {}, "ingress": []}) == {}
    assert cilium("CiliumNetworkPolicy", spec={**spec, "enableDefaultDeny": {"ingress": False}}) == {}
    assert cilium("CiliumNetworkPolicy", spec={"nodeSelector": {}, "ingress": [{}]}) == {}
    assert cilium("CiliumNetworkPolicy", spec=None, specs=None) == {}


def test_policy_index_size_is_linear() -> None:
    specs = [{"podSelector": {"matchLabels": {"part-of": "shop", "app": f"a{at}"}}} for at in range(400)]
    selectors: list[dict[str, Any]] = [{"podSelector": {}}] * 400
    small, large = (len(msgspec.json.encode(index_policies(*specs[:size], *selectors[:size]))) for size in (200, 400))
    assert large < 2.1 * small


def test_image_reports_are_reduced_to_counts() -> None:
    vulnerabilities = [
        {"name": "CVE-1", "severity": "Critical", "categories": {"isRce": True}, "description": "long"},
        {"name": "CVE-2", "severity": "critical", "categories": None},
        {"name": "CVE-3", "severity": "High"},
        "odd",
    ]
    kind = "armo.vuln.images/ImageVulnerabilities"
    reports = [
        make_object("ImageVulnerabilities", name, version="armo.vuln.images/v1", data=content)
        for name, content in (("web:1", vulnerabilities), ("web:2", None))
    ]
    (first,), (second,) = index_objects(*reports, kinds=(kind,)).build()["named"][kind]["default"].values()
    assert first == {"metadata": {"name": "web:1"}, "severities": {"critical": 2, "high": 1}, "rce": ["CVE-1"]}
    assert second == {"metadata": {"name": "web:2"}, "severities": {}, "rce": []}


def test_policy_values_are_distinct_and_include_missing() -> None:
    policies = [
        make_object("PodSecurityPolicy", str(number), version="policy/v1beta1", spec=spec)
        for number, spec in enumerate([{"privileged": True}, {"privileged": True, "hostPID": False}, {}, None])
    ]
    built = index_objects(*policies, kinds=("PodSecurityPolicy",)).build()
    assert built["values"] == {"PodSecurityPolicy": {"privileged": [True, None], "hostPID": [None, False]}}


def test_pods_are_indexed_by_label_key() -> None:
    pods = [
        make_object("Pod", name, metadata={"name": name, "labels": labels}, spec={"containers": []})
        for name, labels in (("a", {"app": "a"}), ("b", {"app": "b", "tier": "x"}))
    ]
    assert index_objects(*pods, kinds=("workload",)).build()["pods"]["default"]["by_key"] == {
        "app": [0, 1],
        "tier": [1],
    }


def test_provider_is_detected_by_nodes_and_documents() -> None:
    labelled = make_object("Node", "a") | {
        "metadata": {"name": "a", "labels": {"eks.amazonaws.com/nodegroup": "workers"}}
    }
    described = make_object("ClusterDescribe", "shop", version="container.googleapis.com/v1")
    foreign = make_object("Node", "a", version="example.com/v1", spec={"providerID": "aws:///eu-west-1a/i-0"})
    assert index_objects(make_object("Node", "a"), labelled).provider == "eks"
    assert index_objects(described).provider == "gke"
    assert index_objects(foreign).provider is None
