"""Services that receive traffic from outside the cluster, with their Ingresses and routes.

Converts Ingresses, Gateway API routes, OpenShift Routes and Istio VirtualServices to one form that rules look up by
Service. Never evaluates a rule.
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
"""The gateway name of all pods of the mesh; the default if no gateway is named (Istio docs, VirtualService)."""


class Route(msgspec.Struct, frozen=True):
    """An object that sends traffic from outside the cluster to a Service."""

    kind: str
    namespace: str
    name: str


class Backend(msgspec.Struct, frozen=True):
    """A Service that a route names.

    `port` is the number or name of a Service port, None if the route names none. A `weight` of 0 gets no traffic.
    """

    namespace: str
    name: str
    port: int | str | None = None
    weight: int = 1


def index_routes(objects: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]) -> dict[str, dict[str, list[Route]]]:
    """Return the routes to each Service, by namespace and Service; `objects` are by kind and namespace.

    Routes used only by pods of the cluster are left out: VirtualServices of the mesh, and Gateway API routes with
    parents of which none is a Gateway. A route without any parent is kept, as its manifest may be incomplete.
    """
    by_service: dict[str, dict[str, dict[Route, None]]] = {}
    for kind in ROUTES:
        for namespace, contents in objects.get(kind, {}).items():
            for content in contents:
                route = Route(Resource(content).kind, namespace, Resource(content).name)
                for backend in list_backends(kind, content, namespace):
                    by_service.setdefault(backend.namespace, {}).setdefault(backend.name, {})[route] = None
    return {namespace: {name: [*routes] for name, routes in names.items()} for namespace, names in by_service.items()}


def list_backends(kind: str, content: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    """Yield the Services to which an object of `kind` in `namespace` sends traffic from outside."""
    return _READERS[kind](as_mapping(content.get("spec")), namespace)


def _read_ingress(spec: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    """Yield the backends, also in the form of `extensions/v1beta1`; backends other than Services have no `service`."""
    paths = [
        path
        for rule in _list_mappings(spec.get("rules"))
        for path in _list_mappings(as_mapping(rule.get("http")).get("paths"))
    ]
    for backend in (spec.get("defaultBackend"), spec.get("backend"), *(path.get("backend") for path in paths)):
        service = as_mapping(as_mapping(backend).get("service"))
        port = as_mapping(service.get("port"))
        name = service.get("name") or as_mapping(backend).get("serviceName")
        if name:
            value = port.get("number") or port.get("name") or as_mapping(backend).get("servicePort")
            yield Backend(namespace, str(name), _read_port(value))


def _read_gateway_route(spec: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    parents = _list_mappings(spec.get("parentRefs"))
    if parents and all((parent.get("kind") or "Gateway") != "Gateway" for parent in parents):
        return
    for rule in _list_mappings(spec.get("rules")):
        for backend in _list_mappings(rule.get("backendRefs")):
            if not backend.get("group") and (backend.get("kind") or "Service") == "Service":
                backend_namespace = str(backend.get("namespace") or namespace)
                yield Backend(
                    backend_namespace, str(backend.get("name")), _read_port(backend.get("port")), _read_weight(backend)
                )


def _read_virtual_service(spec: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    gateways = spec.get("gateways")
    for rule in (rule for protocol in ("http", "tls", "tcp") for rule in _list_mappings(spec.get(protocol))):
        matches = _list_mappings(rule.get("match")) or [{}]
        if any(_has_gateway(match.get("gateways") or gateways) for match in matches):
            for route in _list_mappings(rule.get("route")):
                destination = as_mapping(route.get("destination"))
                port = _read_port(as_mapping(destination.get("port")).get("number"))
                yield from _resolve_host(str(destination.get("host") or ""), namespace, port)


def _read_openshift_route(spec: Mapping[str, Any], namespace: str) -> Iterator[Backend]:
    for backend in (as_mapping(spec.get("to")), *_list_mappings(spec.get("alternateBackends"))):
        if backend.get("name") and (backend.get("kind") or "Service") == "Service":
            yield Backend(namespace, str(backend["name"]), weight=_read_weight(backend))


def _has_gateway(gateways: Any) -> bool:
    return isinstance(gateways, list) and any(gateway != _MESH for gateway in gateways)


def _resolve_host(host: str, namespace: str, port: int | str | None) -> Iterator[Backend]:
    """Yield the Service of a host: `web`, `web.shop` or `web.shop.svc.cluster.local`."""
    match host.split("."):
        case [name] if name:
            yield Backend(namespace, name, port)
        case [name, where] | [name, where, "svc", *_]:
            yield Backend(where, name, port)


def _read_port(value: Any) -> int | str | None:
    return value if isinstance(value, int | str) else None


def _read_weight(backend: Mapping[str, Any]) -> int:
    """Return the weight, 1 by default (API references of the Gateway API and of OpenShift's Routes)."""
    weight = backend.get("weight")
    return weight if isinstance(weight, int) else 1


def _list_mappings(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Iterator[Backend]]]] = {
    INGRESS: _read_ingress,
    **dict.fromkeys(GATEWAY_ROUTES, _read_gateway_route),
    VIRTUAL_SERVICE: _read_virtual_service,
    OPENSHIFT_ROUTE: _read_openshift_route,
}
ROUTES: Final = tuple(_READERS)
"""The kinds of routes."""
