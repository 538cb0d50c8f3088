"""Whether network policies let traffic from outside the cluster in to the pods of a workload.

Looks at NetworkPolicies and at Cilium's; other kinds of policies are not known. Where a policy leaves open who may
come, the one who carries traffic in (an ingress controller, a gateway) is taken to be let in.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.attackpaths.inner import reaches_public
from kubekeep.attackpaths.objects import Item, Objects, Workload, selector_of
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, selects
from kubekeep.posture.isolation import CILIUM_CLUSTERWIDE, CILIUM_POLICY, EVERYWHERE, NETWORK_POLICY

_NAMESPACES: Final = ("io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels.")
"""How labels begin by which Cilium's selectors name namespaces; one without them means its policy's own."""
_WORLD: Final = frozenset({"all", "world", "world-ipv4", "world-ipv6"})
_CARRIERS: Final = frozenset({"all", "cluster", "host", "ingress", "remote-node", "world"})
"""Cilium's entities that an ingress controller may be (Cilium docs, Entities Based)."""

Ports = frozenset[int]
"""Numbers of ports of a pod; none for ports that are not known."""


class Approach(enum.Enum):
    """How traffic from outside gets to a pod."""

    DIRECT = "direct"
    """From an address outside, through a port of a node or a load balancer."""
    INGRESS = "ingress"
    """Carried by an ingress controller, which has a namespace of its own."""
    GATEWAY = "gateway"
    """Carried by a gateway, whose pods may be in the namespace itself."""


class _Policy(msgspec.Struct, frozen=True, eq=False):
    """The pods that one policy selects, and its rules for who may come in, and who may not whatever else says.

    One that does not isolate lets in all whom its `denials` leave.
    """

    scope: str
    selector: LabelSelector
    rules: tuple[dict[str, Any], ...]
    denials: tuple[dict[str, Any], ...] = ()
    isolates: bool = True
    cilium: bool = False


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
        chosen = [policy for policy in found if selects(policy.selector, workload.labels)]
        if any(_denies(rule, approach, ports, workload) for policy in chosen for rule in policy.denials):
            return False
        isolating = [policy for policy in chosen if policy.isolates]
        return not isolating or any(
            _cilium_admits(rule, approach, policy.scope) and _has_port(_cilium_ports(rule), ports, workload)
            if policy.cilium
            else _admits(rule, approach, policy.scope) and _has_port(as_list(rule.get("ports")), ports, workload)
            for policy in isolating
            for rule in policy.rules
        )

    def _kubernetes(self, item: Item) -> None:
        """Takes a policy that isolates from what comes in, as those without `policyTypes` do too."""
        types = as_list(item.spec.get("policyTypes"))
        if not types or "Ingress" in types:
            selector = selector_of(as_mapping(item.spec.get("podSelector")))
            if selector is not None:
                self._add(_Policy(item.namespace, selector, _rules(item.spec, "ingress")))

    def _cilium(self, item: Item, scope: str) -> None:
        for spec in (item.object.get("spec"), *as_list(item.object.get("specs"))):
            rules, denials = _rules(as_mapping(spec), "ingress"), _rules(as_mapping(spec), "ingressDeny")
            said = as_mapping(as_mapping(spec).get("enableDefaultDeny")).get("ingress")
            isolates = said if isinstance(said, bool) else bool(rules or denials)
            chosen = as_mapping(spec).get("endpointSelector")
            selector = selector_of(_without_sources(chosen)) if isinstance(chosen, dict) else None
            if selector is not None and (isolates or denials):
                self._add(_Policy(scope, selector, rules, denials, isolates, cilium=True))

    def _add(self, policy: _Policy) -> None:
        self._policies.setdefault(policy.scope, []).append(policy)


def _rules(spec: Mapping[str, Any], field: str) -> tuple[dict[str, Any], ...]:
    return tuple(rule for rule in as_list(spec.get(field)) if isinstance(rule, dict))


def _without_sources(selector: Mapping[str, Any]) -> dict[str, Any]:
    """A selector of Cilium's with plain labels: `k8s:app` and `any:app` are the label `app`."""
    labels = {_plain(key): value for key, value in as_mapping(selector.get("matchLabels")).items()}
    expressions = [
        {**item, "key": _plain(item.get("key"))}
        for item in as_list(selector.get("matchExpressions"))
        if isinstance(item, dict)
    ]
    return {"matchLabels": labels, "matchExpressions": expressions}


def _plain(key: object) -> str:
    return str(key).removeprefix("k8s:").removeprefix("any:")


def _admits(rule: Mapping[str, Any], approach: Approach, namespace: str) -> bool:
    """Whether some peer of a rule may be who comes; a rule without peers is for everyone (API reference)."""
    peers = [as_mapping(peer) for peer in as_list(rule.get("from"))]
    return not peers or any(_is_peer(peer, approach, namespace) for peer in peers)


def _is_peer(peer: Mapping[str, Any], approach: Approach, namespace: str) -> bool:
    block = as_mapping(peer.get("ipBlock"))
    if block:
        return approach is not Approach.DIRECT or reaches_public(str(block.get("cidr")))
    if peer.get("namespaceSelector") is not None:
        return approach is Approach.GATEWAY or (
            approach is Approach.INGRESS and _takes_others(as_mapping(peer["namespaceSelector"]), namespace)
        )
    return approach is Approach.GATEWAY and peer.get("podSelector") is not None


def _takes_others(selector: Mapping[str, Any], namespace: str) -> bool:
    """Whether a selector may take another namespace than this one; by labels that others may have it does."""
    asked = selector_of(selector)
    return asked is not None and not any(
        item.key == NAME_LABEL and item.operator == "In" and {*item.values} <= {namespace}
        for item in asked.requirements
    )


def _has_port(listed: Iterable[Any], ports: Ports, workload: Workload) -> bool:
    """Whether a rule with these ports is for one of `ports`; one that lists no port is for all."""
    allowed = [as_mapping(port) for port in listed]
    return not allowed or not ports or any(_is_port(port, ports, workload.ports) for port in allowed)


def _is_port(allowed: Mapping[str, Any], ports: Iterable[int], named: Mapping[str, int]) -> bool:
    first, last = allowed.get("port"), allowed.get("endPort")
    if first is None:
        return True
    number = named.get(first, first) if isinstance(first, str) else first
    if isinstance(number, int) and isinstance(last, int):
        return any(number <= port <= last for port in ports)
    return isinstance(number, int) and number in ports


def _cilium_ports(rule: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ports of a rule of Cilium's as those of Kubernetes are written; none if some entry is for all."""
    entries = [as_list(as_mapping(entry).get("ports")) for entry in as_list(rule.get("toPorts"))]
    if not all(entries):
        return []
    listed = [as_mapping(port) for entry in entries for port in entry]
    return [{**port, "port": _numbered(port.get("port"))} for port in listed]


def _numbered(port: object) -> object:
    """A number in text as a number; 0, which is any port, as none."""
    return (int(port) or None) if isinstance(port, str) and port.isdecimal() else port


def _denies(rule: Mapping[str, Any], approach: Approach, ports: Ports, workload: Workload) -> bool:
    """Whether a rule of Cilium's keeps out whoever comes so, from all of these ports."""
    listed = _cilium_ports(rule)
    if listed and not (ports and all(_has_port(listed, frozenset([port]), workload) for port in ports)):
        return False
    if not any(key.startswith("from") for key in rule):
        return True
    entities = {str(item) for item in as_list(rule.get("fromEntities"))}
    if approach is not Approach.DIRECT:
        return "all" in entities
    return bool(entities & {"all", "world"}) or "0.0.0.0/0" in as_list(rule.get("fromCIDR"))


def _cilium_admits(rule: Mapping[str, Any], approach: Approach, scope: str) -> bool:
    """Whether a rule of Cilium's is for who comes; one that says nothing of it is for everyone."""
    if not any(key.startswith("from") for key in rule):
        return True
    entities = {str(item) for item in as_list(rule.get("fromEntities"))}
    networks = [
        *map(str, as_list(rule.get("fromCIDR"))),
        *(str(as_mapping(item).get("cidr")) for item in as_list(rule.get("fromCIDRSet"))),
    ]
    if approach is Approach.DIRECT:
        return bool(entities & _WORLD) or any(map(reaches_public, networks))
    endpoints = [as_mapping(item) for item in as_list(rule.get("fromEndpoints"))]
    if approach is Approach.INGRESS and scope != EVERYWHERE:
        endpoints = [item for item in endpoints if _names_namespaces(item)]
    return bool(entities & _CARRIERS or networks or endpoints)


def _names_namespaces(selector: Mapping[str, Any]) -> bool:
    asked = _without_sources(selector)
    keys = [*asked["matchLabels"], *(str(item["key"]) for item in asked["matchExpressions"])]
    return any(key.startswith(_NAMESPACES) for key in keys)
