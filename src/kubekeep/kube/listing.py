"""Objects of one kind, page by page, none twice and none lost (Kubernetes docs, retrieving large results sets in chunks).

Keeps one page at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.kube.answer import JSON, TOO_DEEP
from kubekeep.kube.connection import Connection
from kubekeep.kube.discovery import Served
from kubekeep.kube.errors import FORBIDDEN, ApiError, ConnectionLostError, UnreadableError
from kubekeep.model.json_values import as_mapping
from kubekeep.model.redaction import LAST_APPLIED
from kubekeep.model.resource import is_builtin
from kubekeep.model.text import visible

PAGE: Final = 500
_GONE: Final = 410
_NOT_FOUND: Final = 404
_METADATA_LIST: Final = "PartialObjectMetadataList"
_METADATA_ONLY: Final = f"{JSON};as={_METADATA_LIST};g=meta.k8s.io;v=v1"
_DEEPEST: Final = 500
"""Levels of an object; no manifest has a tenth of them."""
_OPEN: Final = frozenset({"ControllerRevision", "CustomResourceDefinition"})
"""Kinds of Kubernetes whose objects may be nested as whoever makes them likes, as custom ones are."""
_RESTARTS: Final = 5
"""How often a list may begin anew because the server has forgotten where it was."""
_EMPTY: Final = 300
"""How many pages may have nothing in them. A server may fill them before it selects (meta/v1, ListOptions: `limit`), and
so a selector that leaves much out gives some; 150,000 objects, as many as these would hold, are more than the Pods that a
cluster is made for."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to list: the objects of a kind, of one namespace or all, that the selectors take.

    With a `name` it is the one object of that name, for who may get it and not list; a Namespace is in itself. With
    `metadata_only` the server leaves everything else of the objects out.
    """

    served: Served
    namespace: str = ""
    name: str = ""
    fields: str = ""
    labels: str = ""
    metadata_only: bool = False

    @property
    def verb(self) -> str:
        """What has to be allowed."""
        return "get" if self.name else "list"


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    continues: str = msgspec.field(default="", name="continue")
    resource_version: str = ""


class _Page(msgspec.Struct, frozen=True, rename="camel"):
    kind: str
    metadata: _Metadata
    items: list[dict[str, Any]] | None


class Listing:
    """The pages of one query; iterate over it once. `resource_version` is that of the first page, for a watch."""

    def __init__(self, connection: Connection, query: Query, page: int = PAGE) -> None:
        self.resource_version = ""
        self._connection = connection
        self._query = query
        self._page = page

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """The objects, each with its `apiVersion` and `kind`. Raises KubeError where the list ends before its end."""
        if self._query.name:
            yield from self._one()
            return
        seen: set[str] = set()
        continues, restarts, repeated, empty = "", 0, 0, 0
        while True:
            try:
                page = self._get(continues)
            except ApiError as error:
                if error.status != _GONE or not continues or restarts >= _RESTARTS:
                    raise
                restarts += 1
                # A server that can goes on behind the last object, at what is true by now; else from the start.
                continues = error.continues
                continue
            self.resource_version = self.resource_version or page.metadata.resource_version
            items = [named(self._query.served, item) for item in page.items or ()]
            # Objects that were made anew under the same name in between are others.
            fresh = list({name: item for item in items if (name := _identity(item)) not in seen}.values())
            seen.update(map(_identity, fresh))
            if fresh:
                yield fresh
            repeated += len(items) - len(fresh)
            empty += not items
            if page.metadata.continues and (
                page.metadata.continues == continues or repeated > (restarts + 1) * len(seen)
            ):
                raise ConnectionLostError("the API server gives the same objects again and again")
            # All are counted: of pages without an object, those in between may have objects that are known.
            if empty > (restarts + 1) * _EMPTY:
                raise ConnectionLostError("the API server gives pages without objects again and again")
            continues = page.metadata.continues
            if not continues:
                return

    def _one(self) -> Iterator[list[dict[str, Any]]]:
        """The object of the name; nothing where there is none. Who may list need not be allowed to get it."""
        query = self._query
        try:
            item = self._connection.get(query.served.path(query.namespace, query.name), dict[str, Any])
        except ApiError as error:
            if error.status == FORBIDDEN:
                query = msgspec.structs.replace(query, name="", fields=f"metadata.name={query.name}")
                with contextlib.suppress(ApiError):
                    yield from Listing(self._connection, query)
                    return
            if error.status != _NOT_FOUND:
                raise
            return
        if item.get("kind") != query.served.kind:
            raise ConnectionLostError(f"the API server answers no {query.served.kind} where one was asked for")
        yield [named(query.served, item)]

    def _get(self, continues: str) -> _Page:
        query = self._query
        params = {
            "limit": str(self._page),
            "continue": continues,
            "fieldSelector": query.fields,
            "labelSelector": query.labels,
        }
        page = self._connection.get(
            query.served.path(query.namespace),
            _Page,
            {key: value for key, value in params.items() if value},
            _METADATA_ONLY if query.metadata_only else JSON,
        )
        if not page.kind.endswith("List") or (query.metadata_only and page.kind != _METADATA_LIST):
            wanted = _METADATA_LIST if query.metadata_only else "list"
            raise ConnectionLostError(f"the API server answers a {visible(page.kind)} where a {wanted} was asked for")
        return page


def named(served: Served, item: dict[str, Any]) -> dict[str, Any]:
    """An object as a person would get it: lists leave out what all their items have in common.

    Raises UnreadableError for one that is nested too deeply.
    """
    metadata = item.get("metadata")
    if isinstance(metadata, dict):
        # Who wrote which field is half of many objects, and no control asks.
        metadata.pop("managedFields", None)
        if isinstance(annotations := metadata.get("annotations"), dict):
            # The whole object once more, and the values of Secrets though only their metadata was asked for.
            annotations.pop(LAST_APPLIED, None)
    if (not is_builtin(served.group) or served.kind in _OPEN) and _is_deep(item):
        raise UnreadableError(TOO_DEEP)
    called = {"apiVersion": served.api_version, "kind": served.kind}
    return called | {key: value for key, value in item.items() if key not in called}


def _is_deep(value: Any) -> bool:
    """Whether a value is nested more deeply than whoever looks at it further on can follow."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _identity(item: dict[str, Any]) -> str:
    metadata = as_mapping(item.get("metadata"))
    return str(metadata.get("uid") or f"{metadata.get('namespace')}/{metadata.get('name')}")
