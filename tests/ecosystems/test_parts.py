"""Each ecosystem has all of its parts, and each package of a catalogue has an ecosystem."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import kubekeep.images.catalog
from kubekeep.ecosystems.shared.ecosystem import Ecosystem, LinuxDistribution, QueryName
from kubekeep.ecosystems.shared.registry import (
    find_ecosystem,
    index_distributions,
    is_distribution_type,
    load_ecosystems,
)
from kubekeep.ecosystems.shared.releases import GrypeRelease
from kubekeep.images.catalog.registry import load_catalogs
from kubekeep.model.package import Distribution, Package, qualify_name
from kubekeep.vulnerabilities.versions.registry import load_scheme

NAMES = [("", "name"), ("Name-Space/Sub", "My_Package.Name"), ("@Scope", "Name"), ("example.org/Path", "v2")]

ecosystems = pytest.mark.parametrize("ecosystem", load_ecosystems().values(), ids=load_ecosystems())
distributions = pytest.mark.parametrize("distribution", index_distributions().values(), ids=index_distributions())


@pytest.mark.parametrize("module", load_ecosystems())
def test_a_module_has_the_name_of_its_first_type(module: str) -> None:
    types = load_ecosystems()[module].types
    assert not types or types[0].name.replace("-", "_") == module


@ecosystems
def test_packages_have_advisories_or_a_reason(ecosystem: Ecosystem) -> None:
    assert ecosystem.types or ecosystem.advisories
    assert bool(ecosystem.advisories) is bool(ecosystem.version_scheme)
    assert bool(ecosystem.advisories) is not bool(ecosystem.no_advisories)
    if ecosystem.version_scheme:
        assert load_scheme(ecosystem.version_scheme).compare("1.2.3", "1.10.0") == -1


@ecosystems
def test_catalogues_exist(ecosystem: Ecosystem) -> None:
    assert {catalog.name for catalog in load_catalogs()} >= set(ecosystem.catalogs)


@ecosystems
def test_names_are_normalised_once(ecosystem: Ecosystem) -> None:
    for kind in ecosystem.types:
        for namespace, name in NAMES:
            normalised = kind.normalise(namespace, name)
            assert kind.normalise(*normalised) == normalised
    for _, name in NAMES:
        key = ecosystem.normalise_record_name(name)
        assert ecosystem.normalise_record_name(key) == key == key.lower()


@ecosystems
def test_packages_have_names_in_records(ecosystem: Ecosystem) -> None:
    for kind in ecosystem.types:
        package = Package(type=kind.name, namespace="space", name="name", version="1.0")
        names = ecosystem.list_names(package)
        assert names
        assert all(isinstance(name, QueryName) and "name" in name.name for name in names)


@ecosystems
def test_only_namespaces_of_distributions_are_no_part_of_the_name(ecosystem: Ecosystem) -> None:
    for kind in ecosystem.types:
        is_omitted = qualify_name(Package(type=kind.name, namespace="space", name="name")) == "name"
        assert is_omitted is is_distribution_type(kind.name) is ecosystem.is_distribution


@ecosystems
def test_only_distributions_have_releases(ecosystem: Ecosystem) -> None:
    for number, advisories in enumerate(ecosystem.advisories):
        if ecosystem.is_distribution:
            assert advisories.distributions or not (advisories.is_in_osv or advisories.grype)
            assert bool(advisories.grype) is (advisories.name_grype_release is not None)
        else:
            assert not advisories.distributions
            assert advisories.name_grype_release is None
            assert bool(ecosystem.types and number) is bool(advisories.prefix)
        if advisories.name_grype_release is not None:
            release = advisories.name_grype_release(advisories.name, GrypeRelease(1, "", "15", "", "", ""))
            assert release.partition(":")[0] in (advisories.name, "")


@distributions
def test_releases_are_of_the_distribution(distribution: LinuxDistribution) -> None:
    (name,) = (
        advisories.name
        for ecosystem in load_ecosystems().values()
        for advisories in ecosystem.advisories
        if distribution in advisories.distributions
    )
    release = distribution.build_release(Distribution(distribution.id, "22.04"))
    assert release is not None
    assert release.ecosystem == name
    assert distribution.id not in distribution.other_ids
    assert {distribution.namespace, *distribution.other_ids} & index_distributions().keys() <= {"opensuse"}


def _list_catalogs() -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules(kubekeep.images.catalog.__path__, "kubekeep.images.catalog."):
        loaded = importlib.import_module(module.name)
        if hasattr(loaded, "PATTERNS"):
            yield loaded


CATALOGS = {module.__name__.rpartition(".")[2]: module for module in _list_catalogs()}


def test_each_catalogue_belongs_to_an_ecosystem() -> None:
    assert [catalog.name for catalog in load_catalogs()] == sorted(CATALOGS)


def _list_constants(node: ast.expr) -> Iterator[str]:
    """Yield the values that an expression may have: a text, or one of two texts."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _list_constants(body)
            yield from _list_constants(orelse)
        case _:
            raise AssertionError(f"the type of a package is not a text: {ast.unparse(node)}")


def list_types(source: str) -> set[str]:
    """Return the types of the packages that a module makes."""
    tree = ast.parse(source)
    assigned = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Package")
    values = (keyword.value for call in calls for keyword in call.keywords if keyword.arg == "type")
    return {
        text
        for value in values
        for text in _list_constants(assigned[value.id] if isinstance(value, ast.Name) else value)
    }


@pytest.mark.parametrize("name", CATALOGS)
def test_packages_of_a_catalogue_have_an_ecosystem(name: str) -> None:
    for kind in list_types(Path(str(CATALOGS[name].__file__)).read_text()):
        ecosystem = find_ecosystem(kind)
        assert ecosystem is not None, kind
        assert name in ecosystem.catalogs


def test_helpers_of_catalogues_make_no_packages() -> None:
    folder = Path(kubekeep.images.catalog.__path__[0])
    others = [path for path in folder.glob("*.py") if path.stem not in CATALOGS]
    assert others
    assert [path.stem for path in others if list_types(path.read_text())] == []


def test_types_are_read_from_modules() -> None:
    source = 'kind = "b" if x else "c"\nPackage(type="a", name="x")\nPackage(type=kind, name="x")'
    assert list_types(source) == {"a", "b", "c"}
