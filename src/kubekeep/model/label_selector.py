"""Labels and label selectors as the Kubernetes API matches them. Never looks up a resource.

Source: Kubernetes documentation, "Labels and Selectors".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label with the name of a namespace; the API server sets it."""
POD_NAME_LABEL: Final = "statefulset.kubernetes.io/pod-name"
"""The label with the name of a pod of a StatefulSet; its controller sets it, so that a Service can select one pod."""


def remove_ordinal(pod_name: str) -> str:
    """Return the name of the StatefulSet of a pod: `db` for `db-0`."""
    name, _, ordinal = pod_name.rpartition("-")
    return name if ordinal.isdecimal() else pod_name


class SelectorRequirement(msgspec.Struct, frozen=True):
    """One expression of a label selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(msgspec.Struct, frozen=True, rename="camel"):
    """A label selector."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[SelectorRequirement, ...] = ()

    @property
    def requirements(self) -> tuple[SelectorRequirement, ...]:
        """The whole selector as a list of requirements, all of which must match."""
        return (
            *(SelectorRequirement(key, "In", (value,)) for key, value in self.match_labels.items()),
            *self.match_expressions,
        )


def parse_selector(selector: Mapping[str, Any]) -> LabelSelector | None:
    """Return the label selector; None if it is invalid."""
    fields = {key: value for key, value in selector.items() if value is not None}
    try:
        return msgspec.convert(fields, LabelSelector)
    except msgspec.ValidationError:
        return None


def get_labels(resource_object: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of an object, {} if they are malformed."""
    metadata = resource_object.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Return True if `selector` matches `labels`."""
    return all(matches_requirement(requirement, labels) for requirement in selector.requirements)


def matches_requirement(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Return True if `labels` satisfy `requirement`; an unknown operator is never satisfied."""
    match requirement.operator:
        case "In":
            return labels.get(requirement.key) in requirement.values
        case "NotIn":
            return requirement.key not in labels or labels[requirement.key] not in requirement.values
        case "Exists":
            return requirement.key in labels
        case "DoesNotExist":
            return requirement.key not in labels
        case _:
            return False
