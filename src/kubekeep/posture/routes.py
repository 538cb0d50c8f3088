"""Which Services traffic from outside the cluster is sent to, and by which Ingress or route.

Brings Ingress, Gateway API routes, OpenShift's Routes and Istio's VirtualServices into one form that rules look up
by Service; never judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import Resource

INGRESS: Final = "Ingress"
GATEWAY_ROUTES: Final = ("GRPCRoute", "HTTPRoute", "TCPRoute", "TLSRoute", "UDPRoute")
VIRTUAL_SERVICE: Final = "networking.istio.io/VirtualService"
OPENSHIFT_ROUTE: Final = "route.openshift.io/Route"

_MESH: Final = "mesh"
"""The gateway that stands for all pods of the mesh; the only one where none is named (Istio docs, VirtualService)."""


class Route(msgspec.Struct, frozen=True):
    """An object that sends traffic from outside the cluster to a Service."""

    kind: str
    namespace: str
    name: str


class Backend(msgspec.Struct, frozen=True):
    """A Service that a route names.

    `port` is the number or the name of one of its ports, None where the route tells none. Without a `weight` it gets no
    traffic.
    """

    namespace: str
    name: str
    port: int | str | None = None
    weight: int = 1


def routed(objects: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]) -> dict[str, dict[str, list[Route]]]:
    """Namespace to Service to the routes that send traffic to it; `objects` are by kind and namespace.

    Routes that only pods of the cluster take are left out: VirtualServices of the mesh, and routes of the
    Gateway API whose parents are all something else than Gateways. One without any parent is taken for unfinished.
    """
    found: dict[str, dict[str, dict[Route, None]]] = {}
    for kind in ROUTES:
        for namespace, items in objects.get(kind, {}).items():
            for item in items:
                route = Route(Resource(item).kind, namespace, Resource(item).name)
                for backend in backends(kind, item, namespace):
                    found.setdefault(backend.namespace, {}).setdefault(backend.name, {})[route] = None
    return {namespace: {name: [*routes] for name, routes in names.items()} for namespace, names in found.items()}


def backends(kind: str, item: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    """The Services that `item`, an object of `kind` in `namespace`, sends traffic from outside to."""
    return _READERS[kind](as_mapping(item.get("spec")), namespace)


def _ingress(spec: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    """Backends, also as `extensions/v1beta1` wrote them; those that are no Services have no `service`."""
    paths = [
        path for rule in _mappings(spec.get("rules")) for path in _mappings(as_mapping(rule.get("http")).get("paths"))
    ]
    for backend in (spec.get("defaultBackend"), spec.get("backend"), *(path.get("backend") for path in paths)):
        service = as_mapping(as_mapping(backend).get("service"))
        port = as_mapping(service.get("port"))
        name = service.get("name") or as_mapping(backend).get("serviceName")
        if name:
            said = port.get("number") or port.get("name") or as_mapping(backend).get("servicePort")
            yield Backend(namespace, str(name), _port(said))


def _gateway_route(spec: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    parents = _mappings(spec.get("parentRefs"))
    if parents and all((parent.get("kind") or "Gateway") != "Gateway" for parent in parents):
        return
    for rule in _mappings(spec.get("rules")):
        for backend in _mappings(rule.get("backendRefs")):
            if not backend.get("group") and (backend.get("kind") or "Service") == "Service":
                where = str(backend.get("namespace") or namespace)
                yield Backend(where, str(backend.get("name")), _port(backend.get("port")), _weight(backend))


def _virtual_service(spec: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    gateways = spec.get("gateways")
    for rule in (rule for protocol in ("http", "tls", "tcp") for rule in _mappings(spec.get(protocol))):
        matches = _mappings(rule.get("match")) or [{}]
        if any(_from_outside(match.get("gateways") or gateways) for match in matches):
            for route in _mappings(rule.get("route")):
                destination = as_mapping(route.get("destination"))
                port = _port(as_mapping(destination.get("port")).get("number"))
                yield from _host(str(destination.get("host") or ""), namespace, port)


def _openshift_route(spec: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    for backend in (as_mapping(spec.get("to")), *_mappings(spec.get("alternateBackends"))):
        if backend.get("name") and (backend.get("kind") or "Service") == "Service":
            yield Backend(namespace, str(backend["name"]), weight=_weight(backend))


def _from_outside(gateways: Any) -> bool:
    return isinstance(gateways, list) and any(gateway != _MESH for gateway in gateways)


def _host(host: str, namespace: str, port: int | str | None) -> Iterator[Backend]:
    """The Service that a host names: `web`, `web.shop` or `web.shop.svc.cluster.local`."""
    match host.split("."):
        case [name] if name:
            yield Backend(namespace, name, port)
        case [name, where] | [name, where, "svc", *_]:
            yield Backend(where, name, port)


def _port(said: Any) -> int | str | None:
    return said if isinstance(said, int | str) else None


def _weight(backend: Mapping[str, Any]) -> int:
    """One that is not told is 1 (API references of the Gateway API and of OpenShift's Routes)."""
    said = backend.get("weight")
    return said if isinstance(said, int) else 1


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Iterator[Backend]]]] = {
    INGRESS: _ingress,
    **dict.fromkeys(GATEWAY_ROUTES, _gateway_route),
    VIRTUAL_SERVICE: _virtual_service,
    OPENSHIFT_ROUTE: _openshift_route,
}
ROUTES: Final = tuple(_READERS)
"""The kinds of routes."""
