"""Who selects whom, and what service accounts are granted: indexes that keep relational rules linear.

Builds what rules look up by label, name or account; never judges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import Resource

_ACCOUNTS: Final = "system:serviceaccounts"
"""The group of all service accounts; followed by `:` and a namespace, of those in it (Kubernetes docs, RBAC)."""
_EVERYONE: Final = frozenset({_ACCOUNTS, "system:authenticated"})
_ACCOUNT_USER: Final = "system:serviceaccount:"
"""How a service account is written as a user: followed by its namespace, `:` and its name."""


class Pod(msgspec.Struct, frozen=True):
    """What other objects can know of a workload: who it is, and what its pods look like to them."""

    kind: str
    api_version: str
    name: str
    labels: dict[str, Any]
    ports: list[Any]
    """Ports that its containers name or number."""


class Grants:
    """Bound roles by the service accounts that hold them, themselves or as members of a group."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self._namespaces: dict[str, list[dict[str, Any]]] = {}
        self._all: list[dict[str, Any]] = []
        self._bound: dict[str, dict[str, list[str]]] = {}

    def bind(self, binding: Resource) -> None:
        """Take note of the service accounts that `binding` names, whatever role it gives them."""
        subjects = binding.object.get("subjects")
        for subject in subjects if isinstance(subjects, list) else ():
            account = account_of(subject, binding) if isinstance(subject, dict) else None
            if account is not None:
                namespace, name = account
                bindings = self._bound.setdefault(namespace, {}).setdefault(name, [])
                bindings.append(f"{binding.kind} {binding.name}")

    def add(self, subject: Mapping[str, Any], binding: Resource, role: Resource) -> None:
        """Take note that `binding` gives `role` to `subject`."""
        kind, name = subject.get("kind"), str(subject.get("name"))
        grant = {"binding": _without_subjects(binding), "role": role.object}
        account = account_of(subject, binding)
        if account is not None:
            self._accounts.setdefault(account[0], {}).setdefault(account[1], []).append(grant)
        elif kind == "Group" and name in _EVERYONE:
            self._all.append(grant)
        elif kind == "Group" and name.startswith(f"{_ACCOUNTS}:"):
            self._namespaces.setdefault(name.removeprefix(f"{_ACCOUNTS}:"), []).append(grant)

    def data(self) -> dict[str, Any]:
        """What accounts are granted, and by what they are bound.

        - `accounts`: namespace to account to grants; `namespaces`: to those of all its accounts; `all`.
        - `bound`: namespace to account to the bindings that name it (`Kind name`), their role known or not.
        """
        return {
            "accounts": self._accounts,
            "namespaces": self._namespaces,
            "all": self._all,
            "bound": self._bound,
        }


def _without_subjects(binding: Resource) -> dict[str, Any]:
    """A binding as each of its subjects' grants carries it: together they would grow with the square."""
    return {key: value for key, value in binding.object.items() if key != "subjects"}


def account_of(subject: Mapping[str, Any], binding: Resource) -> tuple[str, str] | None:
    """Namespace and name of the service account that `subject` is, by either of its names."""
    kind, name = subject.get("kind"), str(subject.get("name"))
    if kind == "ServiceAccount":
        return str(subject.get("namespace") or binding.namespace or "default"), name
    if kind == "User" and name.startswith(_ACCOUNT_USER):
        namespace, _, account = name.removeprefix(_ACCOUNT_USER).partition(":")
        return namespace, account
    return None


def pods(workloads: Mapping[str, Sequence[Pod]]) -> dict[str, Any]:
    """The workloads of each namespace.

    `all`; places in `all` `by_label` (`key=value`) and `by_key`, in ascending order; and `named` (`Kind/name`).
    """
    return {
        namespace: {
            "all": found,
            "by_label": _places({*_pairs(item.labels)} for item in found),
            "by_key": _places(item.labels for item in found),
            "named": {f"{item.kind}/{item.name}": True for item in found},
        }
        for namespace, found in workloads.items()
    }


def selecting(services: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Services by what they select: namespace to `key=value` to services.

    Each is under the rarest label of its selector, so that a pod that has all of them finds it by that one.
    """
    return {namespace: _by_rarest(found) for namespace, found in services.items()}


def nodes(objects: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, bool]]:
    """What some Node has: `labels` (`key=value`), and `prefixes` of names up to the first `-`."""
    found = [item["metadata"] for item in objects if isinstance(item.get("metadata"), dict)]
    labels = [item["labels"] for item in found if isinstance(item.get("labels"), dict)]
    return {
        "labels": {pair: True for item in labels for pair in _pairs(item)},
        "prefixes": {str(item.get("name")).partition("-")[0]: True for item in found},
    }


def values(objects: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Each field of the `spec` of `objects` to its distinct values, null among them if an object leaves it out."""
    specs = [spec for item in objects if isinstance(spec := item.get("spec"), dict)]
    return {
        field: [*{msgspec.json.encode(value): value for spec in specs for value in (spec.get(field),)}.values()]
        for field in dict.fromkeys(field for spec in specs for field in spec)
    }


def _by_rarest(services: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    selectors = [(service, _pairs(_selector(service))) for service in services]
    popular = Counter(pair for _, pairs in selectors for pair in pairs)
    found: dict[str, list[Any]] = {}
    for service, pairs in selectors:
        if pairs:
            found.setdefault(min(pairs, key=lambda pair: popular[pair]), []).append(service)
    return found


def _selector(service: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_mapping(as_mapping(service.get("spec")).get("selector"))


def _pairs(labels: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in labels.items()]


def _places(groups: Iterable[Iterable[str]]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for at, words in enumerate(groups):
        for word in words:
            places.setdefault(word, []).append(at)
    return places
