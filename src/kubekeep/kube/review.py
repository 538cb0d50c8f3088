"""Permissions in a cluster, by SelfSubjectAccessReview (authorization.k8s.io/v1). Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.errors import KubeError
from kubekeep.model.cluster import format_permission
from kubekeep.model.struct_types import prepare_types

_PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_PARALLEL: Final = 8


class Permission(msgspec.Struct, frozen=True):
    """One verb on one resource (`nodes`) or subresource (`nodes/proxy`), cluster-wide or in one namespace.

    With a `name`, on the object of this name only.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return the permission as text: `list deployments.apps in namespace shop`."""
        return format_permission(self.verb, self.group, self.resource, self.namespace, self.name)


class _ReviewStatus(msgspec.Struct, frozen=True):
    allowed: bool = False


class _AccessReview(msgspec.Struct, frozen=True):
    status: _ReviewStatus


def review_permissions(connection: KubeConnection, permissions: Iterable[Permission]) -> dict[Permission, bool]:
    """Return for each of `permissions` if the API server grants it, in the order of the argument. Raises KubeError."""
    requested = list(dict.fromkeys(permissions))
    prepare_types()
    # After an error no further review is requested; requests in progress end by the timeouts of the connection.
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool, connection.close_on_error(KubeError):
        return dict(
            zip(requested, pool.map(lambda permission: _is_allowed(connection, permission), requested), strict=True)
        )


def _is_allowed(connection: KubeConnection, permission: Permission) -> bool:
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
    return connection.post(_PATH, body, _AccessReview).status.allowed
