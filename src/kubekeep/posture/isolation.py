"""Which pods the network policies of the input select, and in which directions they isolate them.

Brings Kubernetes' and Cilium's policies into one form that a pod looks up by its own labels; never judges a pod.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    "crd.projectcalico.org/GlobalNetworkPolicy",
    "crd.projectcalico.org/NetworkPolicy",
    "projectcalico.org/GlobalNetworkPolicy",
    "projectcalico.org/NetworkPolicy",
)
"""The kinds of which no more is known than that there are some."""
EVERYWHERE: Final = ""
"""Stands for the whole cluster where a namespace is expected."""

_CILIUM_SOURCES: Final = ("k8s:", "any:")
"""Label sources that mean labels of Kubernetes (Cilium docs, Label Source)."""


class Selection(msgspec.Struct, frozen=True):
    """The pods that one policy selects, and the directions in which they are isolated by it."""

    labels: dict[str, Any]
    expressions: list[dict[str, Any]]
    directions: list[str]


def isolation(objects: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]) -> dict[str, Any]:
    """The selections of all policies in `objects` (kind to namespace to objects), by namespace.

    Those of cluster-wide policies are under EVERYWHERE. A namespace has `all`: the directions in which some
    policy isolates every pod; and selections `by_label` (`key=value`), `by_key` (the key must exist) and
    `other`, each in the narrowest place where a pod that it selects finds it.
    """
    found: dict[str, list[Selection]] = {}
    for kind, read in ((NETWORK_POLICY, _kubernetes), (CILIUM_POLICY, _cilium), (CILIUM_CLUSTERWIDE, _cilium)):
        for namespace, policies in objects.get(kind, {}).items():
            scope = EVERYWHERE if kind == CILIUM_CLUSTERWIDE else namespace
            found.setdefault(scope, []).extend(item for policy in policies for item in read(policy))
    return {namespace: _arranged(selections) for namespace, selections in found.items() if selections}


def enforcement(objects: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]) -> dict[str, bool]:
    """`always` where Cilium drops all traffic that no policy allows (Cilium docs, Policy Enforcement Modes).

    What is called like its settings in a namespace of somebody else says nothing.
    """
    for namespace in CILIUM_NAMESPACES:
        for item in objects.get("ConfigMap", {}).get(namespace, ()):
            name, data = as_mapping(item.get("metadata")).get("name"), as_mapping(item.get("data"))
            if name == CILIUM_SETTINGS and data.get("enable-policy") == "always":
                return {"always": True}
    return {}


def _kubernetes(policy: Mapping[str, Any]) -> Iterator[Selection]:
    """A policy without `policyTypes` is for ingress, and for egress if it has egress rules (API reference)."""
    spec = as_mapping(policy.get("spec"))
    types = as_list(spec.get("policyTypes")) or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    directions = sorted({str(item).lower() for item in types} & {"egress", "ingress"})
    selector = as_mapping(spec.get("podSelector"))
    yield Selection(as_mapping(selector.get("matchLabels")), _expressions(selector), directions)


def _cilium(policy: Mapping[str, Any]) -> Iterator[Selection]:
    """Every rule of `spec` and `specs` that selects endpoints; those with `nodeSelector` select hosts."""
    for spec in (policy.get("spec"), *as_list(policy.get("specs"))):
        if not isinstance(spec, dict) or not isinstance(spec.get("endpointSelector"), dict):
            continue
        directions = [direction for direction in ("egress", "ingress") if _denies_by_default(spec, direction)]
        if directions:
            selector = spec["endpointSelector"]
            labels = {_plain(key): value for key, value in as_mapping(selector.get("matchLabels")).items()}
            expressions = [{**item, "key": _plain(str(item.get("key")))} for item in _expressions(selector)]
            yield Selection(labels, expressions, directions)


def _denies_by_default(spec: Mapping[str, Any], direction: str) -> bool:
    """Rules for a direction isolate in it unless `enableDefaultDeny` says otherwise (Cilium docs, Policy)."""
    said = as_mapping(spec.get("enableDefaultDeny")).get(direction)
    return said if isinstance(said, bool) else bool(spec.get(direction) or spec.get(f"{direction}Deny"))


def _plain(key: str) -> str:
    for source in _CILIUM_SOURCES:
        key = key.removeprefix(source)
    return key


def _arranged(selections: Sequence[Selection]) -> dict[str, Any]:
    everything: set[str] = set()
    by_label: dict[str, list[Selection]] = {}
    by_key: dict[str, list[Selection]] = {}
    other: list[Selection] = []
    distinct = {msgspec.json.encode(item): item for item in selections}.values()
    popular = Counter(label for item in distinct for label in _labels(item))
    for item in distinct:
        labels = _labels(item)
        chosen = [min(labels, key=lambda label: popular[label])] if labels else _listed(item)
        if chosen:
            for label in chosen:
                by_label.setdefault(label, []).append(item)
        elif key := next((entry["key"] for entry in item.expressions if entry.get("operator") == "Exists"), None):
            by_key.setdefault(str(key), []).append(item)
        elif item.labels or item.expressions:
            other.append(item)
        else:
            everything.update(item.directions)
    return {"all": sorted(everything), "by_label": by_label, "by_key": by_key, "other": other}


def _labels(item: Selection) -> list[str]:
    return [f"{key}={value}" for key, value in item.labels.items() if isinstance(value, str)]


def _listed(item: Selection) -> list[str]:
    """The labels of which a pod must have one, by an `In`."""
    for entry in item.expressions:
        if entry.get("operator") == "In":
            return [f"{entry.get('key')}={value}" for value in dict.fromkeys(map(str, as_list(entry.get("values"))))]
    return []


def _expressions(selector: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [item for item in as_list(selector.get("matchExpressions")) if isinstance(item, dict)]
