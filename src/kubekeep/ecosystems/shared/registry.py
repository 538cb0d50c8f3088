"""All ecosystems, from a walk over the modules of the package, and look-ups by the names that others use.

The first look-up imports the modules of all ecosystems, which import no version scheme and no catalogue.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import TypeVar

import kubekeep.ecosystems
from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, LinuxDistribution, PackageType

_Value = TypeVar("_Value")


@functools.cache
def load_ecosystems() -> Mapping[str, Ecosystem]:
    """Return all ecosystems by the name of their module, in alphabetical order."""
    modules = pkgutil.iter_modules(kubekeep.ecosystems.__path__)
    names = sorted(module.name for module in modules if not module.ispkg)
    return {name: importlib.import_module(f"{kubekeep.ecosystems.__name__}.{name}").ECOSYSTEM for name in names}


def find_ecosystem(package_type: str) -> Ecosystem | None:
    """Return the ecosystem of a type of package URL."""
    return _index_ecosystems().get(package_type)


def find_type(package_type: str) -> PackageType | None:
    """Return the definition of a type of package URL."""
    return _index_types().get(package_type)


def is_distribution_type(package_type: str) -> bool:
    """Return True for the types of packages of Linux distributions."""
    ecosystem = _index_ecosystems().get(package_type)
    return ecosystem is not None and ecosystem.is_distribution


@functools.cache
def index_advisories() -> Mapping[str, Advisories]:
    """Return all advisories by their name in OSV. Raises ValueError if two ecosystems have the same."""
    return _index((entry.name, entry) for ecosystem in load_ecosystems().values() for entry in ecosystem.advisories)


def find_named_ecosystem(name: str) -> Ecosystem | None:
    """Return the ecosystem of the packages that advisories are about. name: in OSV, without a release."""
    return _index_named_ecosystems().get(name)


@functools.cache
def index_distributions() -> Mapping[str, LinuxDistribution]:
    """Return all distributions by their id in `os-release`. Raises ValueError if two have the same."""
    advisories = index_advisories().values()
    return _index((entry.id, entry) for advisory in advisories for entry in advisory.distributions)


def find_distribution_type(identifier: str) -> str:
    """Return the type of the packages of a distribution by its id; "" for an unknown one."""
    return _index_distribution_types().get(identifier, "")


@functools.cache
def _index_types() -> Mapping[str, PackageType]:
    return _index((entry.name, entry) for ecosystem in load_ecosystems().values() for entry in ecosystem.types)


@functools.cache
def _index_ecosystems() -> Mapping[str, Ecosystem]:
    return {entry.name: ecosystem for ecosystem in load_ecosystems().values() for entry in ecosystem.types}


@functools.cache
def _index_named_ecosystems() -> Mapping[str, Ecosystem]:
    return {entry.name: ecosystem for ecosystem in load_ecosystems().values() for entry in ecosystem.advisories}


@functools.cache
def _index_distribution_types() -> Mapping[str, str]:
    return {
        distribution.id: ecosystem.types[0].name
        for ecosystem in load_ecosystems().values()
        for advisories in ecosystem.advisories
        for distribution in advisories.distributions
    }


def _index(pairs: Iterable[tuple[str, _Value]]) -> dict[str, _Value]:
    """Return the values by name. Raises ValueError if two have the same."""
    values: dict[str, _Value] = {}
    for name, value in pairs:
        if values.setdefault(name, value) is not value:
            raise ValueError(f"two ecosystems define {name}")
    return values
