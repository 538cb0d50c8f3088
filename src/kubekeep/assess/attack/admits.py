"""Whether network policies let traffic from outside the cluster in to the pods of a workload.

Looks at NetworkPolicies and at Cilium's; other kinds of policies are not known. Where a policy leaves open who may
come, the one who carries traffic in (an ingress controller, a gateway) is taken to be let in.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.assess.attack.objects import Item, Objects, Workload
from kubekeep.assess.isolation import CILIUM_CLUSTERWIDE, CILIUM_POLICY, EVERYWHERE, NETWORK_POLICY
from kubekeep.assess.matching import selects
from kubekeep.assess.shapes import mapping, sequence
from kubekeep.library.admission import Selector

_WORLD: Final = frozenset({"all", "world", "world-ipv4", "world-ipv6"})
_CARRIERS: Final = frozenset({"all", "cluster", "host", "ingress", "remote-node", "world"})
"""Cilium's entities that an ingress controller may be (Cilium docs, Entities Based)."""

Ports = frozenset[int | str]
"""Numbers of ports of a pod, and names that none of its containers gives; none for ports that are not known."""


class Approach(enum.Enum):
    """How traffic from outside gets to a pod."""

    DIRECT = "direct"
    """From an address outside, through a port of a node or a load balancer."""
    INGRESS = "ingress"
    """Carried by an ingress controller, which has a namespace of its own."""
    GATEWAY = "gateway"
    """Carried by a gateway, whose pods may be in the namespace itself."""


class _Policy(msgspec.Struct, frozen=True, eq=False):
    """The pods that one policy selects, and its rules for who may come in."""

    selector: Selector
    rules: tuple[dict[str, Any], ...]
    cilium: bool


class Policies:
    """The policies of an input."""

    def __init__(self, objects: Objects) -> None:
        self._policies: dict[str, list[_Policy]] = {}
        for item in objects.of(NETWORK_POLICY):
            self._kubernetes(item)
        for item in objects.of(CILIUM_POLICY):
            self._cilium(item, item.namespace)
        for item in objects.of(CILIUM_CLUSTERWIDE):
            self._cilium(item, EVERYWHERE)
        self._known: dict[tuple[object, ...], bool] = {}

    def admit(self, workload: Workload, approach: Approach, ports: Ports) -> bool:
        """Whether traffic that comes so reaches one of these ports of the workload's pods."""
        if workload.spec.get("hostNetwork") is True:
            # Policies are for pod networks: who listens on the node itself is out of their reach.
            return True
        key = (workload.item.namespace, frozenset(workload.labels.items()), approach, ports, *workload.ports.items())
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._judge(workload, approach, ports)
        return known

    def _judge(self, workload: Workload, approach: Approach, ports: Ports) -> bool:
        found = [*self._policies.get(workload.item.namespace, ()), *self._policies.get(EVERYWHERE, ())]
        isolating = [policy for policy in found if selects(policy.selector, workload.labels)]
        if not isolating:
            return True
        return any(
            _cilium_admits(rule, approach)
            if policy.cilium
            else _admits(rule, approach) and _has_port(rule, ports, workload)
            for policy in isolating
            for rule in policy.rules
        )

    def _kubernetes(self, item: Item) -> None:
        """Takes a policy that isolates from what comes in, as those without `policyTypes` do too."""
        types = sequence(item.spec.get("policyTypes"))
        if not types or "Ingress" in types:
            rules = tuple(rule for rule in sequence(item.spec.get("ingress")) if isinstance(rule, dict))
            self._add(item.namespace, mapping(item.spec.get("podSelector")), rules, cilium=False)

    def _cilium(self, item: Item, scope: str) -> None:
        for spec in (item.object.get("spec"), *sequence(item.object.get("specs"))):
            rules = tuple(rule for rule in sequence(mapping(spec).get("ingress")) if isinstance(rule, dict))
            said = mapping(mapping(spec).get("enableDefaultDeny")).get("ingress")
            isolates = said if isinstance(said, bool) else bool(rules or mapping(spec).get("ingressDeny"))
            if isolates and isinstance(selector := mapping(spec).get("endpointSelector"), dict):
                self._add(scope, _without_sources(selector), rules, cilium=True)

    def _add(self, scope: str, selector: Mapping[str, Any], rules: tuple[dict[str, Any], ...], *, cilium: bool) -> None:
        stated = {key: value for key, value in selector.items() if value is not None}
        try:
            policy = _Policy(msgspec.convert(stated, Selector), rules, cilium)
        except msgspec.ValidationError:
            return
        self._policies.setdefault(scope, []).append(policy)


def _without_sources(selector: Mapping[str, Any]) -> dict[str, Any]:
    """A selector of Cilium's with plain labels: `k8s:app` and `any:app` are the label `app`."""

    def plain(key: object) -> str:
        return str(key).removeprefix("k8s:").removeprefix("any:")

    labels = {plain(key): value for key, value in mapping(selector.get("matchLabels")).items()}
    expressions = [
        {**item, "key": plain(item.get("key"))}
        for item in sequence(selector.get("matchExpressions"))
        if isinstance(item, dict)
    ]
    return {"matchLabels": labels, "matchExpressions": expressions}


def _admits(rule: Mapping[str, Any], approach: Approach) -> bool:
    """Whether some peer of a rule may be who comes; a rule without peers is for everyone (API reference)."""
    peers = [mapping(peer) for peer in sequence(rule.get("from"))]
    return not peers or any(_is_peer(peer, approach) for peer in peers)


def _is_peer(peer: Mapping[str, Any], approach: Approach) -> bool:
    block = mapping(peer.get("ipBlock"))
    if block:
        return approach is not Approach.DIRECT or reaches_public(str(block.get("cidr")))
    if peer.get("namespaceSelector") is not None:
        return approach is not Approach.DIRECT
    return approach is Approach.GATEWAY and peer.get("podSelector") is not None


def reaches_public(cidr: str) -> bool:
    """Whether a network holds addresses that are not private; text that is no network does not."""
    try:
        return not ipaddress.ip_network(cidr, strict=False).is_private
    except ValueError:
        return False


def _has_port(rule: Mapping[str, Any], ports: Ports, workload: Workload) -> bool:
    """Whether a rule is for one of `ports`; one that names no port is for all."""
    allowed = [mapping(port) for port in sequence(rule.get("ports"))]
    return not allowed or not ports or any(_is_port(port, ports, workload.ports) for port in allowed)


def _is_port(allowed: Mapping[str, Any], ports: Iterable[int | str], named: Mapping[str, int]) -> bool:
    first, last = allowed.get("port"), allowed.get("endPort")
    if first is None:
        return True
    number = named.get(first, first) if isinstance(first, str) else first
    if isinstance(number, int) and isinstance(last, int):
        return any(isinstance(port, int) and number <= port <= last for port in ports)
    return number in ports


def _cilium_admits(rule: Mapping[str, Any], approach: Approach) -> bool:
    """Whether a rule of Cilium's is for who comes; one that says nothing of it is for everyone."""
    if not any(key.startswith("from") for key in rule):
        return True
    entities = {str(item) for item in sequence(rule.get("fromEntities"))}
    networks = [
        *map(str, sequence(rule.get("fromCIDR"))),
        *(str(mapping(item).get("cidr")) for item in sequence(rule.get("fromCIDRSet"))),
    ]
    if approach is Approach.DIRECT:
        return bool(entities & _WORLD) or any(map(reaches_public, networks))
    return bool(entities & _CARRIERS or networks or sequence(rule.get("fromEndpoints")))
