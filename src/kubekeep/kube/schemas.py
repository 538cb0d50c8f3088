"""The schemas that an API server publishes of what it serves (Kubernetes docs, OpenAPI V3): everybody may read those.

Asks once for each version of a group; keeps the documents while it lives.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubekeep.kube.connection import Connection
from kubekeep.kube.discovery import Served
from kubekeep.kube.errors import ApiError
from kubekeep.model.json_values import as_list

_NOT_FOUND: Final = 404
_KINDS: Final = "x-kubernetes-group-version-kind"


class _Components(msgspec.Struct, frozen=True):
    schemas: dict[str, dict[str, Any]] = {}


class _Document(msgspec.Struct, frozen=True):
    components: _Components = _Components()


class Schemas:
    """The schemas of a cluster."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, _Document] = {}

    def of(self, served: Served) -> dict[str, Any] | None:
        """The schema of a kind as it is published; None if it is not. Raises KubeError."""
        own = {"group": served.group, "version": served.version, "kind": served.kind}
        document = self._document(served.api_version)
        return next((schema for schema in document.components.schemas.values() if own in _kinds(schema)), None)

    def _document(self, api_version: str) -> _Document:
        if api_version not in self._known:
            try:
                self._known[api_version] = self._connection.get(f"/openapi/v3/apis/{api_version}", _Document)
            except ApiError as error:
                if error.status != _NOT_FOUND:
                    raise
                self._known[api_version] = _Document()
        return self._known[api_version]


def _kinds(schema: dict[str, Any]) -> list[Any]:
    return as_list(schema.get(_KINDS))
