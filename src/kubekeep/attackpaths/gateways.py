"""Gateway API routes reachable from outside, and the namespaces they may send traffic to.

A Gateway in the input decides if it accepts a route; a Gateway outside the input is assumed to accept it. A
ReferenceGrant exists only if it is in the input (Gateway API, Route attachment and ReferenceGrant).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.attackpaths.internal_network import is_internal_gateway
from kubekeep.attackpaths.objects import Objects, PlacedResource
from kubekeep.model.json_values import as_list, as_mapping

_GROUP: Final = "gateway.networking.k8s.io"
_HTTP_ROUTES: Final = ("GRPCRoute", "HTTPRoute")
_KINDS_BY_PROTOCOL: Final[Mapping[str, tuple[str, ...]]] = {
    "HTTP": _HTTP_ROUTES,
    "HTTPS": _HTTP_ROUTES,
    "TCP": ("TCPRoute",),
    "TLS": ("TCPRoute", "TLSRoute"),
    "UDP": ("UDPRoute",),
}
"""Kinds of routes that listeners accept by default, by protocol; listeners of other protocols accept any."""


class Gateways:
    """The Gateways and ReferenceGrants of an input."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def find_assumption(self, route: PlacedResource) -> str | None:
        """Return the assumption under which `route` is reachable: empty if none, None if no Gateway accepts it.

        A route without a Gateway among its parents counts as reachable, as its manifest may be incomplete.
        """
        parents = [parent for parent in map(as_mapping, as_list(route.spec.get("parentRefs"))) if _is_gateway(parent)]
        if not parents:
            return ""
        return min(
            (text for parent in parents for text in self._list_assumptions(parent, route)), key=len, default=None
        )

    def may_send(self, route: PlacedResource, namespace: str, service: str) -> bool:
        """Return True if `route` may send traffic to a Service; another namespace needs a ReferenceGrant."""
        return namespace == route.namespace or any(
            _grants(grant.spec, route, service)
            for grant in self._objects.list_kind("ReferenceGrant")
            if grant.namespace == namespace
        )

    def _list_assumptions(self, parent: Mapping[str, Any], route: PlacedResource) -> Iterator[str]:
        """Yield the assumption for each listener that accepts `route`."""
        key = (str(parent.get("namespace") or route.namespace), str(parent.get("name")))
        gateways = self._objects.gateways.get(key)
        if gateways is None:
            yield ""
        for gateway in gateways or ():
            if is_internal_gateway(gateway):
                continue
            listeners = [as_mapping(listener) for listener in as_list(gateway.spec.get("listeners"))]
            if not listeners:
                yield ""
            for listener in listeners:
                if (
                    _includes_listener(listener, parent)
                    and _accepts_kind(listener, route)
                    and _shares_host(listener, route)
                ):
                    yield from self._check_namespace(listener, gateway, route)

    def _check_namespace(
        self, listener: Mapping[str, Any], gateway: PlacedResource, route: PlacedResource
    ) -> Iterator[str]:
        namespaces = as_mapping(as_mapping(listener.get("allowedRoutes")).get("namespaces"))
        mode = namespaces.get("from") or "Same"
        if mode == "All" or (mode == "Same" and route.namespace == gateway.namespace):
            yield ""
        elif mode == "Selector":
            is_selected = self._objects.is_selected(as_mapping(namespaces.get("selector")), route.namespace)
            if is_selected is None:
                yield f"namespace {route.namespace} has the labels that {gateway.label} requires"
            elif is_selected:
                yield ""


def _is_gateway(parent: Mapping[str, Any]) -> bool:
    return (parent.get("kind") or "Gateway") == "Gateway" and parent.get("group", _GROUP) == _GROUP


def _includes_listener(listener: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
    """Return True if the parent reference of a route includes `listener`."""
    pairs = ((parent.get("sectionName"), listener.get("name")), (parent.get("port"), listener.get("port")))
    return all(expected is None or expected == actual for expected, actual in pairs)


def _accepts_kind(listener: Mapping[str, Any], route: PlacedResource) -> bool:
    """Return True if a listener accepts routes of the kind of `route`."""
    kinds = [as_mapping(kind) for kind in as_list(as_mapping(listener.get("allowedRoutes")).get("kinds"))]
    if kinds:
        return any(kind.get("kind") == route.kind and kind.get("group", _GROUP) == _GROUP for kind in kinds)
    return route.kind in _KINDS_BY_PROTOCOL.get(str(listener.get("protocol")), (route.kind,))


def _shares_host(listener: Mapping[str, Any], route: PlacedResource) -> bool:
    """Return True if listener and route have a host in common; one without host names is for all hosts."""
    host, hosts = listener.get("hostname"), [str(name) for name in as_list(route.spec.get("hostnames"))]
    return not host or not hosts or any(_intersect(str(host).lower(), name.lower()) for name in hosts)


def _intersect(one: str, other: str) -> bool:
    """Return True if two hosts overlap; a leading `*` matches one or more labels."""
    return one == other or any(
        wild.startswith("*.") and plain.removeprefix("*").endswith(wild[1:])
        for wild, plain in ((one, other), (other, one))
    )


def _grants(grant: Mapping[str, Any], route: PlacedResource, service: str) -> bool:
    sources = map(as_mapping, as_list(grant.get("from")))
    targets = map(as_mapping, as_list(grant.get("to")))
    return any(
        (source.get("group"), source.get("kind"), source.get("namespace")) == (_GROUP, route.kind, route.namespace)
        for source in sources
    ) and any(
        not target.get("group") and target.get("kind") == "Service" and target.get("name") in (None, "", service)
        for target in targets
    )
