"""Indexes of pods by label, Services by selector and roles by service account, for rules with linear run time.

Never evaluates a rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.model.label_selector import POD_NAME_LABEL, remove_ordinal
from kubekeep.model.resource import Resource
from kubekeep.posture.roles import EffectiveRole

_ACCOUNTS: Final = "system:serviceaccounts"
"""The group of all service accounts; with `:` and a namespace appended, of that namespace (Kubernetes docs, RBAC)."""
_EVERYONE: Final = frozenset({_ACCOUNTS, "system:authenticated"})
_ACCOUNT_USER: Final = "system:serviceaccount:"
"""Prefix of a service account's user name, followed by namespace, `:` and name."""


class IndexedPod(msgspec.Struct, frozen=True):
    """A workload as other objects refer to it: by kind, name, pod labels and ports."""

    kind: str
    api_version: str
    name: str
    labels: dict[str, Any]
    ports: list[Any]
    """Names and numbers of container ports."""


class Grants:
    """Bound roles, and the service accounts that hold them, directly or as members of a group."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self._namespaces: dict[str, list[dict[str, Any]]] = {}
        self._all: list[dict[str, Any]] = []
        self._bound: dict[str, dict[str, list[str]]] = {}
        self._roles: dict[str, dict[str, bool]] = {}

    def bind(self, binding: Resource) -> None:
        """Record the service accounts that `binding` names, even if its role is missing."""
        subjects = binding.object.get("subjects")
        for subject in subjects if isinstance(subjects, list) else ():
            account = find_account(subject, binding) if isinstance(subject, dict) else None
            if account is not None:
                namespace, name = account
                bindings = self._bound.setdefault(namespace, {}).setdefault(name, [])
                bindings.append(f"{binding.kind} {binding.name}")

    def add_role(self, role: EffectiveRole, aggregated: Iterable[Resource]) -> None:
        """Record that a binding refers to `role`, and so to the roles that are aggregated into it."""
        for part in (role.original, *aggregated):
            self._roles.setdefault(part.namespace_or_default, {})[f"{part.kind}/{part.name}"] = True

    def add(self, subject: Resource) -> None:
        """Record the grant of a subject joined with its binding and role; a missing role is null."""
        binding, role = subject.related
        grant = {"binding": _drop_subjects(binding), "role": role.object if role.missing is None else None}
        content = subject.object
        kind, name = content.get("kind"), str(content.get("name"))
        account = find_account(content, binding)
        if account is not None:
            self._accounts.setdefault(account[0], {}).setdefault(account[1], []).append(grant)
        elif kind == "Group" and name in _EVERYONE:
            self._all.append(grant)
        elif kind == "Group" and name.startswith(f"{_ACCOUNTS}:"):
            self._namespaces.setdefault(name.removeprefix(f"{_ACCOUNTS}:"), []).append(grant)

    def build(self, *, has_all_bindings: bool) -> dict[str, Any]:
        """Build the value of `grants`; has_all_bindings: no binding can be outside the input.

        - `accounts`: namespace to account to grants; `namespaces`: namespace to grants of all its accounts; `all`:
          grants of all accounts.
        - `bound`: namespace to account to the bindings that name it (`Kind name`), also with an unknown role.
        - `roles`: namespace to the roles that bindings refer to (`Kind/name`); ClusterRoles are under `default`.
        - `complete`: true if an account without a binding in the input has none.
        """
        return {
            "accounts": self._accounts,
            "namespaces": self._namespaces,
            "all": self._all,
            "bound": self._bound,
            "roles": self._roles,
            "complete": has_all_bindings,
        }


def _drop_subjects(binding: Resource) -> dict[str, Any]:
    """Return a binding without subjects: repeated in each subject's grant, they would need quadratic space."""
    return {key: value for key, value in binding.object.items() if key != "subjects"}


def find_account(subject: Mapping[str, Any], binding: Resource) -> tuple[str, str] | None:
    """Return namespace and name of the service account that `subject` names as account or user, else None."""
    kind, name = subject.get("kind"), str(subject.get("name"))
    if kind == "ServiceAccount":
        return str(subject.get("namespace") or binding.namespace or "default"), name
    if kind == "User" and name.startswith(_ACCOUNT_USER):
        namespace, _, account = name.removeprefix(_ACCOUNT_USER).partition(":")
        return namespace, account
    return None


def index_pods(workloads: Mapping[str, Sequence[IndexedPod]]) -> dict[str, Any]:
    """Index the workloads of each namespace.

    A namespace has `all` workloads; their positions in `all` `by_label` (`key=value`) and `by_key`, in ascending order;
    and `named`, the keys `Kind/name`.
    """
    return {
        namespace: {
            "all": pods,
            "by_label": _index_positions({*_format_pairs(pod.labels)} for pod in pods),
            "by_key": _index_positions(pod.labels for pod in pods),
            "named": {f"{pod.kind}/{pod.name}": True for pod in pods},
        }
        for namespace, pods in workloads.items()
    }


def index_selectors(services: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Index Services by selector: namespace to `key=value` to Services.

    Each Service is under the rarest label of its selector; a pod that the selector matches has this label. One that
    selects a pod of a StatefulSet by name is also under the name of the StatefulSet, whose template has no such label.
    """
    return {namespace: _group_by_rarest_label(group) for namespace, group in services.items()}


def index_nodes(objects: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, bool]]:
    """Return `labels` (`key=value`) of all Nodes, and `prefixes` of their names up to the first `-`."""
    all_metadata = [node["metadata"] for node in objects if isinstance(node.get("metadata"), dict)]
    return {
        "labels": {
            pair: True for metadata in all_metadata for pair in _format_pairs(as_mapping(metadata.get("labels")))
        },
        "prefixes": {str(metadata.get("name")).partition("-")[0]: True for metadata in all_metadata},
    }


def index_values(objects: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the distinct values of each field of the `spec` of `objects`; null if an object leaves the field out."""
    specs = [spec for content in objects if isinstance(spec := content.get("spec"), dict)]
    return {
        field: [*{msgspec.json.encode(value): value for spec in specs for value in (spec.get(field),)}.values()]
        for field in dict.fromkeys(field for spec in specs for field in spec)
    }


def _group_by_rarest_label(services: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    selectors = [(service, _format_pairs(_get_selector(service))) for service in services]
    frequency = Counter(pair for _, pairs in selectors for pair in pairs)
    by_label: dict[str, list[Any]] = {}
    for service, pairs in selectors:
        if pairs:
            by_label.setdefault(min(pairs, key=lambda pair: frequency[pair]), []).append(service)
        if (pod_name := _get_selector(service).get(POD_NAME_LABEL)) is not None:
            by_label.setdefault(f"{POD_NAME_LABEL}={remove_ordinal(str(pod_name))}", []).append(service)
    return by_label


def _get_selector(service: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_mapping(as_mapping(service.get("spec")).get("selector"))


def _format_pairs(labels: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in labels.items()]


def _index_positions(groups: Iterable[Iterable[str]]) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {}
    for position, keys in enumerate(groups):
        for key in keys:
            positions.setdefault(key, []).append(position)
    return positions
