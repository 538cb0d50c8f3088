"""Who outside the cluster reaches which workload: Services, Ingresses, routes, and ports of nodes.

What only an internal network reaches is left out. Whether a program that is reached can be broken is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kubekeep.assess.attack import cited
from kubekeep.assess.attack.admits import Approach, Policies, Ports, reaches_public
from kubekeep.assess.attack.graph import Draft, Graph
from kubekeep.assess.attack.objects import Item, Objects, Workload, few
from kubekeep.assess.routes import GATEWAY_ROUTES, INGRESS, OPENSHIFT_ROUTE, VIRTUAL_SERVICE, Route, routed
from kubekeep.assess.shapes import mapping, sequence
from kubekeep.model.attack import EdgeKind, Node, NodeKind

INTERNET: Final = "internet"
"""The identity of the node that stands for everyone outside."""
NODES_REACHABLE: Final = "the nodes can be reached from outside"

_INTERNAL: Final[Mapping[str, frozenset[str]]] = {
    "cloud.google.com/load-balancer-type": frozenset({"internal"}),
    "networking.gke.io/load-balancer-type": frozenset({"internal"}),
    "service.beta.kubernetes.io/aws-load-balancer-internal": frozenset({"true", "0.0.0.0/0"}),
    "service.beta.kubernetes.io/aws-load-balancer-scheme": frozenset({"internal"}),
    "service.beta.kubernetes.io/azure-load-balancer-internal": frozenset({"true"}),
    "service.beta.kubernetes.io/oci-load-balancer-internal": frozenset({"true"}),
    "service.beta.kubernetes.io/openstack-internal-load-balancer": frozenset({"true"}),
}
"""Annotations, with their values, by which a cloud gives a Service an address of the inner network only."""
_CLASS: Final = "kubernetes.io/ingress.class"
_ALB_SCHEME: Final = "alb.ingress.kubernetes.io/scheme"
_INNER_CLASSES: Final = ("internal", "private", "rilb")
"""What names of classes say whose addresses are of the inner network."""
_LOOPBACK: Final = ("127.", "::1")


def workload_node(graph: Graph, workload: Workload) -> Node:
    """The node of a workload."""
    found = graph.nodes.get(workload.id)
    return found or graph.node(workload.id, NodeKind.WORKLOAD, workload.item.label, workload.item)


class Exposure:
    """Puts into a graph what lets the outside in."""

    def __init__(self, objects: Objects, graph: Graph) -> None:
        self._objects = objects
        self._graph = graph
        self._policies = Policies(objects)
        self._internet = graph.node(INTERNET, NodeKind.INTERNET, "internet")
        self._by_label: dict[tuple[str, str, str], list[Workload]] = {}
        for workload in objects.workloads:
            for key, value in workload.labels.items():
                self._by_label.setdefault((workload.item.namespace, key, value), []).append(workload)
        self._blocked: set[str] = set()
        self._pointless: set[str] = set()

    def add(self) -> None:
        """Add all of it."""
        for services in self._objects.services.values():
            for service in services:
                for draft in self._outward(service):
                    entry = self._service_node(service)
                    if self._lead_on(service, Approach.DIRECT):
                        self._graph.add(self._internet, entry, EdgeKind.EXPOSURE, draft)
        self._routes()
        for workload in self._objects.workloads:
            self._ports_of_nodes(workload)
        self._say()

    def _say(self) -> None:
        notes = self._graph.notes
        if self._blocked:
            notes.append(f"network policies keep the outside away from {few(self._blocked)}")
        if self._pointless:
            notes.append(f"no workload of the input is behind {few(self._pointless)}")

    def _service_node(self, service: Item) -> Node:
        return self._graph.node(f"service:{service.namespace}/{service.name}", NodeKind.ENTRY, service.label, service)

    def _outward(self, service: Item) -> Iterator[Draft]:
        """What makes a Service be reached from outside by itself."""
        spec = service.spec
        path = ("spec", "type")
        if spec.get("type") == "LoadBalancer" and not _is_inner(service):
            ranges = [str(item) for item in sequence(spec.get("loadBalancerSourceRanges"))]
            if ranges and not any(map(reaches_public, ranges)):
                return
            narrow = ranges and not any(item.endswith("/0") for item in ranges)
            assumes = "the attacker comes from one of its loadBalancerSourceRanges" if narrow else ""
            yield Draft("a load balancer sends traffic from outside", service, path, assumes=assumes)
        elif spec.get("type") == "NodePort":
            yield Draft("every node listens for it", service, path, assumes=NODES_REACHABLE)
        if sequence(spec.get("externalIPs")) and spec.get("type") != "ExternalName":
            assumes = "traffic for its externalIPs gets to the nodes"
            yield Draft("nodes take traffic for its externalIPs", service, ("spec", "externalIPs"), assumes=assumes)

    def _lead_on(self, service: Item, approach: Approach) -> bool:
        """Add the edges from a Service to the workloads that it sends traffic to; whether there are any."""
        entry = self._service_node(service)
        selected = self._selected(service)
        leads = False
        for workload in selected:
            if self._graph.is_full:
                break
            if not self._policies.admit(workload, approach, _target_ports(service, workload)):
                self._blocked.add(workload.item.label)
                continue
            text, path = "its selector takes these pods", ("spec", "selector")
            draft = Draft(text, service, path, cited.EXPOSED, judged=(workload.item,))
            self._graph.add(entry, workload_node(self._graph, workload), EdgeKind.EXPOSURE, draft)
            leads = True
        if not selected:
            self._pointless.add(service.label)
        return leads

    def _selected(self, service: Item) -> list[Workload]:
        pairs = [(str(key), str(value)) for key, value in mapping(service.spec.get("selector")).items()]
        if not pairs or service.spec.get("type") == "ExternalName":
            return []
        candidates = min((self._by_label.get((service.namespace, *pair), []) for pair in pairs), key=len)
        return [item for item in candidates if all(item.labels.get(key) == value for key, value in pairs)]

    def _routes(self) -> None:
        kinds = (INGRESS, *GATEWAY_ROUTES, VIRTUAL_SERVICE, OPENSHIFT_ROUTE)
        carriers: dict[Route, list[Item]] = {}
        for kind in kinds:
            for item in self._objects.of(kind):
                carriers.setdefault(Route(item.kind, item.namespace, item.name), []).append(item)
        missing: set[str] = set()
        for namespace, names in routed(self._objects.by_namespace(kinds)).items():
            for name, routes in names.items():
                services = self._objects.services.get((namespace, name), [])
                outer = [item for route in routes for item in carriers[route] if not self._is_inner_route(item)]
                if not services:
                    missing.update(item.label for item in outer)
                for item in outer:
                    self._route(item, services)
        if missing:
            self._graph.notes.append(f"a Service that is not in the input is behind {few(missing)}")

    def _route(self, item: Item, services: Iterable[Item]) -> None:
        approach = (
            Approach.GATEWAY if item.kind in GATEWAY_ROUTES or item.kind == "VirtualService" else Approach.INGRESS
        )
        entry = self._graph.node(f"{item.kind}:{item.namespace}/{item.name}", NodeKind.ENTRY, item.label, item)
        for service in services:
            if self._lead_on(service, approach):
                self._graph.add(
                    self._internet, entry, EdgeKind.EXPOSURE, Draft("it takes traffic from outside", item, ("spec",))
                )
                text = "it sends traffic there"
                self._graph.add(entry, self._service_node(service), EdgeKind.EXPOSURE, Draft(text, item, ("spec",)))

    def _is_inner_route(self, item: Item) -> bool:
        """Whether only the inner network reaches a route, as its class or that of all its Gateways says."""
        if item.kind == "Ingress":
            names = str(item.spec.get("ingressClassName") or item.annotations.get(_CLASS) or "")
            scheme = item.annotations.get(_ALB_SCHEME)
            # The controller of AWS makes inner load balancers unless it is told otherwise.
            return _is_inner_class(names) or scheme == "internal" or (names == "alb" and scheme != "internet-facing")
        parents = [mapping(parent) for parent in sequence(item.spec.get("parentRefs"))]
        classes = [self._gateway_class(parent, item.namespace) for parent in parents]
        return bool(classes) and all(map(_is_inner_class, classes))

    def _gateway_class(self, parent: Mapping[str, Any], namespace: str) -> str:
        found = self._objects.gateways.get((str(parent.get("namespace") or namespace), str(parent.get("name"))), [])
        return str(found[0].spec.get("gatewayClassName")) if found else ""

    def _ports_of_nodes(self, workload: Workload) -> None:
        """Ports that a container opens on its node: by `hostPort`, or in the node's own network."""
        if workload.is_mirror:
            return
        in_network = workload.spec.get("hostNetwork") is True
        slugs = cited.HOST_NETWORK if in_network else cited.HOST_PORT
        for container in workload.containers:
            for number, port in enumerate(map(mapping, sequence(container.fields.get("ports")))):
                outer = port.get("containerPort") if in_network else port.get("hostPort")
                if not outer or str(port.get("hostIP") or "").startswith(_LOOPBACK):
                    continue
                ports = (
                    frozenset([port["containerPort"]]) if isinstance(port.get("containerPort"), int) else frozenset()
                )
                if not self._policies.admit(workload, Approach.DIRECT, ports):
                    self._blocked.add(workload.item.label)
                    continue
                text = f"container {container.name} listens on port {outer} of its node"
                path = (*container.path, "ports", number)
                draft = Draft(text, workload.item, path, slugs, NODES_REACHABLE)
                self._graph.add(self._internet, workload_node(self._graph, workload), EdgeKind.EXPOSURE, draft)


def _target_ports(service: Item, workload: Workload) -> Ports:
    """The ports of the workload that a Service sends traffic to."""
    found: set[int | str] = set()
    for port in map(mapping, sequence(service.spec.get("ports"))):
        target = port.get("targetPort") or port.get("port")
        if isinstance(target, str):
            target = workload.ports.get(target, target)
        if isinstance(target, int | str):
            found.add(target)
    return frozenset(found)


def _is_inner(service: Item) -> bool:
    said = service.annotations
    return any(str(said.get(key)).lower() in values for key, values in _INTERNAL.items() if key in said)


def _is_inner_class(name: str) -> bool:
    return any(word in name.lower() for word in _INNER_CLASSES)
