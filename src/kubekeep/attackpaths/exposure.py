"""Who outside the cluster reaches which workload: Services, Ingresses, routes, and ports of nodes.

What only an internal network reaches is left out. Whether a program that is reached can be broken is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.attackpaths import cited
from kubekeep.attackpaths.admits import Approach, Policies, Ports
from kubekeep.attackpaths.gateways import Gateways
from kubekeep.attackpaths.graph import Draft, Graph
from kubekeep.attackpaths.inner import is_inner_balancer, is_inner_ingress, reaches_public, source_ranges
from kubekeep.attackpaths.objects import Item, Objects, Workload, few
from kubekeep.model.attack import AttackNode, AttackNodeKind, EdgeKind
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.posture.routes import GATEWAY_ROUTES, INGRESS, ROUTES, Backend, list_backends

INTERNET: Final = "internet"
"""The identity of the node that stands for everyone outside."""
NODES_REACHABLE: Final = "the nodes can be reached from outside"

_LOOPBACK: Final = ("127.", "::1")


def workload_node(graph: Graph, workload: Workload) -> AttackNode:
    """The node of a workload."""
    found = graph.nodes.get(workload.id)
    return found or graph.node(workload.id, AttackNodeKind.WORKLOAD, workload.item.label, workload.item)


class Exposure:
    """Puts into a graph what lets the outside in."""

    def __init__(self, objects: Objects, graph: Graph) -> None:
        self._objects = objects
        self._graph = graph
        self._policies = Policies(objects)
        self._gateways = Gateways(objects)
        self._internet = graph.node(INTERNET, AttackNodeKind.INTERNET, "internet")
        self._by_label: dict[tuple[str, str, str], list[Workload]] = {}
        for workload in objects.workloads:
            for key, value in workload.labels.items():
                self._by_label.setdefault((workload.item.namespace, key, value), []).append(workload)
        self._blocked: set[str] = set()
        self._pointless: set[str] = set()
        self._deaf: set[str] = set()
        self._untaken: set[str] = set()
        self._ungranted: set[str] = set()

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
        for text, labels in (
            ("network policies keep the outside away from", self._blocked),
            ("no workload of the input is behind", self._pointless),
            ("nothing is at the ports that traffic is sent to by", self._deaf),
            ("no Gateway of the input that is for the outside takes in", self._untaken),
            ("no ReferenceGrant of the input lets into another namespace", self._ungranted),
        ):
            if labels:
                self._graph.notes.append(f"{text} {few(labels)}")

    def _service_node(self, service: Item) -> AttackNode:
        return self._graph.node(
            f"service:{service.namespace}/{service.name}", AttackNodeKind.ENTRY, service.label, service
        )

    def _outward(self, service: Item) -> Iterator[Draft]:
        """What makes a Service be reached from outside by itself."""
        spec = service.spec
        path = ("spec", "type")
        if spec.get("type") == "LoadBalancer" and not is_inner_balancer(service):
            ranges = source_ranges(service)
            if ranges and not any(map(reaches_public, ranges)):
                return
            narrow = ranges and not any(item.endswith("/0") for item in ranges)
            assumes = "the attacker comes from one of its loadBalancerSourceRanges" if narrow else ""
            yield Draft("a load balancer sends traffic from outside", service, path, assumes=assumes)
        elif spec.get("type") == "NodePort":
            yield Draft("every node listens for it", service, path, assumes=NODES_REACHABLE)
        # What forwards traffic on nodes passes over Services that have no address of their own.
        if as_list(spec.get("externalIPs")) and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
            assumes = "traffic for its externalIPs gets to the nodes"
            yield Draft("nodes take traffic for its externalIPs", service, ("spec", "externalIPs"), assumes=assumes)

    def _lead_on(self, service: Item, approach: Approach, port: int | str | None = None) -> bool:
        """Add the edges from a Service to the workloads that it sends traffic for `port` to; whether there are any."""
        entry = self._service_node(service)
        selected = self._selected(service)
        leads = False
        for workload in selected:
            if self._graph.is_full:
                break
            ports = _target_ports(service, workload, port)
            if ports is None:
                self._deaf.add(service.label)
                continue
            if not self._policies.admit(workload, approach, ports):
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
        pairs = [(str(key), str(value)) for key, value in as_mapping(service.spec.get("selector")).items()]
        if not pairs or service.spec.get("type") == "ExternalName":
            return []
        candidates = min((self._by_label.get((service.namespace, *pair), []) for pair in pairs), key=len)
        return [item for item in candidates if all(item.labels.get(key) == value for key, value in pairs)]

    def _routes(self) -> None:
        missing: set[str] = set()
        for kind in ROUTES:
            for item in self._objects.of(kind):
                assumes = self._outer_route(kind, item)
                if assumes is None:
                    continue
                for backend in dict.fromkeys(list_backends(kind, item.object, item.namespace)):
                    if not backend.weight or not self._may_send(kind, item, backend):
                        continue
                    services = self._objects.services.get((backend.namespace, backend.name), [])
                    if not services:
                        missing.add(item.label)
                    for service in services:
                        self._route(item, service, backend.port, assumes)
        if missing:
            self._graph.notes.append(f"a Service that is not in the input is behind {few(missing)}")

    def _outer_route(self, kind: str, item: Item) -> str | None:
        """What must hold for the outside to reach a route; None if it does not."""
        if kind == INGRESS:
            return None if is_inner_ingress(item) else ""
        if kind not in GATEWAY_ROUTES:
            return ""
        assumes = self._gateways.outward(item)
        if assumes is None:
            self._untaken.add(item.label)
        return assumes

    def _may_send(self, kind: str, item: Item, backend: Backend) -> bool:
        if kind not in GATEWAY_ROUTES or self._gateways.may_send(item, backend.namespace, backend.name):
            return True
        self._ungranted.add(item.label)
        return False

    def _route(self, item: Item, service: Item, port: int | str | None, assumes: str) -> None:
        carried = item.kind in GATEWAY_ROUTES or item.kind == "VirtualService"
        entry = self._graph.node(f"{item.kind}:{item.namespace}/{item.name}", AttackNodeKind.ENTRY, item.label, item)
        if self._lead_on(service, Approach.GATEWAY if carried else Approach.INGRESS, port):
            draft = Draft("it takes traffic from outside", item, ("spec",), assumes=assumes)
            self._graph.add(self._internet, entry, EdgeKind.EXPOSURE, draft)
            draft = Draft("it sends traffic there", item, ("spec",))
            self._graph.add(entry, self._service_node(service), EdgeKind.EXPOSURE, draft)

    def _ports_of_nodes(self, workload: Workload) -> None:
        """Ports that a container opens on its node: by `hostPort`, or in the node's own network."""
        if workload.is_mirror:
            return
        in_network = workload.spec.get("hostNetwork") is True
        slugs = cited.HOST_NETWORK if in_network else cited.HOST_PORT
        for container in workload.containers:
            for number, port in enumerate(map(as_mapping, as_list(container.fields.get("ports")))):
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


def _target_ports(service: Item, workload: Workload, asked: int | str | None) -> Ports | None:
    """The ports of the workload that a Service sends traffic to; None if there are none for the port that is `asked`."""
    listed = [as_mapping(port) for port in as_list(service.spec.get("ports"))]
    chosen = [port for port in listed if asked is None or str(asked) in _called(port)]
    targets = [port.get("targetPort") or port.get("port") for port in chosen]
    if None in targets:
        return frozenset()
    numbers = frozenset(number for target in targets if (number := _number(target, workload)) is not None)
    return numbers if numbers or not listed else None


def _called(port: Mapping[str, Any]) -> set[str]:
    """How routes may call a port of a Service."""
    return {str(port[key]) for key in ("name", "port", "targetPort") if key in port}


def _number(port: object, workload: Workload) -> int | None:
    """The number of a port of the workload, which may be in digits; None for a name that no container gives one."""
    text = str(port)
    return int(text) if text.isdecimal() else workload.ports.get(text)
