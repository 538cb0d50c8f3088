"""Workloads reachable from outside the cluster: through Services, Ingresses, routes and node ports.

Leaves out Services and routes of internal networks. Does not check if a reachable program is exploitable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.attackpaths import control_slugs
from kubekeep.attackpaths.gateways import Gateways
from kubekeep.attackpaths.graph import Draft, Graph
from kubekeep.attackpaths.internal_network import (
    has_public_addresses,
    is_internal_balancer,
    is_internal_ingress,
    list_source_ranges,
)
from kubekeep.attackpaths.network_policies import Approach, NetworkPolicies, Ports
from kubekeep.attackpaths.objects import Objects, PlacedResource, Workload, join_labels
from kubekeep.model.attack import AttackNode, AttackNodeKind, EdgeKind
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import POD_NAME_LABEL, remove_ordinal
from kubekeep.posture.routes import GATEWAY_ROUTES, INGRESS, ROUTES, Backend, list_backends

INTERNET: Final = "internet"
"""The id of the graph node for all external clients."""
NODES_REACHABLE: Final = "the nodes are reachable from outside"

_LOOPBACK: Final = ("127.", "::1")


class VulnerableImage(msgspec.Struct, frozen=True):
    """An image with urgent vulnerabilities, each as a clause, the most urgent first."""

    name: str
    vulnerabilities: tuple[str, ...]


VulnerableImages = Mapping[tuple[str, str, str, str], VulnerableImage]
"""Vulnerable images by kind, namespace and name of the workload, and name of the container."""


def get_workload_node(graph: Graph, workload: Workload) -> AttackNode:
    """Return the graph node of a workload."""
    return graph.nodes.get(workload.id) or graph.ensure_node(
        workload.id, AttackNodeKind.WORKLOAD, workload.resource.label, workload.resource
    )


class Exposure:
    """Adds the edges from the internet to workloads to a graph.

    images: with them, the edges lead to the vulnerable images of workloads and from these on; other workloads are not
    reached. None without a scan of images.
    """

    def __init__(self, objects: Objects, graph: Graph, images: VulnerableImages | None = None) -> None:
        self._objects = objects
        self._graph = graph
        self._images = images
        self._policies = NetworkPolicies(objects)
        self._gateways = Gateways(objects)
        self._internet = graph.ensure_node(INTERNET, AttackNodeKind.INTERNET, "internet")
        self._by_label: dict[tuple[str, str, str], list[Workload]] = {}
        for workload in objects.workloads:
            for key, value in workload.labels.items():
                self._by_label.setdefault((workload.resource.namespace, key, value), []).append(workload)
        self._blocked_by_policy: set[str] = set()
        self._without_workload: set[str] = set()
        self._without_port: set[str] = set()
        self._unattached: set[str] = set()
        self._ungranted: set[str] = set()

    def add(self) -> None:
        """Add all edges, and notes about Services and routes without any."""
        for services in self._objects.services.values():
            for service in services:
                for draft in self._list_openings(service):
                    entry = self._service_node(service)
                    if self._connect_workloads(service, Approach.DIRECT):
                        self._graph.add(self._internet, entry, EdgeKind.EXPOSURE, draft)
        self._connect_routes()
        for workload in self._objects.workloads:
            self._connect_node_ports(workload)
        self._add_notes()

    def _add_notes(self) -> None:
        for text, labels in (
            ("network policies block external traffic to", self._blocked_by_policy),
            ("no workload of the input is selected by", self._without_workload),
            ("no container listens on the target ports of", self._without_port),
            ("no external Gateway of the input accepts", self._unattached),
            ("no ReferenceGrant of the input permits references to another namespace by", self._ungranted),
        ):
            if labels:
                self._graph.notes.append(f"{text} {join_labels(labels)}")

    def _service_node(self, service: PlacedResource) -> AttackNode:
        return self._graph.ensure_node(
            f"service:{service.namespace}/{service.name}", AttackNodeKind.ENTRY, service.label, service
        )

    def _list_openings(self, service: PlacedResource) -> Iterator[Draft]:
        """Yield the fields of a Service that make it reachable from outside without an Ingress or route."""
        spec = service.spec
        path = ("spec", "type")
        if spec.get("type") == "LoadBalancer" and not is_internal_balancer(service):
            ranges = list_source_ranges(service)
            if ranges and not any(map(has_public_addresses, ranges)):
                return
            is_restricted = ranges and not any(cidr.endswith("/0") for cidr in ranges)
            assumes = "the attacker comes from one of its loadBalancerSourceRanges" if is_restricted else ""
            yield Draft("a load balancer forwards external traffic", service, path, assumes=assumes)
        elif spec.get("type") == "NodePort":
            yield Draft("every node listens on its port", service, path, assumes=NODES_REACHABLE)
        # kube-proxy skips Services without a cluster IP.
        if as_list(spec.get("externalIPs")) and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
            assumes = "traffic for its externalIPs reaches the nodes"
            yield Draft("nodes accept traffic for its externalIPs", service, ("spec", "externalIPs"), assumes=assumes)

    def _connect_workloads(self, service: PlacedResource, approach: Approach, port: int | str | None = None) -> bool:
        """Add the edges from a Service to the workloads behind `port`; return True if there are any."""
        entry = self._service_node(service)
        selected = self._select_workloads(service)
        has_workload = False
        for workload in selected:
            if self._graph.is_full:
                break
            ports = _find_target_ports(service, workload, port)
            if ports is None:
                self._without_port.add(service.label)
                continue
            if not self._policies.allows(workload, approach, ports):
                self._blocked_by_policy.add(workload.resource.label)
                continue
            text, path = "its selector matches these pods", ("spec", "selector")
            draft = Draft(text, service, path, control_slugs.EXPOSURE, also_evaluated=(workload.resource,))
            self._reach(entry, workload, draft)
            has_workload = True
        if not selected:
            self._without_workload.add(service.label)
        return has_workload

    def _reach(self, source: AttackNode, workload: Workload, draft: Draft, container: str = "") -> None:
        """Add the edge from a source to a workload, or to its vulnerable images.

        container: the name of the one that listens; empty for any.
        """
        node = get_workload_node(self._graph, workload)
        if self._images is None:
            self._graph.add(source, node, EdgeKind.EXPOSURE, draft)
            return
        original = workload.resource.original
        for pod_container in workload.containers:
            key = (original.kind, original.namespace, original.name, pod_container.name)
            image = self._images.get(key)
            if image is None or container not in ("", pod_container.name):
                continue
            label = f"image {image.name}"
            image_node = self._graph.ensure_node(
                f"image:{workload.id}/{pod_container.name}", AttackNodeKind.IMAGE, label, workload.resource
            )
            self._graph.add(source, image_node, EdgeKind.EXPOSURE, draft)
            if not self._graph.has_edge(image_node, node):
                for text in image.vulnerabilities:
                    step = Draft(text, workload.resource, (*pod_container.path, "image"))
                    self._graph.add(image_node, node, EdgeKind.VULNERABILITY, step)

    def _select_workloads(self, service: PlacedResource) -> list[Workload]:
        pairs = [(str(key), str(value)) for key, value in as_mapping(service.spec.get("selector")).items()]
        if not pairs or service.spec.get("type") == "ExternalName":
            return []
        of_owners = [(key, remove_ordinal(value) if key == POD_NAME_LABEL else value) for key, value in pairs]
        return [
            workload
            for labels in ([pairs] if pairs == of_owners else [pairs, of_owners])
            for workload in min((self._by_label.get((service.namespace, *pair), []) for pair in labels), key=len)
            if all(workload.labels.get(key) == value for key, value in labels)
        ]

    def _connect_routes(self) -> None:
        missing: set[str] = set()
        for kind in ROUTES:
            for resource in self._objects.list_kind(kind):
                assumes = self._find_assumption(kind, resource)
                if assumes is None:
                    continue
                for backend in dict.fromkeys(list_backends(kind, resource.object, resource.namespace)):
                    if not backend.weight or not self._may_send(kind, resource, backend):
                        continue
                    services = self._objects.services.get((backend.namespace, backend.name), [])
                    if not services:
                        missing.add(resource.label)
                    for service in services:
                        self._connect_route(resource, service, backend.port, assumes)
        if missing:
            self._graph.notes.append(f"a Service that is not in the input is the backend of {join_labels(missing)}")

    def _find_assumption(self, kind: str, resource: PlacedResource) -> str | None:
        """Return the assumption under which a route is reachable from outside.

        Empty if it is reachable without one, None if it is not reachable.
        """
        if kind == INGRESS:
            return None if is_internal_ingress(resource) else ""
        if kind not in GATEWAY_ROUTES:
            return ""
        assumes = self._gateways.find_assumption(resource)
        if assumes is None:
            self._unattached.add(resource.label)
        return assumes

    def _may_send(self, kind: str, resource: PlacedResource, backend: Backend) -> bool:
        if kind not in GATEWAY_ROUTES or self._gateways.may_send(resource, backend.namespace, backend.name):
            return True
        self._ungranted.add(resource.label)
        return False

    def _connect_route(
        self, resource: PlacedResource, service: PlacedResource, port: int | str | None, assumes: str
    ) -> None:
        has_gateway = resource.kind in GATEWAY_ROUTES or resource.kind == "VirtualService"
        entry = self._graph.ensure_node(
            f"{resource.kind}:{resource.namespace}/{resource.name}", AttackNodeKind.ENTRY, resource.label, resource
        )
        if self._connect_workloads(service, Approach.GATEWAY if has_gateway else Approach.INGRESS, port):
            draft = Draft("it accepts external traffic", resource, ("spec",), assumes=assumes)
            self._graph.add(self._internet, entry, EdgeKind.EXPOSURE, draft)
            draft = Draft("it forwards traffic to this Service", resource, ("spec",))
            self._graph.add(entry, self._service_node(service), EdgeKind.EXPOSURE, draft)

    def _connect_node_ports(self, workload: Workload) -> None:
        """Add the edges to ports that containers open on their node: by `hostPort`, or in the host network."""
        if workload.is_mirror:
            return
        has_host_network = workload.spec.get("hostNetwork") is True
        slugs = control_slugs.HOST_NETWORK if has_host_network else control_slugs.HOST_PORT
        for container in workload.containers:
            for number, port in enumerate(map(as_mapping, as_list(container.fields.get("ports")))):
                node_port = port.get("containerPort") if has_host_network else port.get("hostPort")
                if not node_port or str(port.get("hostIP") or "").startswith(_LOOPBACK):
                    continue
                ports = (
                    frozenset([port["containerPort"]]) if isinstance(port.get("containerPort"), int) else frozenset()
                )
                if not self._policies.allows(workload, Approach.DIRECT, ports):
                    self._blocked_by_policy.add(workload.resource.label)
                    continue
                text = f"container {container.name} listens on port {node_port} of its node"
                path = (*container.path, "ports", number)
                draft = Draft(text, workload.resource, path, slugs, NODES_REACHABLE)
                self._reach(self._internet, workload, draft, container.name)


def _find_target_ports(service: PlacedResource, workload: Workload, service_port: int | str | None) -> Ports | None:
    """Return the workload's ports behind a port of a Service, or behind all ports; None if there are none.

    Empty if a port has no target, so that the ports are unknown.
    """
    ports = [as_mapping(port) for port in as_list(service.spec.get("ports"))]
    matching = [port for port in ports if service_port is None or str(service_port) in _list_port_names(port)]
    targets = [port.get("targetPort") or port.get("port") for port in matching]
    if None in targets:
        return frozenset()
    numbers = frozenset(number for target in targets if (number := _resolve_port(target, workload)) is not None)
    return numbers if numbers or not ports else None


def _list_port_names(port: Mapping[str, Any]) -> set[str]:
    """Return the name, port and target port of a Service port; routes may refer to it by any of them."""
    return {str(port[key]) for key in ("name", "port", "targetPort") if key in port}


def _resolve_port(port: object, workload: Workload) -> int | None:
    """Return the number of a workload port, which may be digits in text; None for an undefined name."""
    text = str(port)
    return int(text) if text.isdecimal() else workload.ports.get(text)
