"""What an API server serves: groups, versions and kinds (Kubernetes docs, API discovery).

Asks for the aggregated form, two requests in all, and takes the older form, one request a group, from who has no other.
A group that cannot be had is told by name: its kinds are unknown, which is not the same as absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

import msgspec

from kubekeep.kube.answer import JSON
from kubekeep.kube.connection import Connection
from kubekeep.kube.errors import ApiError, ConnectionLostError, KubeError
from kubekeep.model.text import visible

_AGGREGATED: Final = ",".join(
    [*(f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")), JSON]
)
_PARALLEL: Final = 8
_CORE: Final = ""

T = TypeVar("T")


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One kind as a cluster serves it, in the version that the server prefers."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """`deployments.apps`, or `pods` for the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """Where its objects are: of one namespace, or all of them; or the one of a name."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        # Whatever somebody takes for a namespace or a name leads nowhere else.
        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace and self.namespaced else ""
        one = f"/{quote(name, safe='')}" if name else ""
        return f"{root}{inside}/{self.plural}{one}"


class Catalogue(msgspec.Struct, frozen=True):
    """Everything that is served and can be listed; `failed` says of each group that cannot be had why."""

    kinds: tuple[Served, ...]
    failed: Mapping[str, str] = {}

    def of(self, group: str, kind: str) -> Served | None:
        """How one kind is served; None if it is not."""
        return next((item for item in self.kinds if item.group == group and item.kind == kind), None)


class _Kind(msgspec.Struct, frozen=True):
    kind: str = ""
    group: str = ""


class _Resource(msgspec.Struct, frozen=True, rename="camel"):
    resource: str
    scope: str
    response_kind: _Kind | None = None
    verbs: frozenset[str] | None = None


class _Version(msgspec.Struct, frozen=True):
    version: str
    resources: tuple[_Resource, ...] | None = None
    freshness: str = "Current"


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""


class _Group(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    versions: tuple[_Version, ...] | None = None


class _GroupDiscovery(msgspec.Struct, frozen=True):
    items: tuple[_Group, ...]


class _Named(msgspec.Struct, frozen=True):
    version: str


class _ApiGroup(msgspec.Struct, frozen=True):
    name: str
    versions: tuple[_Named, ...] = ()


class _ApiVersions(msgspec.Struct, frozen=True):
    kind: Literal["APIVersions"]
    versions: tuple[str, ...]


class _ApiGroupList(msgspec.Struct, frozen=True):
    kind: Literal["APIGroupList"]
    groups: tuple[_ApiGroup, ...]


class _Member(msgspec.Struct, frozen=True):
    name: str
    kind: str
    namespaced: bool
    verbs: frozenset[str] | None = None


class _Members(msgspec.Struct, frozen=True):
    kind: Literal["APIResourceList"]
    resources: tuple[_Member, ...]


def discover(connection: Connection) -> Catalogue:
    """What the cluster serves. Raises KubeError if the server cannot be asked at all, or does not say."""
    failed: dict[str, str] = {}
    core = list(_discovered(connection, "/api", failed))
    if not core and _CORE not in failed:
        # No API server is without Namespaces: something else has answered.
        raise _nonsense("nothing of the core group")
    return Catalogue((*core, *_discovered(connection, "/apis", failed)), failed)


def _discovered(connection: Connection, path: str, failed: dict[str, str]) -> Iterator[Served]:
    """What is served below `path`."""
    document = connection.get(path, dict[str, Any], accept=_AGGREGATED)
    if document.get("kind") == "APIGroupDiscoveryList":
        yield from _aggregated(_typed(document, _GroupDiscovery).items, failed)
    elif path == "/api":
        versions = _typed(document, _ApiVersions).versions
        yield from _one_by_one(connection, [_ApiGroup(_CORE, tuple(map(_Named, versions)))], failed)
    else:
        yield from _one_by_one(connection, _typed(document, _ApiGroupList).groups, failed)


def _aggregated(groups: Iterable[_Group], failed: dict[str, str]) -> Iterator[Served]:
    for group in groups:
        name = group.metadata.name
        versions = group.versions or ()
        if any(version.freshness != "Current" for version in versions):
            # The server tells what it remembers of a group whose own server is gone.
            failed[name] = "its API server does not answer"
        yield from _preferred(
            Served(
                group=name,
                version=version.version,
                kind=resource.response_kind.kind,
                plural=resource.resource,
                namespaced=resource.scope == "Namespaced",
                verbs=resource.verbs or frozenset(),
            )
            for version in versions
            for resource in version.resources or ()
            if resource.response_kind is not None
        )


def _one_by_one(connection: Connection, groups: Iterable[_ApiGroup], failed: dict[str, str]) -> Iterator[Served]:
    # After an error the map asks nothing more, and what is under way ends by the patience of the connection.
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool, connection.closed_on_error(KubeError):
        for found, problem, group in pool.map(lambda group: _members(connection, group), groups):
            if problem:
                failed[group.name] = problem
            yield from _preferred(found)


def _members(connection: Connection, group: _ApiGroup) -> tuple[list[Served], str, _ApiGroup]:
    found: list[Served] = []
    problem = ""
    for version in group.versions:
        path = f"/apis/{group.name}/{version.version}" if group.name else f"/api/{version.version}"
        try:
            members = connection.get(path, _Members).resources
        except (ApiError, ConnectionLostError) as error:
            problem = str(error)
            continue
        found += (
            Served(
                group=group.name,
                version=version.version,
                kind=member.kind,
                plural=member.name,
                namespaced=member.namespaced,
                verbs=member.verbs or frozenset(),
            )
            for member in members
            if "/" not in member.name
        )
    return found, problem, group


def _typed(value: Any, wanted: type[T]) -> T:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise _nonsense(visible(str(error))) from None


def _nonsense(why: str) -> ConnectionLostError:
    return ConnectionLostError(f"the API server does not say what it serves: {why}")


def _preferred(kinds: Iterable[Served]) -> Iterator[Served]:
    """Each resource once, in the first version that lets it be listed."""
    known: set[str] = set()
    for item in kinds:
        if "list" in item.verbs and item.plural not in known:
            known.add(item.plural)
            yield item
