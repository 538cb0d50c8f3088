"""Which routes of the Gateway API the outside reaches, and to which other namespaces they may send traffic.

A Gateway that is in the input is asked whether it takes a route in; one that is not is taken to do so. Without a
ReferenceGrant in the input there is none (Gateway API, Route attachment and ReferenceGrant).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.attackpaths.inner import is_inner_gateway
from kubekeep.attackpaths.objects import Item, Objects
from kubekeep.model.json_values import as_list, as_mapping

_GROUP: Final = "gateway.networking.k8s.io"
_WEB: Final = ("GRPCRoute", "HTTPRoute")
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "HTTP": _WEB,
    "HTTPS": _WEB,
    "TCP": ("TCPRoute",),
    "TLS": ("TCPRoute", "TLSRoute"),
    "UDP": ("UDPRoute",),
}
"""The routes that listeners of each protocol take where they name no kinds; those of other protocols may take any."""


class Gateways:
    """The Gateways and ReferenceGrants of an input."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def outward(self, route: Item) -> str | None:
        """What must hold for the outside to reach `route`: empty if nothing; None if none of its Gateways lets it.

        A route without a Gateway among its parents is taken for unfinished, and reached.
        """
        parents = [parent for parent in map(as_mapping, as_list(route.spec.get("parentRefs"))) if _is_gateway(parent)]
        if not parents:
            return ""
        return min((text for parent in parents for text in self._through(parent, route)), key=len, default=None)

    def may_send(self, route: Item, namespace: str, service: str) -> bool:
        """Whether `route` may send traffic to a Service: to one of another namespace only by a grant that is there."""
        return namespace == route.namespace or any(
            _grants(grant.spec, route, service)
            for grant in self._objects.of("ReferenceGrant")
            if grant.namespace == namespace
        )

    def _through(self, parent: Mapping[str, Any], route: Item) -> Iterator[str]:
        """What must hold, for each listener that takes `route` in."""
        place = (str(parent.get("namespace") or route.namespace), str(parent.get("name")))
        found = self._objects.gateways.get(place)
        if found is None:
            yield ""
        for gateway in found or ():
            if is_inner_gateway(gateway):
                continue
            listeners = [as_mapping(item) for item in as_list(gateway.spec.get("listeners"))]
            if not listeners:
                yield ""
            for listener in listeners:
                if _is_meant(listener, parent) and _takes(listener, route) and _shares_host(listener, route):
                    yield from self._from_namespace(listener, gateway, route)

    def _from_namespace(self, listener: Mapping[str, Any], gateway: Item, route: Item) -> Iterator[str]:
        namespaces = as_mapping(as_mapping(listener.get("allowedRoutes")).get("namespaces"))
        said = namespaces.get("from") or "Same"
        if said == "All" or (said == "Same" and route.namespace == gateway.namespace):
            yield ""
        elif said == "Selector":
            takes = self._objects.is_selected(as_mapping(namespaces.get("selector")), route.namespace)
            if takes is None:
                yield f"namespace {route.namespace} has the labels that {gateway.label} asks for"
            elif takes:
                yield ""


def _is_gateway(parent: Mapping[str, Any]) -> bool:
    return (parent.get("kind") or "Gateway") == "Gateway" and parent.get("group", _GROUP) == _GROUP


def _is_meant(listener: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
    """Whether a route that names `parent` wants to be attached to `listener`."""
    pairs = ((parent.get("sectionName"), listener.get("name")), (parent.get("port"), listener.get("port")))
    return all(wanted is None or wanted == there for wanted, there in pairs)


def _takes(listener: Mapping[str, Any], route: Item) -> bool:
    """Whether a listener takes routes of that kind."""
    listed = [as_mapping(item) for item in as_list(as_mapping(listener.get("allowedRoutes")).get("kinds"))]
    if listed:
        return any(item.get("kind") == route.kind and item.get("group", _GROUP) == _GROUP for item in listed)
    return route.kind in _KINDS.get(str(listener.get("protocol")), (route.kind,))


def _shares_host(listener: Mapping[str, Any], route: Item) -> bool:
    """Whether some host is both the listener's and the route's; those that name none have all."""
    host, hosts = listener.get("hostname"), [str(item) for item in as_list(route.spec.get("hostnames"))]
    return not host or not hosts or any(_meet(str(host).lower(), item.lower()) for item in hosts)


def _meet(one: str, other: str) -> bool:
    """Whether two hosts, of which a `*` in front stands for one label or more, have a host in common."""
    return one == other or any(
        wild.startswith("*.") and plain.removeprefix("*").endswith(wild[1:])
        for wild, plain in ((one, other), (other, one))
    )


def _grants(grant: Mapping[str, Any], route: Item, service: str) -> bool:
    sources = map(as_mapping, as_list(grant.get("from")))
    targets = map(as_mapping, as_list(grant.get("to")))
    return any(
        (item.get("group"), item.get("kind"), item.get("namespace")) == (_GROUP, route.kind, route.namespace)
        for item in sources
    ) and any(
        not item.get("group") and item.get("kind") == "Service" and item.get("name") in (None, "", service)
        for item in targets
    )
