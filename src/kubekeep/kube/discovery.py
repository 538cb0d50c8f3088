"""The version of an API server, the groups and kinds it serves, and their schemas (Kubernetes docs, API discovery).

Uses aggregated discovery (two requests) and falls back to one request for each group. A group that cannot be read is
reported by name: its kinds are unknown, not absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

import msgspec

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.errors import FORBIDDEN, NOT_FOUND, ApiError, ConnectionLostError, KubeError
from kubekeep.kube.responses import JSON
from kubekeep.model.json_values import as_list
from kubekeep.model.struct_types import prepare_types
from kubekeep.model.text import visible

_AGGREGATED: Final = ",".join(
    [*(f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")), JSON]
)
_PARALLEL: Final = 8
_CORE: Final = ""

T = TypeVar("T")


class ApiResource(msgspec.Struct, frozen=True, kw_only=True):
    """One kind served by a cluster, in the version preferred by the server."""

    group: str
    version: str
    kind: str
    plural: str
    is_namespaced: bool
    verbs: frozenset[str]

    @property
    def api_version(self) -> str:
        """The apiVersion: `apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """The qualified name: `deployments.apps`, or `pods` for the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def build_path(self, namespace: str = "", name: str = "") -> str:
        """Return the URL path of the objects of one namespace or of all, or of the object called `name`."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        # Quoting keeps a namespace or name with slashes inside this path.
        namespace_part = f"/namespaces/{quote(namespace, safe='')}" if namespace and self.is_namespaced else ""
        name_part = f"/{quote(name, safe='')}" if name else ""
        return f"{root}{namespace_part}/{self.plural}{name_part}"


class Catalogue(msgspec.Struct, frozen=True):
    """All kinds that are served and can be listed. `failed` holds the reason for each group that could not be read."""

    kinds: tuple[ApiResource, ...]
    failed: Mapping[str, str] = {}

    def find(self, group: str, kind: str) -> ApiResource | None:
        """Return the resource of one kind, or None if it is not served."""
        return next((resource for resource in self.kinds if resource.group == group and resource.kind == kind), None)


class _ResponseKind(msgspec.Struct, frozen=True):
    kind: str = ""
    group: str = ""


class _DiscoveredResource(msgspec.Struct, frozen=True, rename="camel"):
    resource: str
    scope: str
    response_kind: _ResponseKind | None = None
    verbs: frozenset[str] | None = None


class _DiscoveredVersion(msgspec.Struct, frozen=True):
    version: str
    resources: tuple[_DiscoveredResource, ...] | None = None
    freshness: str = "Current"


class _GroupMetadata(msgspec.Struct, frozen=True):
    name: str = ""


class _DiscoveredGroup(msgspec.Struct, frozen=True):
    metadata: _GroupMetadata = _GroupMetadata()
    versions: tuple[_DiscoveredVersion, ...] | None = None


class _GroupDiscovery(msgspec.Struct, frozen=True):
    items: tuple[_DiscoveredGroup, ...]


class _GroupVersion(msgspec.Struct, frozen=True):
    version: str


class _ApiGroup(msgspec.Struct, frozen=True):
    name: str
    versions: tuple[_GroupVersion, ...] = ()


class _ApiVersions(msgspec.Struct, frozen=True):
    kind: Literal["APIVersions"]
    versions: tuple[str, ...]


class _ApiGroupList(msgspec.Struct, frozen=True):
    kind: Literal["APIGroupList"]
    groups: tuple[_ApiGroup, ...]


class _ApiResource(msgspec.Struct, frozen=True):
    name: str
    kind: str
    namespaced: bool
    verbs: frozenset[str] | None = None


class _ApiResourceList(msgspec.Struct, frozen=True):
    kind: Literal["APIResourceList"]
    resources: tuple[_ApiResource, ...]


def discover(connection: KubeConnection) -> Catalogue:
    """Discover the kinds that the cluster serves. Raises KubeError if discovery fails altogether."""
    failed: dict[str, str] = {}
    core = list(_discover_path(connection, "/api", failed))
    if not core and _CORE not in failed:
        # Every API server has namespaces: the response came from something else.
        raise _create_discovery_error("the core group is missing")
    return Catalogue((*core, *_discover_path(connection, "/apis", failed)), failed)


def _discover_path(connection: KubeConnection, path: str, failed: dict[str, str]) -> Iterator[ApiResource]:
    """Yield the resources served below `path`."""
    document = connection.get(path, dict[str, Any], accept=_AGGREGATED)
    if document.get("kind") == "APIGroupDiscoveryList":
        yield from _read_aggregated(_convert(document, _GroupDiscovery).items, failed)
    elif path == "/api":
        versions = _convert(document, _ApiVersions).versions
        yield from _discover_groups(connection, [_ApiGroup(_CORE, tuple(map(_GroupVersion, versions)))], failed)
    else:
        yield from _discover_groups(connection, _convert(document, _ApiGroupList).groups, failed)


def _read_aggregated(groups: Iterable[_DiscoveredGroup], failed: dict[str, str]) -> Iterator[ApiResource]:
    for group in groups:
        name = group.metadata.name
        versions = group.versions or ()
        if any(version.freshness != "Current" for version in versions):
            # The server returns a cached document of a group because its own API server is down.
            failed[name] = "its API server does not respond"
        yield from _select_preferred(
            ApiResource(
                group=name,
                version=version.version,
                kind=resource.response_kind.kind,
                plural=resource.resource,
                is_namespaced=resource.scope == "Namespaced",
                verbs=resource.verbs or frozenset(),
            )
            for version in versions
            for resource in version.resources or ()
            if resource.response_kind is not None
        )


def _discover_groups(
    connection: KubeConnection, groups: Iterable[_ApiGroup], failed: dict[str, str]
) -> Iterator[ApiResource]:
    prepare_types()
    # After an error no further group is requested; requests in progress end by the timeouts of the connection.
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool, connection.close_on_error(KubeError):
        for resources, problem, group in pool.map(lambda group: _list_resources(connection, group), groups):
            if problem:
                failed[group.name] = problem
            yield from _select_preferred(resources)


def _list_resources(connection: KubeConnection, group: _ApiGroup) -> tuple[list[ApiResource], str, _ApiGroup]:
    resources: list[ApiResource] = []
    problem = ""
    for version in group.versions:
        path = f"/apis/{group.name}/{version.version}" if group.name else f"/api/{version.version}"
        try:
            members = connection.get(path, _ApiResourceList).resources
        except (ApiError, ConnectionLostError) as error:
            problem = str(error)
            continue
        resources += (
            ApiResource(
                group=group.name,
                version=version.version,
                kind=member.kind,
                plural=member.name,
                is_namespaced=member.namespaced,
                verbs=member.verbs or frozenset(),
            )
            for member in members
            if "/" not in member.name
        )
    return resources, problem, group


def _convert(value: Any, expected: type[T]) -> T:
    try:
        return msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        raise _create_discovery_error(visible(str(error))) from None


def _create_discovery_error(reason: str) -> ConnectionLostError:
    return ConnectionLostError(f"invalid API discovery response: {reason}")


def _select_preferred(kinds: Iterable[ApiResource]) -> Iterator[ApiResource]:
    """Yield each resource once, in the first version that can be listed."""
    plurals: set[str] = set()
    for resource in kinds:
        if "list" in resource.verbs and resource.plural not in plurals:
            plurals.add(resource.plural)
            yield resource


class ServerVersion(msgspec.Struct, frozen=True):
    """The response of `/version`."""

    fields: dict[str, str]

    @property
    def minor_number(self) -> int | None:
        """The number of the minor version; `34+` of managed platforms is 34. None if it is not a number."""
        digits = self.fields.get("minor", "").rstrip("+")
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else None


def get_server_version(connection: KubeConnection) -> ServerVersion:
    """Return the version of the cluster, without fields if reading it is forbidden. Raises KubeError."""
    try:
        fields = connection.get("/version", dict[str, Any])
    except ApiError as error:
        if error.status != FORBIDDEN:
            raise
        return ServerVersion({})
    return ServerVersion({str(key): value for key, value in fields.items() if isinstance(value, str)})


_KINDS: Final = "x-kubernetes-group-version-kind"


class _SchemaComponents(msgspec.Struct, frozen=True):
    schemas: dict[str, dict[str, Any]] = {}


class _OpenApiDocument(msgspec.Struct, frozen=True):
    components: _SchemaComponents = _SchemaComponents()


class PublishedSchemas:
    """OpenAPI v3 schemas of a cluster, readable by every user (Kubernetes docs, OpenAPI V3); cached per group version."""

    def __init__(self, connection: KubeConnection) -> None:
        self._connection = connection
        self._documents: dict[str, _OpenApiDocument] = {}

    def get(self, served: ApiResource) -> dict[str, Any] | None:
        """Return the published schema of a kind, or None. Raises KubeError."""
        kind = {"group": served.group, "version": served.version, "kind": served.kind}
        document = self._get_document(served.api_version)
        return next((schema for schema in document.components.schemas.values() if kind in _list_kinds(schema)), None)

    def _get_document(self, api_version: str) -> _OpenApiDocument:
        if api_version not in self._documents:
            try:
                self._documents[api_version] = self._connection.get(f"/openapi/v3/apis/{api_version}", _OpenApiDocument)
            except ApiError as error:
                if error.status != NOT_FOUND:
                    raise
                self._documents[api_version] = _OpenApiDocument()
        return self._documents[api_version]


def _list_kinds(schema: dict[str, Any]) -> list[Any]:
    return as_list(schema.get(_KINDS))
