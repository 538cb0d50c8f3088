"""Namespaces of objects in files that do not state one. Never evaluates a rule.

`kubectl apply -n argocd -f install.yaml` chooses the namespace of such objects. Bindings to service accounts state it,
because the API server requires the namespace of an account in a ClusterRoleBinding.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.cluster import RBAC
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.resource import Resource
from kubekeep.model.resource_types import ResourceTypes
from kubekeep.model.source import Source
from kubekeep.model.workload import list_pod_paths, value_at_or

_ACCOUNT: Final = "ServiceAccount"
_DEFAULT_ACCOUNT: Final = "default"
_MOST_NAMES: Final = 3


class Inference(msgspec.Struct, frozen=True):
    """The result of a search: the namespaces of resources by position, and notes for the user."""

    namespaces: Mapping[int, str]
    notes: tuple[str, ...]


def infer_namespaces(resources: Sequence[Resource]) -> Inference:
    """Find the namespace of objects without one, where bindings name their service accounts in exactly one.

    An object belongs to the others of its file, or else of its folder or kustomization. If all workloads without a
    namespace belong to one namespace, so do the objects of other folders.
    """
    by_account = _list_bound_namespaces(resources)
    if not by_account:
        return Inference({}, ())
    types = ResourceTypes(resources)
    candidates = [
        _Candidate(number, resource, tuple(_list_accounts(resource)), bool(list_pod_paths(resource)))
        for number, resource in enumerate(resources)
        if is_open(resource, types)
    ]
    groups = _Groups(by_account, candidates)
    namespaces: dict[int, str] = {}
    while len(resolved := groups.find_namespaces()) > len(namespaces):
        # The accounts of an overlay reveal the namespace of its base.
        namespaces = resolved
        groups = _Groups(_add_accounts(by_account, candidates, namespaces), candidates)
    distinct = set(namespaces.values())
    if len(distinct) == 1 and not any(entry.has_pods and entry.number not in namespaces for entry in candidates):
        namespaces = dict.fromkeys((entry.number for entry in candidates), *distinct)
    return Inference(namespaces, (*_describe(namespaces, resources), *groups.describe_ambiguous()))


class _Candidate(msgspec.Struct, frozen=True):
    """A resource without a namespace, its position, and the names of the accounts that it defines or uses."""

    number: int
    resource: Resource
    accounts: tuple[str, ...]
    has_pods: bool


class _Groups:
    """Namespaces that fit the accounts of a file, and of a folder or kustomization."""

    def __init__(self, by_account: Mapping[str, set[str]], candidates: Sequence[_Candidate]) -> None:
        self._candidates = candidates
        self._by_file: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._by_folder: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for entry in candidates:
            for name in entry.accounts:
                namespaces = by_account.get(name, set())
                self._by_file[_get_file(entry.resource)] |= namespaces
                self._by_folder[_get_folder(entry.resource)] |= namespaces

    def find_namespaces(self) -> dict[int, str]:
        """Return the namespace of each resource that exactly one fits, by its position."""
        namespaces: dict[int, str] = {}
        for entry in self._candidates:
            file, folder = _get_file(entry.resource), _get_folder(entry.resource)
            fitting = self._by_file.get(file) or self._by_folder.get(folder, set())
            if len(fitting) == 1:
                namespaces[entry.number] = next(iter(fitting))
        return namespaces

    def describe_ambiguous(self) -> Iterator[str]:
        """Yield a note about the first file whose accounts fit several namespaces."""
        for (_, file), namespaces in self._by_file.items():
            if len(namespaces) > 1:
                names = ", ".join(sorted(namespaces)[:_MOST_NAMES])
                yield f"{file}: bindings name its service accounts in several namespaces ({names}); use --namespace to set one"
                return


def _add_accounts(
    by_account: Mapping[str, set[str]], candidates: Sequence[_Candidate], namespaces: Mapping[int, str]
) -> dict[str, set[str]]:
    """Return the namespaces of accounts with those of resources whose namespace has been inferred."""
    extended = {name: set(names) for name, names in by_account.items()}
    for entry in candidates:
        for name in entry.accounts if entry.number in namespaces else ():
            if name != _DEFAULT_ACCOUNT:
                extended.setdefault(name, {namespaces[entry.number]})
    return extended


def _describe(namespaces: Mapping[int, str], resources: Sequence[Resource]) -> Iterator[str]:
    """Yield a note for each namespace that objects were assigned to."""
    for namespace in sorted(set(namespaces.values())):
        numbers = [number for number, name in namespaces.items() if name == namespace]
        files = list(dict.fromkeys(_get_file(resources[number])[1] for number in numbers))
        names = f"{', '.join(files[:_MOST_NAMES])}{', …' if len(files) > _MOST_NAMES else ''}"
        count = f"{len(numbers)} object{'' if len(numbers) == 1 else 's'}"
        reason = "bindings name their service accounts there"
        yield f"assumed namespace {namespace} for {count} without one ({names}): {reason}; use --namespace to set another"


def _list_bound_namespaces(resources: Iterable[Resource]) -> dict[str, set[str]]:
    """Return the namespaces in which bindings name an account that the input does not define there, by its name."""
    by_account: defaultdict[str, set[str]] = defaultdict(set)
    for resource in resources:
        if resource.group == RBAC and resource.kind in ("ClusterRoleBinding", "RoleBinding"):
            for subject in map(as_mapping, as_list(resource.object.get("subjects"))):
                namespace, name = subject.get("namespace"), subject.get("name")
                is_account = subject.get("kind") == _ACCOUNT and name != _DEFAULT_ACCOUNT
                if is_account and isinstance(name, str) and isinstance(namespace, str) and namespace:
                    by_account[name].add(namespace)
    for resource in resources if by_account else ():
        if resource.kind == _ACCOUNT and resource.namespace and resource.name in by_account:
            by_account[resource.name].discard(resource.namespace)
    return {name: namespaces for name, namespaces in by_account.items() if namespaces}


def is_open(resource: Resource, types: ResourceTypes) -> bool:
    """Return True if the namespace of an object is chosen when its file is applied."""
    source = resource.source
    return (
        source is not None
        and source.file_type.has_open_namespaces
        and not resource.namespace
        and types.is_namespaced(resource)
    )


def _list_accounts(resource: Resource) -> Iterator[str]:
    """Yield the name of a service account, or the names of those that the pods of a workload run as."""
    if resource.kind == _ACCOUNT and not resource.group:
        yield resource.name
    for pod in _list_pods(resource):
        spec = as_mapping(as_mapping(pod).get("spec"))
        yield str(spec.get("serviceAccountName") or spec.get("serviceAccount") or _DEFAULT_ACCOUNT)


def _list_pods(resource: Resource) -> list[Any]:
    return [value_at_or(resource.object, path, None) for path in list_pod_paths(resource)]


def _get_source(resource: Resource) -> Source:
    if resource.source is None:
        raise ValueError("a resource of a cluster")
    return resource.source


def _get_file(resource: Resource) -> tuple[str, str]:
    source = _get_source(resource)
    return source.base, source.path


def _get_folder(resource: Resource) -> tuple[str, str]:
    """Return the folder of a file; a kustomization is a folder of its own."""
    source = _get_source(resource)
    return source.base, source.path if source.origin is not None else posixpath.dirname(source.path)
