"""References of objects in files that cannot be checked: what an object refers to may be created elsewhere.

A folder, chart or kustomization that has no object of a kind does not show that one of this kind is missing. Not for
clusters, which list all objects. Never evaluates a rule.
"""

from __future__ import annotations

import posixpath
from typing import Any, Final

from kubekeep.model.resource import Resource
from kubekeep.posture.routes import GATEWAY_ROUTES, INGRESS

_SCALED: Final = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")
_REFERENCES: Final = {
    **dict.fromkeys((INGRESS, *GATEWAY_ROUTES), ("Service",)),
    "HorizontalPodAutoscaler": _SCALED,
}
"""Kinds that an object refers to by name, by its kind."""
_ACCOUNT: Final = "ServiceAccount"
_REFERENCED: Final = frozenset({"Service", _ACCOUNT, *_SCALED})
_SYSTEM_NAMESPACES: Final = frozenset({"kube-node-lease", "kube-public", "kube-system"})
"""Namespaces that a cluster creates, with objects of its distribution and of its add-ons."""

_Application = tuple[str, str]
"""The folder of a scan, and the folder, chart or kustomization below it."""


class References:
    """Kinds of the objects of each application and namespace, and the objects that refer to some."""

    def __init__(self) -> None:
        self._kinds: set[tuple[_Application, str, str]] = set()
        """Kind and namespace of the objects of each application."""
        self._referring: dict[tuple[str, str, str], tuple[_Application, ...]] = {}
        """Applications that contain a referring object, by its kind, namespace and name."""
        self._alone: dict[_Application, tuple[_Application, ...]] = {}
        """Each application as the only one of an object: most objects share one of these values."""

    def add(self, resource: Resource) -> None:
        """Record a resource of the input."""
        if resource.kind == _ACCOUNT:
            self._kinds.add((_find_account_scope(resource), resource.kind, resource.namespace_or_default))
        elif resource.kind in _REFERENCED:
            self._kinds.add((_find_application(resource), resource.kind, resource.namespace_or_default))
        elif resource.kind in _REFERENCES:
            self._add_referring(resource, _find_application(resource))

    def add_workload(self, resource: Resource) -> None:
        """Record a resource whose pods name a service account."""
        self._add_referring(resource, _find_account_scope(resource))

    def _add_referring(self, resource: Resource, application: _Application) -> None:
        key = resource.kind, resource.namespace_or_default, resource.name
        alone = self._alone.setdefault(application, (application,))
        present = self._referring.setdefault(key, alone)
        if application not in present:
            self._referring[key] = present + alone

    def build(self) -> dict[str, Any]:
        """Return why a reference of an object cannot be checked: by kind of the reference, namespace, and `Kind/name`.

        If several applications have an object of this name, each must have the kind. Namespaces without any service account
        of the input are left out: rules do not look for one there.
        """
        with_accounts = {namespace for _, kind, namespace in self._kinds if kind == _ACCOUNT}
        reasons: dict[str, dict[str, dict[str, str]]] = {}
        for (kind, namespace, name), applications in self._referring.items():
            for referenced in _REFERENCES.get(kind, (_ACCOUNT,)):
                if referenced == _ACCOUNT and namespace not in with_accounts:
                    continue
                reason = self._explain(kind, referenced, namespace, applications)
                if reason:
                    reasons.setdefault(referenced, {}).setdefault(namespace, {})[f"{kind}/{name}"] = reason
        return reasons

    def _explain(self, kind: str, referenced: str, namespace: str, applications: tuple[_Application, ...]) -> str:
        """Return why a reference of an object of these applications cannot be checked; empty if it can."""
        if namespace in _SYSTEM_NAMESPACES:
            return f"the cluster has objects in namespace {namespace} that are not in the input"
        if any((application, referenced, namespace) not in self._kinds for application in applications):
            return f"no {referenced} of namespace {namespace} is beside the {kind} in the input"
        return ""


def _find_application(resource: Resource) -> _Application:
    """Return the chart, kustomization or folder of a resource; objects without a file belong together."""
    source = resource.source
    if source is None:
        return "", ""
    return source.base, posixpath.dirname(source.path) if source.origin is None else source.origin.folder


def _find_account_scope(resource: Resource) -> _Application:
    """Return the application of an account or workload; all that state their namespace belong together.

    An account is used by the applications of its namespace, unlike a Service behind an Ingress.
    """
    return ("", "") if resource.namespace else _find_application(resource)
