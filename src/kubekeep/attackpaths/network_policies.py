"""Network policies that allow traffic from outside the cluster to the pods of a workload.

Reads NetworkPolicies and Cilium's policies, no other kinds. A policy that does not limit the sources is assumed to allow
the ingress controller or gateway that carries the traffic.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.attackpaths.internal_network import has_public_addresses
from kubekeep.attackpaths.objects import Objects, PlacedResource, Workload
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, parse_selector, selects
from kubekeep.posture.isolation import (
    CILIUM_CLUSTERWIDE,
    CILIUM_POLICY,
    EVERYWHERE,
    NETWORK_POLICY,
    denies_by_default,
    list_cilium_peers,
    strip_label_source,
)

_NAMESPACE_LABELS: Final = ("io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels.")
"""Prefixes of the labels that select namespaces in Cilium's selectors; a selector without them is for the namespace of
its policy."""
_WORLD: Final = frozenset({"all", "world", "world-ipv4", "world-ipv6"})
_CARRIERS: Final = frozenset({"all", "cluster", "host", "ingress", "remote-node", "world"})
"""Cilium's entities that can include an ingress controller (Cilium docs, Entities Based)."""

Ports = frozenset[int]
"""Port numbers of a pod; empty if unknown."""


class Approach(enum.Enum):
    """Route of traffic from outside to a pod."""

    DIRECT = "direct"
    """From an external address, through a node port or a load balancer."""
    INGRESS = "ingress"
    """Through an ingress controller, which runs in a namespace of its own."""
    GATEWAY = "gateway"
    """Through a gateway, with pods that may run in the same namespace."""


class _Policy(msgspec.Struct, frozen=True, eq=False):
    """The pods that one policy selects, with its allow and deny rules for ingress.

    A policy that does not isolate allows all traffic that its `denials` do not match.
    """

    scope: str
    selector: LabelSelector
    rules: tuple[dict[str, Any], ...]
    denials: tuple[dict[str, Any], ...] = ()
    isolates: bool = True
    is_cilium: bool = False


class NetworkPolicies:
    """The network policies of an input."""

    def __init__(self, objects: Objects) -> None:
        self._policies: dict[tuple[str, tuple[str, str] | None], list[_Policy]] = {}
        """Policies by scope and the first label that their selector requires; None if it requires none."""
        for resource in objects.list_kind(NETWORK_POLICY):
            self._add_network_policy(resource)
        for resource in objects.list_kind(CILIUM_POLICY):
            self._add_cilium_policy(resource, resource.namespace)
        for resource in objects.list_kind(CILIUM_CLUSTERWIDE):
            self._add_cilium_policy(resource, EVERYWHERE)
        self._cached_results: dict[tuple[object, ...], bool] = {}

    def allows(self, workload: Workload, approach: Approach, ports: Ports) -> bool:
        """Return True if traffic by `approach` reaches one of these ports of the workload's pods."""
        if workload.spec.get("hostNetwork") is True:
            # Policies apply to the pod network only.
            return True
        key = (
            workload.resource.namespace,
            frozenset(workload.labels.items()),
            approach,
            ports,
            *workload.ports.items(),
        )
        is_allowed = self._cached_results.get(key)
        if is_allowed is None:
            is_allowed = self._cached_results[key] = self._evaluate(workload, approach, ports)
        return is_allowed

    def _evaluate(self, workload: Workload, approach: Approach, ports: Ports) -> bool:
        selecting = [
            policy
            for scope in (workload.resource.namespace, EVERYWHERE)
            for label in (None, *workload.labels.items())
            for policy in self._policies.get((scope, label), ())
            if selects(policy.selector, workload.labels)
        ]
        if any(_denies(rule, approach, ports, workload) for policy in selecting for rule in policy.denials):
            return False
        isolating = [policy for policy in selecting if policy.isolates]
        return not isolating or any(
            _cilium_allows(rule, approach, policy.scope) and _has_port(_list_cilium_ports(rule), ports, workload)
            if policy.is_cilium
            else _allows(rule, approach, policy.scope) and _has_port(as_list(rule.get("ports")), ports, workload)
            for policy in isolating
            for rule in policy.rules
        )

    def _add_network_policy(self, resource: PlacedResource) -> None:
        """Add a policy if it isolates for ingress; policies without `policyTypes` do."""
        types = as_list(resource.spec.get("policyTypes"))
        if not types or "Ingress" in types:
            selector = parse_selector(as_mapping(resource.spec.get("podSelector")))
            if selector is not None:
                self._add(_Policy(resource.namespace, selector, _list_rules(resource.spec, "ingress")))

    def _add_cilium_policy(self, resource: PlacedResource, scope: str) -> None:
        for spec in (resource.object.get("spec"), *as_list(resource.object.get("specs"))):
            rules, denials = _list_rules(as_mapping(spec), "ingress"), _list_rules(as_mapping(spec), "ingressDeny")
            isolates = denies_by_default(as_mapping(spec), "ingress")
            endpoints = as_mapping(spec).get("endpointSelector")
            selector = parse_selector(_strip_sources(endpoints)) if isinstance(endpoints, dict) else None
            if selector is not None and (isolates or denials):
                self._add(_Policy(scope, selector, rules, denials, isolates, is_cilium=True))

    def _add(self, policy: _Policy) -> None:
        label = next(iter(policy.selector.match_labels.items()), None)
        self._policies.setdefault((policy.scope, label), []).append(policy)


def _list_rules(spec: Mapping[str, Any], field: str) -> tuple[dict[str, Any], ...]:
    return tuple(rule for rule in as_list(spec.get(field)) if isinstance(rule, dict))


def _strip_sources(selector: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Cilium selector with plain labels: `k8s:app` and `any:app` become `app`."""
    labels = {strip_label_source(key): value for key, value in as_mapping(selector.get("matchLabels")).items()}
    expressions = [
        {**expression, "key": strip_label_source(str(expression.get("key")))}
        for expression in as_list(selector.get("matchExpressions"))
        if isinstance(expression, dict)
    ]
    return {"matchLabels": labels, "matchExpressions": expressions}


def _allows(rule: Mapping[str, Any], approach: Approach, namespace: str) -> bool:
    """Return True if a peer of the rule can match; a rule without peers matches all sources (API reference)."""
    peers = [as_mapping(peer) for peer in as_list(rule.get("from"))]
    return not peers or any(_is_peer(peer, approach, namespace) for peer in peers)


def _is_peer(peer: Mapping[str, Any], approach: Approach, namespace: str) -> bool:
    block = as_mapping(peer.get("ipBlock"))
    if block:
        return approach is not Approach.DIRECT or has_public_addresses(str(block.get("cidr")))
    if peer.get("namespaceSelector") is not None:
        return approach is Approach.GATEWAY or (
            approach is Approach.INGRESS and _selects_others(as_mapping(peer["namespaceSelector"]), namespace)
        )
    return approach is Approach.GATEWAY and peer.get("podSelector") is not None


def _selects_others(selector: Mapping[str, Any], namespace: str) -> bool:
    """Return True if the selector can match other namespaces: all except one that requires the name `namespace`."""
    label_selector = parse_selector(selector)
    return label_selector is not None and not any(
        requirement.key == NAME_LABEL and requirement.operator == "In" and {*requirement.values} <= {namespace}
        for requirement in label_selector.requirements
    )


def _has_port(rule_ports: Iterable[Any], ports: Ports, workload: Workload) -> bool:
    """Return True if a rule with these ports includes one of `ports`; a rule without ports includes all."""
    allowed = [as_mapping(port) for port in rule_ports]
    return not allowed or not ports or any(_is_port(port, ports, workload.ports) for port in allowed)


def _is_port(allowed: Mapping[str, Any], ports: Iterable[int], named: Mapping[str, int]) -> bool:
    first, last = allowed.get("port"), allowed.get("endPort")
    if first is None:
        return True
    number = named.get(first, first) if isinstance(first, str) else first
    if isinstance(number, int) and isinstance(last, int):
        return any(number <= port <= last for port in ports)
    return isinstance(number, int) and number in ports


def _list_cilium_ports(rule: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ports of a Cilium rule in Kubernetes' form; none if an entry is for all ports."""
    entries = [as_list(as_mapping(entry).get("ports")) for entry in as_list(rule.get("toPorts"))]
    if not all(entries):
        return []
    ports = [as_mapping(port) for entry in entries for port in entry]
    return [{**port, "port": _parse_port(port.get("port"))} for port in ports]


def _parse_port(port: object) -> object:
    """Return a number in text as int, and 0 (any port) as None."""
    return (int(port) or None) if isinstance(port, str) and port.isdecimal() else port


def _matches_ports(rule: Mapping[str, Any]) -> bool:
    """Return True if a Cilium rule matches ports: not one for ICMP, nor `{}`, which matches nothing.

    Source: Cilium docs, Ingress/Egress Default Deny and Limit ICMP/ICMPv6 types.
    """
    return not rule.get("icmps") and bool(list_cilium_peers(rule, "from") or as_list(rule.get("toPorts")))


def _denies(rule: Mapping[str, Any], approach: Approach, ports: Ports, workload: Workload) -> bool:
    """Return True if a Cilium deny rule blocks the approach on all of these ports."""
    if not _matches_ports(rule):
        return False
    denied_ports = _list_cilium_ports(rule)
    if denied_ports and not (ports and all(_has_port(denied_ports, frozenset([port]), workload) for port in ports)):
        return False
    if not list_cilium_peers(rule, "from"):
        return True
    entities = {str(entity) for entity in as_list(rule.get("fromEntities"))}
    if approach is not Approach.DIRECT:
        return "all" in entities
    return bool(entities & {"all", "world"}) or "0.0.0.0/0" in as_list(rule.get("fromCIDR"))


def _cilium_allows(rule: Mapping[str, Any], approach: Approach, scope: str) -> bool:
    """Return True if a Cilium rule allows the approach; a rule for ports without sources allows all."""
    if not _matches_ports(rule):
        return False
    if not list_cilium_peers(rule, "from"):
        return True
    entities = {str(entity) for entity in as_list(rule.get("fromEntities"))}
    networks = [
        *map(str, as_list(rule.get("fromCIDR"))),
        *(str(as_mapping(entry).get("cidr")) for entry in as_list(rule.get("fromCIDRSet"))),
    ]
    if approach is Approach.DIRECT:
        return bool(entities & _WORLD) or any(map(has_public_addresses, networks))
    endpoints = [as_mapping(selector) for selector in as_list(rule.get("fromEndpoints"))]
    if approach is Approach.INGRESS and scope != EVERYWHERE:
        endpoints = [selector for selector in endpoints if _names_namespaces(selector)]
    return bool(entities & _CARRIERS or networks or endpoints)


def _names_namespaces(selector: Mapping[str, Any]) -> bool:
    plain = _strip_sources(selector)
    keys = [*plain["matchLabels"], *(str(expression["key"]) for expression in plain["matchExpressions"])]
    return any(key.startswith(_NAMESPACE_LABELS) for key in keys)
