"""Selection of one workload and its dependencies from other resources."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.resource import Resource
from kubekeep.posture.select import UnknownNameError
from kubekeep.posture.workload import parse_workload, select_workload

RBAC = "rbac.authorization.k8s.io/v1"


def create_resource(version: str, kind: str, name: str, namespace: str = "shop", **fields: Any) -> Resource:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
    return Resource({"apiVersion": version, "kind": kind, "metadata": metadata, **fields})


def deployment(name: str, namespace: str = "shop", account: str = "robot", **labels: str) -> Resource:
    pod = {"metadata": {"labels": {"app": name, **labels}}, "spec": {"serviceAccountName": account, "containers": []}}
    return create_resource("apps/v1", "Deployment", name, namespace, spec={"template": pod})


def policy(name: str, selector: dict[str, Any], namespace: str = "shop") -> Resource:
    return create_resource("networking.k8s.io/v1", "NetworkPolicy", name, namespace, spec={"podSelector": selector})


def service(name: str, selector: dict[str, str], namespace: str = "shop") -> Resource:
    return create_resource("v1", "Service", name, namespace, spec={"selector": selector})


def binding(name: str, kind: str, role: str, account: str, of: str = "RoleBinding") -> Resource:
    subject = {"kind": "ServiceAccount", "name": account, "namespace": "shop"}
    namespace = "shop" if of == "RoleBinding" else ""
    return create_resource(RBAC, of, name, namespace, roleRef={"kind": kind, "name": role}, subjects=[subject])


NEEDED = [
    deployment("web", tier="front"),
    create_resource("v1", "ServiceAccount", "robot"),
    binding("read", "Role", "reader", "robot"),
    create_resource(RBAC, "Role", "reader"),
    binding("admin", "ClusterRole", "cluster-admin", "robot", of="ClusterRoleBinding"),
    create_resource(RBAC, "ClusterRole", "cluster-admin", ""),
    policy("all", {}),
    policy("front", {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front", "edge"]}]}),
    service("web", {"app": "web"}),
]
OTHERS = [
    deployment("api", account="other"),
    create_resource("v1", "ServiceAccount", "other"),
    create_resource("v1", "ServiceAccount", "robot", "default"),
    binding("write", "Role", "writer", "other"),
    create_resource(RBAC, "Role", "writer"),
    create_resource(RBAC, "Role", "reader", "default"),
    policy("back", {"matchLabels": {"tier": "back"}}),
    policy("elsewhere", {}, "default"),
    policy("broken", {"matchLabels": ["web"]}),
    service("none", {}),
    service("api", {"app": "api"}),
    create_resource("v1", "ConfigMap", "web"),
]


@pytest.mark.parametrize(
    "name",
    [
        "deployment/web",
        "deploy/web",
        "Deployments/web",
        "shop/deployment/web",
        "shop/Deployment.v1.apps/web",
        "deployment.apps/web",
        "deployment.v1/web",
    ],
)
def test_workload_is_selected_with_its_dependencies(name: str) -> None:
    mixed = [resource for pair in zip(OTHERS, [*NEEDED, *OTHERS], strict=False) for resource in pair]
    selected = select_workload(parse_workload(name), list({id(resource): resource for resource in mixed}.values()))
    assert [(resource.kind, resource.name) for resource in selected] == [
        (resource.kind, resource.name) for resource in NEEDED
    ]
    assert all(any(resource is needed for needed in NEEDED) for resource in selected)


def test_owners_are_followed() -> None:
    owned: dict[str, Any] = {"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": "web-1"}]}}
    top: dict[str, Any] = {"metadata": {"ownerReferences": [{"kind": "Rollout", "name": "web"}, "nonsense"]}}
    pod = create_resource("v1", "Pod", "web-1-x", spec={"containers": []}, **owned)
    chain = [
        create_resource("argoproj.io/v1alpha1", "Rollout", "web"),
        create_resource("apps/v1", "ReplicaSet", "web-1", **top),
        pod,
    ]
    stranger = create_resource("apps/v1", "ReplicaSet", "web-1", "default", **top)
    assert select_workload(parse_workload("pod/web-1-x"), [stranger, *chain]) == chain


def test_all_workloads_of_the_name_are_selected() -> None:
    both = [deployment("web", "a"), deployment("web", "b")]
    assert select_workload(parse_workload("deployment/web"), both) == both
    assert select_workload(parse_workload("b/deployment/web"), both) == both[1:]
    unnamed = deployment("web", "")
    assert select_workload(parse_workload("default/deployment/web"), [unnamed]) == [unnamed]


@pytest.mark.parametrize("text", ["", "web", "/web", "deployment/", "a/b/c/d", "//", ".apps/web"])
def test_invalid_workload_name_is_rejected(text: str) -> None:
    with pytest.raises(UnknownNameError, match="not a workload"):
        parse_workload(text)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deployment/wbe", "did you mean deployment/web"),
        ("statefulset.batch/web", "unknown workload 'statefulset/web'; did you mean deployment/web"),
        ("other/deployment/web", "unknown workload 'other/deployment/web'"),
        ("cronjob/nightly", "the input has 1 workload$"),
        ("service/web", "unknown workload 'service/web'"),
    ],
)
def test_unknown_workload_is_an_error(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        select_workload(parse_workload(name), NEEDED)


def test_names_are_escaped_in_messages() -> None:
    with pytest.raises(UnknownNameError) as error:
        select_workload(parse_workload("deployment/web"), [deployment("web\x1b[2J")])
    assert str(error.value).endswith(r"did you mean deployment/web\x1b[2J?")
