"""Pods selected by network policies, and the directions in which the policies isolate them.

Converts Kubernetes' and Cilium's policies to one form that rules look up by a pod's labels. Never evaluates a pod.
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
"""Kinds of policies that are only counted, not read."""
EVERYWHERE: Final = ""
"""The namespace of cluster-wide policies."""

_CILIUM_SOURCES: Final = ("k8s:", "any:")
"""Label sources of Kubernetes labels (Cilium docs, Label Source)."""


class PodSelection(msgspec.Struct, frozen=True):
    """The pods that one policy selects, and the directions in which it isolates them."""

    labels: dict[str, Any]
    expressions: list[dict[str, Any]]
    directions: list[str]


def index_isolation(objects: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]) -> dict[str, Any]:
    """Return the pod selections of all policies in `objects` (kind to namespace to objects), by namespace.

    Cluster-wide policies are under EVERYWHERE. A namespace has `all`, the directions in which a policy isolates every
    pod, and selections `by_label` (`key=value`), `by_key` (the key must exist) and `other`. Each selection is under the
    rarest of its labels, so that a lookup by a pod's labels yields few candidates.
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
    yield PodSelection(as_mapping(selector.get("matchLabels")), _list_expressions(selector), directions)


def _read_cilium_policy(policy: Mapping[str, Any]) -> Iterator[PodSelection]:
    """Yield the selections of `spec` and `specs` that select endpoints; rules with `nodeSelector` select hosts."""
    for spec in (policy.get("spec"), *as_list(policy.get("specs"))):
        if not isinstance(spec, dict) or not isinstance(spec.get("endpointSelector"), dict):
            continue
        directions = [direction for direction in ("egress", "ingress") if _denies_by_default(spec, direction)]
        if directions:
            selector = spec["endpointSelector"]
            labels = {strip_label_source(key): value for key, value in as_mapping(selector.get("matchLabels")).items()}
            expressions = [
                {**entry, "key": strip_label_source(str(entry.get("key")))} for entry in _list_expressions(selector)
            ]
            yield PodSelection(labels, expressions, directions)


def _denies_by_default(spec: Mapping[str, Any], direction: str) -> bool:
    """Return True if a Cilium rule isolates its endpoints in `direction`.

    `enableDefaultDeny` decides if it is set; else any rule for the direction isolates (Cilium docs, Policy).
    """
    explicit = as_mapping(spec.get("enableDefaultDeny")).get(direction)
    return explicit if isinstance(explicit, bool) else bool(spec.get(direction) or spec.get(f"{direction}Deny"))


def strip_label_source(key: str) -> str:
    """Return a Cilium label key without the source of Kubernetes labels: `k8s:app` and `any:app` become `app`."""
    for source in _CILIUM_SOURCES:
        key = key.removeprefix(source)
    return key


def _index_selections(selections: Sequence[PodSelection]) -> dict[str, Any]:
    isolated_directions: set[str] = set()
    by_label: dict[str, list[PodSelection]] = {}
    by_key: dict[str, list[PodSelection]] = {}
    other: list[PodSelection] = []
    distinct = {msgspec.json.encode(selection): selection for selection in selections}.values()
    frequency = Counter(label for selection in distinct for label in _format_labels(selection))
    for selection in distinct:
        labels = _format_labels(selection)
        keys = [min(labels, key=lambda label: frequency[label])] if labels else _format_alternatives(selection)
        if keys:
            for label in keys:
                by_label.setdefault(label, []).append(selection)
        elif key := next((entry["key"] for entry in selection.expressions if entry.get("operator") == "Exists"), None):
            by_key.setdefault(str(key), []).append(selection)
        elif selection.labels or selection.expressions:
            other.append(selection)
        else:
            isolated_directions.update(selection.directions)
    return {"all": sorted(isolated_directions), "by_label": by_label, "by_key": by_key, "other": other}


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
