"""The control plane of the tests: a real one, with predefined users and faults."""

from __future__ import annotations

import ssl
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from tests.cluster.builds import KUBERNETES
from tests.cluster.client import Client, Refused
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.users import NAMESPACES

READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


def pod(namespace: str, name: str, **security: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example.com/app:1", "securityContext": security}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def config_map(namespace: str, name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "value"}}


def test_version_is_the_expected_one(cluster: Cluster) -> None:
    version = cluster.admin("GET", "/version")
    assert (version["gitVersion"], version["major"], version["minor"]) == (KUBERNETES, "1", "34")


def test_unauthenticated_requests_are_rejected(cluster: Cluster) -> None:
    with pytest.raises(Refused) as refused:
        cluster.bearer("guessed")("GET", "/api/v1/namespaces")
    assert refused.value.code == 401
    with pytest.raises(Refused, match=r'User "system:anonymous" cannot list resource "namespaces"'):
        cluster.bearer(None)("GET", "/api/v1/namespaces")


def test_certificate_is_signed_by_its_authority(cluster: Cluster) -> None:
    other_authority = cluster.layout.kubelets.pair.certificate
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(cluster.address, other_authority).text("GET", "/readyz")
    assert Client(cluster.address, cluster.authority).text("GET", "/readyz") == b"ok"


def test_users_have_the_rights_of_their_rules(cluster: Cluster, namespace: str) -> None:
    cluster.user(f"{namespace}-reader", [READ_PODS])
    reader = cluster.client(f"{namespace}-reader")
    assert reader("GET", f"/api/v1/namespaces/{namespace}/pods")["items"] == []
    with pytest.raises(Refused) as refused:
        reader("GET", f"/api/v1/namespaces/{namespace}/secrets")
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    detail = f'User "{namespace}-reader" cannot list resource "secrets" in API group "" in the namespace "{namespace}"'
    assert refused.value.message == f"secrets is forbidden: {detail}"


def test_kubeconfig_users_have_their_rights(cluster: Cluster) -> None:
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    assert document["current-context"] == "admin"
    assert [user["name"] for user in document["users"]] == ["admin", "viewer", "all-but-secrets", "nobody", "robot"]
    token = document["users"][-1]["user"]["token"]
    clients = {"robot": cluster.bearer(token)}
    clients |= {user: cluster.client(user) for user in ("admin", "viewer", "all-but-secrets", "nobody")}

    def list_readers(path: str) -> set[str]:
        return {user for user, client in clients.items() if is_permitted(client, path)}

    assert list_readers("/api/v1/pods") == {"admin", "viewer", "all-but-secrets", "robot"}
    assert list_readers("/apis/apps/v1/deployments") == {"admin", "viewer", "all-but-secrets", "robot"}
    assert list_readers("/api/v1/nodes") == {"admin", "all-but-secrets"}
    assert list_readers("/apis/rbac.authorization.k8s.io/v1/clusterroles") == {"admin", "all-but-secrets"}
    assert list_readers("/api/v1/secrets") == {"admin"}
    assert list_readers("/version") == {"admin", "viewer", "all-but-secrets", "nobody", "robot"}


def is_permitted(client: Client, path: str) -> bool:
    try:
        client("GET", path)
    except Refused as refused:
        if refused.code != 403:
            raise
        return False
    return True


def test_files_are_private(cluster: Cluster) -> None:
    # Links to programs have no mode of their own.
    paths = [path for path in (cluster.layout.folder, *cluster.layout.folder.rglob("*")) if not path.is_symlink()]
    open_to_others = [path for path in paths if path.is_file() and stat.S_IMODE(path.stat().st_mode) != 0o600]
    open_to_others += [path for path in paths if path.is_dir() and stat.S_IMODE(path.stat().st_mode) != 0o700]
    assert open_to_others == []
    assert {"kubeconfig", "tokens.csv", "cluster.key", "admin.key", "etcd"} <= {path.name for path in paths}


def test_service_account_tokens_authenticate(cluster: Cluster, namespace: str) -> None:
    client = cluster.bearer(cluster.service_account_token(namespace, "scanner"))
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    user = client("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]["userInfo"]
    assert user["username"] == f"system:serviceaccount:{namespace}:scanner"


def test_unavailable_api_is_listed_and_fails(cluster: Cluster) -> None:
    groups = {group["name"] for group in cluster.admin("GET", "/apis")["groups"]}
    assert "metrics.k8s.io" in groups
    with pytest.raises(Refused, match="service unavailable") as refused:
        cluster.admin("GET", "/apis/metrics.k8s.io/v1beta1")
    assert refused.value.code == 503
    aggregated = cluster.admin.text(
        "GET", "/apis", accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    )
    assert b'"freshness":"Stale"' in aggregated


def test_pod_security_admission_denies_pods(cluster: Cluster, namespace: str) -> None:
    label = {"pod-security.kubernetes.io/enforce": "baseline"}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": label}}])
    with pytest.raises(Refused, match=r'violates PodSecurity "baseline:latest": privileged'):
        cluster.apply([pod(namespace, "bad", privileged=True)])
    (created,) = cluster.apply([pod(namespace, "good")])
    assert created["status"]["phase"] == "Pending"


@pytest.mark.parametrize("name", NAMESPACES)
def test_default_namespaces_accept_pods(cluster: Cluster, name: str) -> None:
    created = cluster.admin("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", pod(name, "app"))
    assert created["spec"]["serviceAccountName"] == "default"


def test_status_is_applied_with_the_object(cluster: Cluster, namespace: str) -> None:
    (created,) = cluster.apply([pod(namespace, "app") | {"status": {"phase": "Running", "hostIP": "198.51.100.1"}}])
    assert (created["status"]["phase"], created["status"]["hostIP"]) == ("Running", "198.51.100.1")


def test_admission_policies_are_enforced(cluster: Cluster, namespace: str) -> None:
    group = "admissionregistration.k8s.io"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "has(object.data.owner)", "message": "nobody owns it"}],
    }
    policy = {
        "apiVersion": f"{group}/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": spec,
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding_spec = {
        "policyName": namespace,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": selector},
    }
    binding = {"apiVersion": f"{group}/v1", "kind": "ValidatingAdmissionPolicyBinding"}
    cluster.apply([policy, binding | {"metadata": {"name": namespace}, "spec": binding_spec}])
    try:
        refused = eventually(lambda: try_to_create(cluster, config_map(namespace, "mine")))
        assert "nobody owns it" in refused.message
        cluster.apply([config_map(namespace, "ours") | {"data": {"owner": "us"}}])
    finally:
        cluster.delete(binding | {"metadata": {"name": namespace}})
        cluster.delete(policy)


def try_to_create(cluster: Cluster, resource_object: dict[str, Any]) -> Refused | None:
    try:
        cluster.apply([resource_object])
    except Refused as refused:
        return refused
    cluster.delete(resource_object)
    return None


def test_custom_resources_are_served(cluster: Cluster, namespace: str) -> None:
    group = f"{namespace}.example.com"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "boats", "singular": "boat", "kind": "Boat"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"boats.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    boat = {"apiVersion": f"{group}/v1", "kind": "Boat", "metadata": {"name": "one", "namespace": namespace}}
    try:
        cluster.apply([definition, boat | {"spec": {"size": 3}}])
        (boat,) = cluster.admin("GET", f"/apis/{group}/v1/boats")["items"]
        assert boat["spec"] == {"size": 3}
        with pytest.raises(Refused, match="must be of type integer"):
            cluster.admin("POST", f"/apis/{group}/v1/namespaces/{namespace}/boats", boat | {"spec": {"size": "big"}})
    finally:
        cluster.delete(definition)


def test_long_lists_have_pages(cluster: Cluster, namespace: str) -> None:
    cluster.apply([config_map(namespace, f"map-{number}") for number in range(5)])
    path = f"/api/v1/namespaces/{namespace}/configmaps?limit=2"
    first = cluster.admin("GET", path)
    second = cluster.admin("GET", f"{path}&continue={first['metadata']['continue']}")
    names = [config_map["metadata"]["name"] for page in (first, second) for config_map in page["items"]]
    assert names == ["map-0", "map-1", "map-2", "map-3"]
    assert first["metadata"]["remainingItemCount"] == 3


def test_compacted_list_cannot_be_continued(own_cluster: Cluster) -> None:
    own_cluster.apply([config_map("default", f"map-{number}") for number in range(5)])
    path = "/api/v1/namespaces/default/configmaps?limit=2"
    token = own_cluster.admin("GET", path)["metadata"]["continue"]
    own_cluster.apply([config_map("default", "later")])
    own_cluster.compact()
    with pytest.raises(Refused) as refused:
        own_cluster.admin("GET", f"{path}&continue={token}")
    assert (refused.value.code, refused.value.reason) == (410, "Expired")


def test_namespace_is_removed_with_its_content(cluster: Cluster) -> None:
    name = "short-lived"
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "data", "namespace": name}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        pod(name, "app"),
        # Has a finalizer from its first moment.
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim},
    ]
    applied = cluster.apply(objects)
    assert applied[2]["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    cluster.remove_namespace(name)
    with pytest.raises(Refused, match="not found"):
        cluster.admin("GET", f"/api/v1/namespaces/{name}")
    remaining = cluster.admin("GET", "/api/v1/persistentvolumeclaims")["items"]
    remaining += (
        cluster.admin("GET", "/api/v1/pods")["items"] + cluster.admin("GET", "/api/v1/serviceaccounts")["items"]
    )
    assert name not in {resource_object["metadata"]["namespace"] for resource_object in remaining}


def test_namespace_is_removed_by_several_at_once(cluster: Cluster) -> None:
    """Each request of one may be refused, as the others have removed or changed the object."""
    name = "removed-by-several"
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": f"data-{number}", "namespace": name},
            "spec": claim,
        }
        for number in range(20)
    ]
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, *claims])
    barrier = threading.Barrier(4)

    def remove() -> None:
        barrier.wait()
        cluster.remove_namespace(name)

    with ThreadPoolExecutor(barrier.parties) as pool:
        for removal in [pool.submit(remove) for _ in range(barrier.parties)]:
            removal.result()
    with pytest.raises(Refused, match="not found"):
        cluster.admin("GET", f"/api/v1/namespaces/{name}")
    remaining = cluster.admin("GET", "/api/v1/persistentvolumeclaims")["items"]
    assert name not in {resource_object["metadata"]["namespace"] for resource_object in remaining}


def define_kind(group: str, kind: str, version: str) -> dict[str, Any]:
    names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower(), "listKind": f"{kind}List"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    versions = [{"name": version, "served": True, "storage": True, "schema": schema}]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.lower()}s.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": versions},
    }


def test_namespace_is_removed_with_kinds_of_all_versions(cluster: Cluster) -> None:
    """Each of two kinds in a group has a version of its own."""
    name, group = "short-lived-too", "versions.example.com"
    kinds = {"Boat": "v1", "Ship": "v2"}
    definitions = [define_kind(group, kind, version) for kind, version in kinds.items()]
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, *definitions])
    try:
        metadata = {"name": "one", "namespace": name}
        cluster.apply(
            {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": metadata} for kind, version in kinds.items()
        )
        cluster.remove_namespace(name)
        remaining = [cluster.admin("GET", f"/apis/{group}/v1/boats")["items"]]
        remaining.append(cluster.admin("GET", f"/apis/{group}/v2/ships")["items"])
        assert remaining == [[], []]
    finally:
        for custom_kind in definitions:
            cluster.delete(custom_kind)


def test_unknown_kind_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(LookupError, match=r"no Boat of v1"):
        cluster.path({"apiVersion": "v1", "kind": "Boat", "metadata": {"name": "one"}})
