"""What one may do in a cluster (authorization.k8s.io/v1, SelfSubjectAccessReview). Asks; changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from kubekeep.kube.connection import Connection
from kubekeep.kube.errors import KubeError
from kubekeep.model.cluster import format_permission

_PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_PARALLEL: Final = 8


class Permission(msgspec.Struct, frozen=True):
    """One verb on one resource (`nodes`) or subresource (`nodes/proxy`), everywhere or in one namespace.

    With a `name`, on the one object of that name.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """`list deployments.apps in namespace shop`."""
        return format_permission(self.verb, self.group, self.resource, self.namespace, self.name)


class _Status(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Status


def allowed(connection: Connection, permissions: Iterable[Permission]) -> dict[Permission, bool]:
    """Which of `permissions` the API server would grant, in the order given. Raises KubeError."""
    asked = list(dict.fromkeys(permissions))
    # After an error the map asks nothing more, and what is under way ends by the patience of the connection.
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool, connection.closed_on_error(KubeError):
        return dict(zip(asked, pool.map(lambda one: _is_allowed(connection, one), asked), strict=True))


def _is_allowed(connection: Connection, permission: Permission) -> bool:
    resource, _, subresource = permission.resource.partition("/")
    attributes = {
        "verb": permission.verb,
        "group": permission.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return connection.post(_PATH, body, _Review).status.allowed
