"""Pods selected by network policies, and the directions in which the policies isolate them.

Converts Kubernetes' and Cilium's policies to one form that rules look up by a pod's labels. Never evaluates a pod.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.cluster import CILIUM_NAMESPACES, CILIUM_SETTINGS
from kubekeep.model.json_values import as_list, as_mapping

NETWORK_POLICY: Final = "NetworkPolicy"
CILIUM_POLICY: Final = "cilium.io/CiliumNetworkPolicy"
CILIUM_CLUSTERWIDE: Final = "cilium.io/CiliumClusterwideNetworkPolicy"
OTHER_POLICIES: Final = (
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "ClusterNetworkPolicy",
    "crd.antrea.io/ClusterNetworkPolicy",
    "crd.antrea.io/NetworkPolicy",
    "crd.projectcalico.org/GlobalNetworkPolicy",
    "crd.projectcalico.org/NetworkPolicy",
    "projectcalico.org/GlobalNetworkPolicy",
    "projectcalico.org/NetworkPolicy",
)
"""Kinds of policies that are only counted, not read."""
EVERYWHERE: Final = ""
"""The namespace of cluster-wide policies."""

_CILIUM_SOURCES: Final = ("k8s:", "any:")
"""Label sources of Kubernetes labels (Cilium docs, Label Source)."""
_PEERS: Final = {"ingress": "from", "egress": "to"}
"""Field of a rule's peers by direction; in Cilium, the start of its fields' names."""
_LAST_PORT: Final = 65535


class PodSelection(msgspec.Struct, frozen=True):
    """The pods that one policy selects, and the directions in which it isolates them.

    opened: directions in which the policy allows all traffic, with the name of the policy. denied: directions in which it
    has deny rules, which apply even if a policy allows all traffic.
    """

    labels: dict[str, Any]
    expressions: list[dict[str, Any]]
    directions: list[str]
    opened: dict[str, str]
    denied: list[str]


def index_isolation(objects: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]) -> dict[str, Any]:
    """Return the pod selections of all policies in `objects` (kind to namespace to objects), by namespace.

    Cluster-wide policies are under EVERYWHERE. A namespace has `all`, the directions in which a policy isolates every
    pod, and selections `by_label` (`key=value`), `by_key` (the key must exist) and `other`. Each selection is under the
    rarest of its labels, so that a lookup by a pod's labels yields few candidates. `opened` and `denied` combine those
    fields of the policies that select every pod. `has_open` is true if any policy allows all traffic, `isolates` if
    any policy isolates pods.
    """
    by_scope: dict[str, list[PodSelection]] = {}
    for kind, read in (
        (NETWORK_POLICY, _read_network_policy),
        (CILIUM_POLICY, _read_cilium_policy),
        (CILIUM_CLUSTERWIDE, _read_cilium_policy),
    ):
        for namespace, policies in objects.get(kind, {}).items():
            scope = EVERYWHERE if kind == CILIUM_CLUSTERWIDE else namespace
            by_scope.setdefault(scope, []).extend(selection for policy in policies for selection in read(policy))
    return {namespace: _index_selections(selections) for namespace, selections in by_scope.items() if selections}


def index_enforcement(objects: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]) -> dict[str, bool]:
    """Return `always` if Cilium drops all traffic that no policy allows (Cilium docs, Policy Enforcement Modes).

    A ConfigMap with the name of Cilium's settings counts only in Cilium's namespaces.
    """
    for namespace in CILIUM_NAMESPACES:
        for config_map in objects.get("ConfigMap", {}).get(namespace, ()):
            name, settings = as_mapping(config_map.get("metadata")).get("name"), as_mapping(config_map.get("data"))
            if name == CILIUM_SETTINGS and settings.get("enable-policy") == "always":
                return {"always": True}
    return {}


def _read_network_policy(policy: Mapping[str, Any]) -> Iterator[PodSelection]:
    """Yield the selection of a NetworkPolicy.

    A policy without `policyTypes` is for ingress, and for egress if it has egress rules (API reference).
    """
    spec = as_mapping(policy.get("spec"))
    types = as_list(spec.get("policyTypes")) or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    directions = sorted({str(direction).lower() for direction in types} & {"egress", "ingress"})
    selector = as_mapping(spec.get("podSelector"))
    opened = [
        direction
        for direction in directions
        if any(_allows_all(as_mapping(rule), _PEERS[direction]) for rule in as_list(spec.get(direction)))
    ]
    labels, expressions = as_mapping(selector.get("matchLabels")), _list_expressions(selector)
    yield PodSelection(labels, expressions, directions, _name_policy(policy, opened), [])


def _read_cilium_policy(policy: Mapping[str, Any]) -> Iterator[PodSelection]:
    """Yield the selections of `spec` and `specs` that select endpoints; rules with `nodeSelector` select hosts."""
    for spec in (policy.get("spec"), *as_list(policy.get("specs"))):
        if not isinstance(spec, dict) or not isinstance(spec.get("endpointSelector"), dict):
            continue
        directions = [direction for direction in _PEERS if denies_by_default(spec, direction)]
        denied = [
            direction
            for direction, peers in _PEERS.items()
            if any(_matches_traffic(as_mapping(rule), peers) for rule in as_list(spec.get(f"{direction}Deny")))
        ]
        opened = [
            direction
            for direction, peers in _PEERS.items()
            if any(_cilium_allows_all(as_mapping(rule), peers) for rule in as_list(spec.get(direction)))
        ]
        if directions or denied or opened:
            selector = spec["endpointSelector"]
            labels = {strip_label_source(key): value for key, value in as_mapping(selector.get("matchLabels")).items()}
            expressions = [
                {**entry, "key": strip_label_source(str(entry.get("key")))} for entry in _list_expressions(selector)
            ]
            yield PodSelection(labels, expressions, directions, _name_policy(policy, opened), denied)


def denies_by_default(spec: Mapping[str, Any], direction: str) -> bool:
    """Return True if a Cilium rule isolates its endpoints in `direction`.

    `enableDefaultDeny` decides if it is set; else any rule for the direction isolates (Cilium docs, Policy).
    """
    explicit = as_mapping(spec.get("enableDefaultDeny")).get(direction)
    return explicit if isinstance(explicit, bool) else bool(spec.get(direction) or spec.get(f"{direction}Deny"))


def _name_policy(policy: Mapping[str, Any], directions: Iterable[str]) -> dict[str, str]:
    """Return the kind and name of `policy` for each of `directions`."""
    name = f"{policy.get('kind')} {as_mapping(policy.get('metadata')).get('name')}"
    return dict.fromkeys(directions, name)


def _allows_all(rule: Mapping[str, Any], peers_field: str) -> bool:
    """Return True if a rule of a NetworkPolicy matches every address and every TCP port.

    A rule without peers matches all of them, as does a rule without ports (API reference).
    """
    peers = [as_mapping(peer) for peer in as_list(rule.get(peers_field))]
    blocks = [as_mapping(peer.get("ipBlock")) for peer in peers]
    ports = [as_mapping(port) for port in as_list(rule.get("ports"))]
    return (not peers or _covers_all(block.get("cidr") for block in blocks if not block.get("except"))) and (
        not ports or any(map(_has_all_ports, ports))
    )


def _has_all_ports(port: Mapping[str, Any]) -> bool:
    is_range = port.get("port") in (0, 1) and port.get("endPort") == _LAST_PORT
    return port.get("protocol", "TCP") == "TCP" and (port.get("port") is None or is_range)


def _covers_all(blocks: Iterable[object]) -> bool:
    """Return True if the CIDR blocks cover all addresses of IPv4 or of IPv6 together."""
    networks: dict[int, list[Any]] = {4: [], 6: []}
    for block in blocks:
        try:
            network = ipaddress.ip_network(str(block), strict=False)
        except ValueError:
            continue
        networks[network.version].append(network)
    return any(
        network.prefixlen == 0 for family in networks.values() for network in ipaddress.collapse_addresses(family)
    )


def _cilium_allows_all(rule: Mapping[str, Any], peers_prefix: str) -> bool:
    """Return True if a rule of a Cilium policy matches all peers and every TCP port.

    CIDR blocks match no pods of the cluster (Cilium docs, Layer 3).
    """
    ports = as_list(rule.get("toPorts"))
    if rule.get("icmps") or not (not ports or any(_has_all_cilium_ports(as_mapping(entry)) for entry in ports)):
        return False
    entities = {str(entity) for entity in as_list(rule.get(f"{peers_prefix}Entities"))}
    blocks = [as_mapping(entry) for entry in as_list(rule.get(f"{peers_prefix}CIDRSet"))]
    has_world = "world" in entities or _covers_all(
        [*as_list(rule.get(f"{peers_prefix}CIDR")), *(block.get("cidr") for block in blocks if not block.get("except"))]
    )
    return (
        "all" in entities
        or (has_world and "cluster" in entities)
        or (bool(ports) and not list_cilium_peers(rule, peers_prefix))
    )


def list_cilium_peers(rule: Mapping[str, Any], peers_prefix: str) -> list[Any]:
    """Return the lists of peers in a rule of a Cilium policy; an empty one matches no peer."""
    fields = (key for key in rule if key.startswith(peers_prefix) and key != "toPorts")
    return [rule[key] for key in fields if rule[key] is not None]


def _matches_traffic(rule: Mapping[str, Any], peers_prefix: str) -> bool:
    """Return True if a rule of a Cilium policy matches some traffic.

    `{}` has neither peers nor ports and matches none (Cilium docs, Ingress/Egress Default Deny).
    """
    peers = list_cilium_peers(rule, peers_prefix)
    return all(peers) and bool(peers or rule.get("toPorts") or rule.get("icmps"))


def _has_all_cilium_ports(entry: Mapping[str, Any]) -> bool:
    """Return True if an entry of `toPorts` is for all TCP ports, without conditions on requests. Port 0 is any port."""
    ports = [as_mapping(port) for port in as_list(entry.get("ports"))]
    return not entry.get("rules") and any(
        str(port.get("port")) == "0" and port.get("protocol", "ANY") in ("ANY", "TCP") for port in ports
    )


def strip_label_source(key: str) -> str:
    """Return a Cilium label key without the source of Kubernetes labels: `k8s:app` and `any:app` become `app`."""
    for source in _CILIUM_SOURCES:
        key = key.removeprefix(source)
    return key


def _index_selections(selections: Sequence[PodSelection]) -> dict[str, Any]:
    distinct = list({msgspec.json.encode(selection): selection for selection in selections}.values())
    for_all = [selection for selection in distinct if not (selection.labels or selection.expressions)]
    return {
        **_combine_selections(for_all),
        "has_open": any(selection.opened for selection in distinct),
        "isolates": any(selection.directions for selection in distinct),
        **_index_by_label([selection for selection in distinct if selection.labels or selection.expressions]),
    }


def _combine_selections(selections: Sequence[PodSelection]) -> dict[str, Any]:
    """Return `all`, `opened` and `denied` of `index_isolation`, from the policies that select every pod."""
    return {
        "all": sorted({direction for selection in selections for direction in selection.directions}),
        "opened": {direction: name for selection in selections for direction, name in selection.opened.items()},
        "denied": sorted({direction for selection in selections for direction in selection.denied}),
    }


def _index_by_label(selections: Sequence[PodSelection]) -> dict[str, Any]:
    """Return `by_label`, `by_key` and `other` of `index_isolation`."""
    by_label: dict[str, list[PodSelection]] = {}
    by_key: dict[str, list[PodSelection]] = {}
    other: list[PodSelection] = []
    frequency = Counter(label for selection in selections for label in _format_labels(selection))
    for selection in selections:
        labels = _format_labels(selection)
        keys = [min(labels, key=lambda label: frequency[label])] if labels else _format_alternatives(selection)
        if keys:
            for label in keys:
                by_label.setdefault(label, []).append(selection)
        elif key := next((entry["key"] for entry in selection.expressions if entry.get("operator") == "Exists"), None):
            by_key.setdefault(str(key), []).append(selection)
        else:
            other.append(selection)
    return {"by_label": by_label, "by_key": by_key, "other": other}


def _format_labels(selection: PodSelection) -> list[str]:
    return [f"{key}={value}" for key, value in selection.labels.items() if isinstance(value, str)]


def _format_alternatives(selection: PodSelection) -> list[str]:
    """Return the labels of the first `In` expression; a selected pod has one of them."""
    for entry in selection.expressions:
        if entry.get("operator") == "In":
            return [f"{entry.get('key')}={value}" for value in dict.fromkeys(map(str, as_list(entry.get("values"))))]
    return []


def _list_expressions(selector: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in as_list(selector.get("matchExpressions")) if isinstance(entry, dict)]
