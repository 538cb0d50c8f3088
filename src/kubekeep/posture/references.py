"""References of objects in files that cannot be checked: what an object refers to may be created elsewhere.

A folder, chart or kustomization that has no object of a kind does not show that one of this kind is missing. Not for
clusters, which list all objects. Never evaluates a rule.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
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
        self._referring: defaultdict[tuple[str, str, str], set[_Application]] = defaultdict(set)
        """Applications that contain a referring object, by its kind, namespace and name."""

    def add(self, resource: Resource) -> None:
        """Record a resource of the input."""
        if resource.kind == _ACCOUNT:
            self._kinds.add((_find_account_scope(resource), resource.kind, resource.namespace_or_default))
        elif resource.kind in _REFERENCED:
            self._kinds.add((_find_application(resource), resource.kind, resource.namespace_or_default))
        elif resource.kind in _REFERENCES:
            self._add_referring(resource, _find_application(resource))

    def add_workload(self, resource: Resource) -> None:
        """Record a resource with pods, which refer to a service account."""
        self._add_referring(resource, _find_account_scope(resource))

    def _add_referring(self, resource: Resource, application: _Application) -> None:
        key = resource.kind, resource.namespace_or_default, resource.name
        self._referring[key].add(application)

    def build(self) -> dict[str, Any]:
        """Return why a reference of an object cannot be checked: by kind of the reference, namespace, and `Kind/name`.

        If several applications have an object of this name, each must have the kind.
        """
        reasons: dict[str, dict[str, dict[str, str]]] = {}
        for (kind, namespace, name), applications in self._referring.items():
            for referenced in _REFERENCES.get(kind, (_ACCOUNT,)):
                reason = ""
                if namespace in _SYSTEM_NAMESPACES:
                    reason = f"the cluster has objects in namespace {namespace} that are not in the input"
                elif any((application, referenced, namespace) not in self._kinds for application in applications):
                    reason = f"no {referenced} of namespace {namespace} is beside the {kind} in the input"
                if reason:
                    reasons.setdefault(referenced, {}).setdefault(namespace, {})[f"{kind}/{name}"] = reason
        return reasons


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
