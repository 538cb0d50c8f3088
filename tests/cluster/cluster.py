"""Operations of tests on a running control plane: objects, users, tokens, and temporary namespaces.

Replaces the missing controllers only as far as needed. Never starts or stops anything.
"""

from __future__ import annotations

import functools
import http.client
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.cluster.access import User, address_in, write_kubeconfig
from tests.cluster.client import Client, Refused
from tests.cluster.layout import Layout

T = TypeVar("T")
_SECONDS = 120
_RBAC = "rbac.authorization.k8s.io"
_MERGE = "application/merge-patch+json"


class Cluster:
    """The control plane in the folder of `layout` at `address`."""

    def __init__(self, layout: Layout, address: str) -> None:
        self.layout = layout
        self.address = address
        self.admin = self.client("admin")

    @classmethod
    def at(cls, folder: Path) -> Cluster:
        """Return the control plane that runs in `folder`."""
        layout = Layout(folder)
        return cls(layout, address_in(layout.kubeconfig))

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig with a context for each predefined user; the current one is `admin`."""
        return self.layout.kubeconfig

    @property
    def authority(self) -> Path:
        """The CA certificate of the API server, in PEM."""
        return self.layout.clients.pair.certificate

    def client(self, user: str) -> Client:
        """Return a client with a certificate: for `admin`, or a user created by `user`."""
        return Client(self.address, self.authority, self.layout.pair(user))

    def bearer(self, token: str | None) -> Client:
        """Return a client with a token; without one, an anonymous client."""
        return Client(self.address, self.authority, token=token)

    def user(self, name: str, rules: Sequence[dict[str, Any]]) -> Path:
        """Create a user with the `rules` of a ClusterRole; returns the kubeconfig."""
        pair = self.layout.clients.issue(name)
        if rules:
            role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": f"user:{name}"}}
            self.apply([role | {"rules": list(rules)}])
            self.bind(name, f"user:{name}")
        kubeconfig = self.layout.kubeconfigs / name
        write_kubeconfig(kubeconfig, self.address, self.authority, [User(name, pair)])
        return kubeconfig

    def bind(self, user: str, role: str, namespace: str = "") -> None:
        """Bind a user to a ClusterRole, or to a Role in a namespace, and wait until that takes effect."""
        kind, scope_path = ("Role", f"/namespaces/{namespace}") if namespace else ("ClusterRole", "")
        namespace_field = {"namespace": namespace} if namespace else {}
        binding = {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": f"{user}:{role}", **namespace_field},
            "subjects": [{"kind": "User", "apiGroup": _RBAC, "name": user}],
            "roleRef": {"kind": kind, "apiGroup": _RBAC, "name": role},
        }
        self.apply([binding])
        for rule in self.admin("GET", f"/apis/{_RBAC}/v1{scope_path}/{kind.lower()}s/{role}")["rules"]:
            eventually(functools.partial(self._is_allowed, user, _build_review(rule, namespace)))

    def service_account_token(self, namespace: str, name: str, seconds: int = 3600) -> str:
        """Return a token of a service account, which is created if necessary."""
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
        self.apply([account])
        request = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "spec": {"expirationSeconds": seconds},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        return str(self.admin("POST", path, request)["status"]["token"])

    def apply(self, objects: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Create or update objects with their status; returns them as stored.

        A new Namespace gets its service account `default`, as it would accept no pods without. Waits for kinds with a
        new definition. Raises Refused.
        """
        return [self._apply(resource_object) for resource_object in objects]

    def path(self, resource_object: dict[str, Any]) -> str:
        """Return the API path of an object, by its kind, namespace and name. Raises LookupError for an unknown kind."""
        return self._find_path(resource_object)[0]

    def delete(self, resource_object: dict[str, Any]) -> None:
        """Delete an existing object."""
        self.admin("DELETE", self.path(resource_object), {"propagationPolicy": "Background", "gracePeriodSeconds": 0})

    def remove_namespace(self, name: str) -> None:
        """Remove a namespace with all its objects, which others may change or remove at the same time."""
        path = f"/api/v1/namespaces/{name}"
        eventually(lambda: _is_done(lambda: self._terminate(path)))
        for resources in self._collections():
            self._empty(resources.format(namespace=name))
        eventually(lambda: _is_done(lambda: self._finalize(path)))

    def compact(self) -> None:
        """Compact etcd, so that no list can be continued.

        This affects other tests: use a separate cluster.
        """
        address = self.layout.storage_address.read_text(encoding="utf-8")
        etcd = Client(address, self.layout.storage.pair.certificate, self.layout.pair("kube-apiserver-etcd-client"))
        revision = etcd("POST", "/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        etcd("POST", "/v3/kv/compaction", {"revision": revision, "physical": True})

    def _apply(self, resource_object: dict[str, Any]) -> dict[str, Any]:
        path, resource = eventually(lambda: self._find_path(resource_object), LookupError)
        query = "fieldManager=tests&force=true"
        applied: dict[str, Any] = self.admin(
            "PATCH", f"{path}?{query}", resource_object, sent="application/apply-patch+yaml"
        )
        if "status" in resource_object and f"{resource}/status" in self._resources(resource_object["apiVersion"]):
            status = {key: resource_object[key] for key in ("apiVersion", "kind", "status")}
            status["metadata"] = {
                key: resource_object["metadata"][key]
                for key in ("name", "namespace")
                if key in resource_object["metadata"]
            }
            applied = self.admin("PATCH", f"{path}/status?{query}", status, sent="application/apply-patch+yaml")
        if resource_object["kind"] == "Namespace":
            metadata = {"name": "default", "namespace": resource_object["metadata"]["name"]}
            self._apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        return applied

    def _find_path(self, resource_object: dict[str, Any]) -> tuple[str, str]:
        """Return the path of an object and its resource."""
        version, kind, metadata = resource_object["apiVersion"], resource_object["kind"], resource_object["metadata"]
        for name, resource in self._resources(version).items():
            if resource["kind"] == kind and "/" not in name:
                namespace_path = f"/namespaces/{metadata.get('namespace', 'default')}" if resource["namespaced"] else ""
                return f"{_root(version)}{namespace_path}/{name}/{metadata['name']}", name
        raise LookupError(f"the API server knows no {kind} of {version}")

    def _resources(self, version: str) -> dict[str, dict[str, Any]]:
        try:
            return {resource["name"]: resource for resource in self.admin("GET", _root(version))["resources"]}
        except Refused as refused:
            if refused.code in {http.client.NOT_FOUND, http.client.SERVICE_UNAVAILABLE}:
                return {}
            raise

    def _collections(self) -> list[str]:
        """Return the paths of all namespaced resources of every available group, with a {namespace} placeholder."""
        media_type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        answers = [msgspec.json.decode(self.admin.text("GET", path, accept=media_type)) for path in ("/api", "/apis")]
        paths: dict[tuple[str, str], str] = {}
        for group in (group for answer in answers for group in answer["items"]):
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                root = _root(f"{name}/{version['version']}" if name else version["version"])
                for resource in version.get("resources", ()):
                    if resource["scope"] == "Namespaced" and {"list", "delete"} <= set(resource["verbs"]):
                        # Resources of several versions are deleted once.
                        collection_path = f"{root}/namespaces/{{namespace}}/{resource['resource']}"
                        paths.setdefault((name, resource["resource"]), collection_path)
        return [*paths.values()]

    def _empty(self, path: str) -> None:
        try:
            items = self.admin("GET", path)["items"]
        except Refused as refused:
            # A kind is still listed briefly after its definition was deleted.
            if refused.code != http.client.NOT_FOUND:
                raise
            return
        for stored in items:
            eventually(functools.partial(_is_done, functools.partial(self._remove, path, stored["metadata"])))

    def _terminate(self, path: str) -> None:
        """Begin the removal of a namespace, unless it has begun."""
        if "deletionTimestamp" not in self.admin("GET", path)["metadata"]:
            self.admin("DELETE", path)

    def _remove(self, path: str, metadata: dict[str, Any]) -> None:
        """Remove an object of a collection, without its finalizers."""
        object_path = f"{path}/{metadata['name']}"
        if metadata.get("finalizers"):
            self.admin("PATCH", object_path, {"metadata": {"finalizers": None}}, sent=_MERGE)
        self.admin("DELETE", object_path, {"propagationPolicy": "Background", "gracePeriodSeconds": 0})

    def _finalize(self, path: str) -> None:
        """Let an empty namespace end."""
        document = self.admin("GET", path)
        document["spec"]["finalizers"] = []
        self.admin("PUT", f"{path}/finalize", document)

    def _is_allowed(self, user: str, review: dict[str, Any]) -> bool:
        review = {
            "kind": "SubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"user": user} | review,
        }
        answer = self.admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])


def eventually(condition: Callable[[], T | None], *errors: type[Exception], seconds: float = _SECONDS) -> T:
    """Call `condition` until its result is true and it raises none of `errors`, as changes take effect with a delay.

    Raises the last error, or TimeoutError.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := condition():
                return result
        except errors:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition is not met after {seconds:.0f} s")
        time.sleep(0.02)


def _is_done(remove: Callable[[], object]) -> bool:
    """Remove something. Return False after a conflict with a change by others; what is gone already is done."""
    try:
        remove()
    except Refused as refused:
        if refused.code not in {http.client.NOT_FOUND, http.client.CONFLICT}:
            raise
        return refused.code == http.client.NOT_FOUND
    return True


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _build_review(rule: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return the access review for one permission of a rule."""
    verb = rule["verbs"][0]
    if paths := rule.get("nonResourceURLs"):
        return {"nonResourceAttributes": {"path": paths[0].replace("*", "/"), "verb": verb}}
    resource, _, subresource = rule["resources"][0].partition("/")
    name_field = {"name": rule["resourceNames"][0]} if rule.get("resourceNames") else {}
    attributes = {"group": rule["apiGroups"][0], "resource": resource, "subresource": subresource, "verb": verb}
    return {"resourceAttributes": attributes | name_field | ({"namespace": namespace} if namespace else {})}
