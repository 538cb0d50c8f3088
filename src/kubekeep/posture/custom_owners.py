"""Custom resources from which an operator may create pods, so that pods can exist that the input does not show.

Kubekeep does not know the operators. A custom resource without a pod template may own pods if its `spec` has a field that
describes pods or their number, at most three levels deep. Others are indexed too: a selector may name them.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

from kubekeep.model.control import is_collected
from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import Resource
from kubekeep.model.workload import is_pattern_group, list_pod_paths

_LEVELS: Final = 3
_MOST_ELEMENTS: Final = 20
_POD_FIELDS: Final = frozenset(
    {
        *(
            "affinity",
            "containers",
            "imagePullPolicy",
            "imagePullSecrets",
            "initContainers",
            "livenessProbe",
            "nodeSelector",
        ),
        *(
            "podAnnotations",
            "podLabels",
            "podMetadata",
            "podSecurityContext",
            "podSpec",
            "podTemplate",
            "priorityClassName",
        ),
        *("readinessProbe", "serviceAccountName", "terminationGracePeriodSeconds", "tolerations", "volumeMounts"),
        *("topologySpreadConstraints", "volumeClaimTemplate", "volumeClaimTemplates"),
    }
)
"""Fields of pods, and fields of operators for a pod template or a part of it."""
_COUNT_FIELDS: Final = frozenset({"instances", "members", "numberOfInstances", "replicaCount", "replicas"})
"""Fields with a number of pods."""


def may_own_pods(resource: Resource) -> bool | None:
    """Return True for a custom resource with fields of pods, False for another one.

    None for a built-in kind, a workload, a policy with patterns, and a document that someone collected.
    """
    if resource.is_builtin or is_pattern_group(resource.group) or is_collected(f"{resource.group}/{resource.kind}"):
        return None
    if list_pod_paths(resource):
        return None
    return _describes_pods(as_mapping(resource.object.get("spec")), _LEVELS)


def _describes_pods(value: Any, levels: int) -> bool:
    if isinstance(value, list):
        return any(_describes_pods(element, levels) for element in itertools.islice(value, _MOST_ELEMENTS))
    if not isinstance(value, dict) or not levels:
        return False
    return any(
        (key in _POD_FIELDS and child is not None)
        or (key in _COUNT_FIELDS and isinstance(child, int))
        or _describes_pods(child, levels - 1)
        for key, child in value.items()
    )
