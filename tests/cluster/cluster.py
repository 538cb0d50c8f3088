"""What tests do to a control plane that runs: objects, users, tokens, namespaces that are gone afterwards.

It does what is needed of the controllers that are not there, and no more. Never starts or ends anything.
"""

from __future__ import annotations

import functools
import http.client
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.cluster.access import Person, address_in, write_kubeconfig
from tests.cluster.client import Client, Refused
from tests.cluster.layout import Layout

T = TypeVar("T")
_SECONDS = 20
_RBAC = "rbac.authorization.k8s.io"
_MERGE = "application/merge-patch+json"


class Cluster:
    """The control plane in the folder of `layout` that listens at `address`."""

    def __init__(self, layout: Layout, address: str) -> None:
        self.layout = layout
        self.address = address
        self.admin = self.client("admin")

    @classmethod
    def at(cls, folder: Path) -> Cluster:
        """The one that runs in `folder`."""
        layout = Layout(folder)
        return cls(layout, address_in(layout.kubeconfig))

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with a context for each user that is there from the start; the current one is `admin`."""
        return self.layout.kubeconfig

    @property
    def authority(self) -> Path:
        """The certificate, in PEM, of who vouches for the API server."""
        return self.layout.clients.pair.certificate

    def client(self, user: str) -> Client:
        """A user who is known by a client certificate: `admin`, or one that `user` has made."""
        return Client(self.address, self.authority, self.layout.pair(user))

    def bearer(self, token: str | None) -> Client:
        """Who has a token; without one, nobody that is known."""
        return Client(self.address, self.authority, token=token)

    def user(self, name: str, rules: Sequence[dict[str, Any]]) -> Path:
        """A new user who may do what `rules`, of a ClusterRole, allow; gives their kubeconfig."""
        pair = self.layout.clients.issue(name)
        if rules:
            role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": f"user:{name}"}}
            self.apply([role | {"rules": list(rules)}])
            self.bind(name, f"user:{name}")
        kubeconfig = self.layout.kubeconfigs / name
        write_kubeconfig(kubeconfig, self.address, self.authority, [Person(name, pair)])
        return kubeconfig

    def bind(self, user: str, role: str, namespace: str = "") -> None:
        """Give a user the rights of a ClusterRole, or of a Role in a namespace, and wait until they are in force."""
        kind, where = ("Role", f"/namespaces/{namespace}") if namespace else ("ClusterRole", "")
        inside = {"namespace": namespace} if namespace else {}
        binding = {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": f"{user}:{role}", **inside},
            "subjects": [{"kind": "User", "apiGroup": _RBAC, "name": user}],
            "roleRef": {"kind": kind, "apiGroup": _RBAC, "name": role},
        }
        self.apply([binding])
        for rule in self.admin("GET", f"/apis/{_RBAC}/v1{where}/{kind.lower()}s/{role}")["rules"]:
            eventually(functools.partial(self._may, user, _question(rule, namespace)))

    def service_account_token(self, namespace: str, name: str, seconds: int = 3600) -> str:
        """A token of a service account, which is made if it is not there."""
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
        """Create objects or change them to what is given, with their status; gives them as they are in the cluster.

        A new Namespace gets its service account `default`, without which it would take no pods. Waits for kinds whose
        definition has just been applied. Raises Refused.
        """
        return [self._apply(thing) for thing in objects]

    def path(self, thing: dict[str, Any]) -> str:
        """Where the API has an object, by its kind, namespace and name. Raises LookupError for an unknown kind."""
        return self._place(thing)[0]

    def delete(self, thing: dict[str, Any]) -> None:
        """Remove an object that is there."""
        self.admin("DELETE", self.path(thing), {"propagationPolicy": "Background", "gracePeriodSeconds": 0})

    def remove_namespace(self, name: str) -> None:
        """Remove a namespace with all that is in it."""
        path = f"/api/v1/namespaces/{name}"
        self.admin("DELETE", path)
        for resources in self._collections():
            self._empty(resources.format(namespace=name))
        document = self.admin("GET", path)
        document["spec"]["finalizers"] = []
        self.admin("PUT", f"{path}/finalize", document)

    def compact(self) -> None:
        """Let etcd forget what is not in force any more, so that no list that was begun can be continued.

        Nor by other tests: for a cluster of one's own.
        """
        address = self.layout.storage_address.read_text(encoding="utf-8")
        etcd = Client(address, self.layout.storage.pair.certificate, self.layout.pair("kube-apiserver-etcd-client"))
        revision = etcd("POST", "/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        etcd("POST", "/v3/kv/compaction", {"revision": revision, "physical": True})

    def _apply(self, thing: dict[str, Any]) -> dict[str, Any]:
        path, resource = eventually(lambda: self._place(thing), LookupError)
        query = "fieldManager=tests&force=true"
        applied: dict[str, Any] = self.admin("PATCH", f"{path}?{query}", thing, sent="application/apply-patch+yaml")
        if "status" in thing and f"{resource}/status" in self._resources(thing["apiVersion"]):
            status = {key: thing[key] for key in ("apiVersion", "kind", "status")}
            status["metadata"] = {
                key: thing["metadata"][key] for key in ("name", "namespace") if key in thing["metadata"]
            }
            applied = self.admin("PATCH", f"{path}/status?{query}", status, sent="application/apply-patch+yaml")
        if thing["kind"] == "Namespace":
            where = {"name": "default", "namespace": thing["metadata"]["name"]}
            self._apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where})
        return applied

    def _place(self, thing: dict[str, Any]) -> tuple[str, str]:
        """(the path of an object, its resource)."""
        version, kind, metadata = thing["apiVersion"], thing["kind"], thing["metadata"]
        for name, resource in self._resources(version).items():
            if resource["kind"] == kind and "/" not in name:
                inside = f"/namespaces/{metadata.get('namespace', 'default')}" if resource["namespaced"] else ""
                return f"{_root(version)}{inside}/{name}/{metadata['name']}", name
        raise LookupError(f"the API server knows no {kind} of {version}")

    def _resources(self, version: str) -> dict[str, dict[str, Any]]:
        try:
            return {found["name"]: found for found in self.admin("GET", _root(version))["resources"]}
        except Refused as refused:
            if refused.code in {http.client.NOT_FOUND, http.client.SERVICE_UNAVAILABLE}:
                return {}
            raise

    def _collections(self) -> list[str]:
        """Paths of all that can be in a namespace, of every group that answers, with its {namespace} to fill in."""
        asked = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        answers = [msgspec.json.decode(self.admin.text("GET", path, accept=asked)) for path in ("/api", "/apis")]
        paths: dict[tuple[str, str], str] = {}
        for group in (group for answer in answers for group in answer["items"]):
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                root = _root(f"{name}/{version['version']}" if name else version["version"])
                for resource in version.get("resources", ()):
                    if resource["scope"] == "Namespaced" and {"list", "delete"} <= set(resource["verbs"]):
                        # What is served in several versions is emptied once.
                        one = f"{root}/namespaces/{{namespace}}/{resource['resource']}"
                        paths.setdefault((name, resource["resource"]), one)
        return [*paths.values()]

    def _empty(self, path: str) -> None:
        try:
            items = self.admin("GET", path)["items"]
        except Refused as refused:
            # A kind whose definition has just gone is among what is served for a moment yet.
            if refused.code != http.client.NOT_FOUND:
                raise
            return
        for found in items:
            one = f"{path}/{found['metadata']['name']}"
            if found["metadata"].get("finalizers"):
                self.admin("PATCH", one, {"metadata": {"finalizers": None}}, sent=_MERGE)
            self.admin("DELETE", one, {"propagationPolicy": "Background", "gracePeriodSeconds": 0})

    def _may(self, user: str, asked: dict[str, Any]) -> bool:
        review = {
            "kind": "SubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"user": user} | asked,
        }
        answer = self.admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])


def eventually(look: Callable[[], T | None], *errors: type[Exception]) -> T:
    """What `look` gives as soon as that is something, and it raises none of `errors`: what is applied is not yet in force.

    Raises what it raised last, or TimeoutError.
    """
    until = time.monotonic() + _SECONDS
    while True:
        try:
            if found := look():
                return found
        except errors:
            if time.monotonic() > until:
                raise
        if time.monotonic() > until:
            raise TimeoutError(f"not so after {_SECONDS} s")
        time.sleep(0.02)


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _question(rule: dict[str, Any], namespace: str) -> dict[str, Any]:
    """One thing that a rule allows, as an access review asks for it."""
    verb = rule["verbs"][0]
    if paths := rule.get("nonResourceURLs"):
        return {"nonResourceAttributes": {"path": paths[0].replace("*", "/"), "verb": verb}}
    resource, _, subresource = rule["resources"][0].partition("/")
    named = {"name": rule["resourceNames"][0]} if rule.get("resourceNames") else {}
    asked = {"group": rule["apiGroups"][0], "resource": resource, "subresource": subresource, "verb": verb}
    return {"resourceAttributes": asked | named | ({"namespace": namespace} if namespace else {})}
