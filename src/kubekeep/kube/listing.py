"""Pages of objects of one kind, without duplicates or losses (Kubernetes docs, retrieving large result sets).

Holds one page at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import ApiResource
from kubekeep.kube.errors import FORBIDDEN, GONE, NOT_FOUND, ApiError, ConnectionLostError, UnreadableResponseError
from kubekeep.kube.responses import JSON, TOO_DEEP
from kubekeep.model.json_values import as_mapping
from kubekeep.model.redaction import LAST_APPLIED
from kubekeep.model.resource import is_builtin
from kubekeep.model.text import visible

PAGE_SIZE: Final = 500
_METADATA_LIST: Final = "PartialObjectMetadataList"
_METADATA_ONLY: Final = f"{JSON};as={_METADATA_LIST};g=meta.k8s.io;v=v1"
_MAX_DEPTH: Final = 500
"""Maximum nesting of an object, in levels; manifests stay far below a tenth of it."""
_FREE_FORM: Final = frozenset({"ControllerRevision", "CustomResourceDefinition"})
"""Built-in kinds that, like custom resources, contain arbitrary nested values."""
_MAX_RESTARTS: Final = 5
"""Maximum number of restarts after the server expired the continue token."""
_MAX_EMPTY_PAGES: Final = 300
"""Maximum number of pages without objects.

Servers may fill a page before applying selectors (meta/v1, ListOptions: `limit`), so empty pages occur. 300 pages
correspond to 150,000 objects, more than the supported number of pods of a cluster.
"""
_MAX_PAGES: Final = 2_000
_MAX_OBJECTS: Final = 1_000_000
"""Maximum number of pages and objects of one list. Kubernetes supports 150,000 pods in a cluster."""


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Objects to list: one kind, in one namespace or all, that match the selectors.

    With a `name`, only the object of that name, for users who may get but not list it. `namespace` of a Namespace is its
    own name. With `metadata_only` the server omits everything but the metadata.
    """

    served: ApiResource
    namespace: str = ""
    name: str = ""
    fields: str = ""
    labels: str = ""
    metadata_only: bool = False

    @property
    def verb(self) -> str:
        """The required verb: `get` or `list`."""
        return "get" if self.name else "list"


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    continue_token: str = msgspec.field(default="", name="continue")
    resource_version: str = ""


class _ListPage(msgspec.Struct, frozen=True, rename="camel"):
    kind: str
    metadata: _ListMetadata
    items: list[dict[str, Any]] | None


def _check_length(page: _ListPage, pages: int, objects: int, restarts: int) -> None:
    """Raise ConnectionLostError if the list has more pages, and is longer than a list of any cluster."""
    if page.metadata.continue_token and (pages >= (restarts + 1) * _MAX_PAGES or objects > _MAX_OBJECTS):
        raise ConnectionLostError(f"the API server returned {objects} objects in {pages} pages and has more")


class Listing:
    """Pages of one query; can be iterated once. `resource_version` of the first page is the start of a watch."""

    def __init__(self, connection: KubeConnection, query: ListQuery, page: int = PAGE_SIZE) -> None:
        self.resource_version = ""
        self._connection = connection
        self._query = query
        self._page = page

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """Yield pages of objects with `apiVersion` and `kind` set. Raises KubeError if the list is incomplete."""
        if self._query.name:
            yield from self._get_one()
            return
        seen: set[str] = set()
        continue_token, restarts, repeated, empty, pages = "", 0, 0, 0, 0
        while True:
            try:
                page = self._get_page(continue_token)
            except ApiError as error:
                if error.status != GONE or not continue_token or restarts >= _MAX_RESTARTS:
                    raise
                restarts += 1
                # Some servers continue after the last object with a new resource version; others restart the list.
                continue_token = error.continue_token
                continue
            self.resource_version = self.resource_version or page.metadata.resource_version
            objects = [complete_object(self._query.served, resource) for resource in page.items or ()]
            # Objects recreated under the same name in between have another identity.
            new_objects = list(
                {name: resource for resource in objects if (name := _get_identity(resource)) not in seen}.values()
            )
            seen.update(map(_get_identity, new_objects))
            if new_objects:
                yield new_objects
            repeated += len(objects) - len(new_objects)
            empty += not objects
            if page.metadata.continue_token and (
                page.metadata.continue_token == continue_token or repeated > (restarts + 1) * len(seen)
            ):
                raise ConnectionLostError("the API server returns the same objects repeatedly")
            pages += 1
            _check_length(page, pages, len(seen), restarts)
            # Empty pages are counted in total: pages between them may contain only known objects.
            if empty > (restarts + 1) * _MAX_EMPTY_PAGES:
                raise ConnectionLostError("the API server returns too many pages without objects")
            continue_token = page.metadata.continue_token
            if not continue_token:
                return

    def _get_one(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the object called `name`, if it exists. If `get` is forbidden, it is listed by its name instead."""
        query = self._query
        try:
            resource = self._connection.get(query.served.build_path(query.namespace, query.name), dict[str, Any])
        except ApiError as error:
            if error.status == FORBIDDEN:
                query = msgspec.structs.replace(query, name="", fields=f"metadata.name={query.name}")
                with contextlib.suppress(ApiError):
                    yield from Listing(self._connection, query)
                    return
            if error.status != NOT_FOUND:
                raise
            return
        if resource.get("kind") != query.served.kind:
            raise ConnectionLostError(f"the API server returned another kind than the requested {query.served.kind}")
        yield [complete_object(query.served, resource)]

    def _get_page(self, continue_token: str) -> _ListPage:
        query = self._query
        params = {
            "limit": str(self._page),
            "continue": continue_token,
            "fieldSelector": query.fields,
            "labelSelector": query.labels,
        }
        page = self._connection.get(
            query.served.build_path(query.namespace),
            _ListPage,
            {key: value for key, value in params.items() if value},
            _METADATA_ONLY if query.metadata_only else JSON,
        )
        if not page.kind.endswith("List") or (query.metadata_only and page.kind != _METADATA_LIST):
            expected = _METADATA_LIST if query.metadata_only else "list"
            raise ConnectionLostError(f"the API server returned a {visible(page.kind)} instead of a {expected}")
        return page


def complete_object(served: ApiResource, resource: dict[str, Any]) -> dict[str, Any]:
    """Add `apiVersion` and `kind`, which lists omit, and drop managedFields and the last-applied annotation.

    Raises UnreadableResponseError for an object that is nested too deeply.
    """
    metadata = resource.get("metadata")
    if isinstance(metadata, dict):
        # managedFields is half of many objects, and no control reads it.
        metadata.pop("managedFields", None)
        if isinstance(annotations := metadata.get("annotations"), dict):
            # The annotation repeats the whole object, including the values of Secrets requested as metadata only.
            annotations.pop(LAST_APPLIED, None)
    if (not is_builtin(served.group) or served.kind in _FREE_FORM) and _is_deep(resource):
        raise UnreadableResponseError(TOO_DEEP)
    identifiers = {"apiVersion": served.api_version, "kind": served.kind}
    return identifiers | {key: value for key, value in resource.items() if key not in identifiers}


def _is_deep(value: Any) -> bool:
    """Return True if a value is nested more deeply than later recursive code supports."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner = (element.values() if isinstance(element, dict) else element for element in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _get_identity(resource: dict[str, Any]) -> str:
    metadata = as_mapping(resource.get("metadata"))
    return str(metadata.get("uid") or f"{metadata.get('namespace')}/{metadata.get('name')}")
