"""The packages of a subject, and the components of VEX documents that name them. No I/O.

A statement never applies to a package outside of its products: a package counts as part of another one only if all of
its files are inside of the other's archive or folder. Dependencies prove nothing: other software may use the same package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.images.sbom.identity import identify
from kubekeep.model.package import Package
from kubekeep.vulnerabilities.vex.document import VexIdentity, VexTarget
from kubekeep.vulnerabilities.vex.identities import read_hash
from kubekeep.vulnerabilities.vex.purl_matching import is_source, matches_purl
from kubekeep.vulnerabilities.vex.subject import VexSubject

_WEAK_HASHES = frozenset({"md5"})
"""Hashes that are compared only to exclude: other files can be made with the same one."""


PackageKey = tuple[str, str]
"""Type and name of a package or of its source package."""
_DEEPEST = 100
"""Maximum number of archives or folders around a file that are looked up."""
_IMAGE_TYPES = frozenset({"oci", "docker"})


class TargetIndex:
    """The targets of a statement: by the package that they name, and all others."""

    def __init__(self) -> None:
        self.by_key: dict[PackageKey, list[VexTarget]] = {}
        self.others: list[VexTarget] = []


class ProductInventory:
    """Lookup of the packages of a subject that a target of a statement includes."""

    def __init__(self, subject: VexSubject) -> None:
        self.subject = subject
        self._by_name: dict[tuple[str, str], list[Package]] = {}
        self._by_hash: dict[tuple[str, str], list[Package]] = {}
        self._by_reference: dict[str, Package] = {}
        self._by_path: dict[str, list[Package]] = {}
        self._keys: dict[Package, frozenset[PackageKey]] = {}
        self._presence: dict[int, bool] = {}
        self._own_keys = {(purl.type, purl.name) for purl in subject.purls}
        for package in subject.packages:
            for key in _list_keys(package):
                self._by_name.setdefault(key, []).append(package)
            for location in package.locations:
                self._by_path.setdefault(location.path, []).append(package)
            for pair in _list_hashes(package):
                self._by_hash.setdefault(pair, []).append(package)
            self._by_reference[identify(package)] = package

    def index(self, targets: Iterable[VexTarget]) -> TargetIndex:
        """Return the targets of a statement by the packages that they may be about."""
        index = TargetIndex()
        for target in targets:
            component = target.component
            keys = {(purl.type, purl.name) for purl in component.purls}
            is_plain = not (component.names or component.hashes or component.reference or component.cpes)
            if is_plain and keys and not any(key[0] in _IMAGE_TYPES or key in self._own_keys for key in keys):
                for key in keys:
                    index.by_key.setdefault(key, []).append(target)
            else:
                index.others.append(target)
        return index

    def find_covering(self, index: TargetIndex, package: Package) -> VexTarget | None:
        """Return a target that includes the package; None if there is none."""
        for key in self._get_keys(package):
            for target in index.by_key.get(key, ()):
                if self.covers(target, package):
                    return target
        return next((target for target in index.others if self.covers(target, package)), None)

    def _get_keys(self, package: Package) -> frozenset[PackageKey]:
        """Return the keys of the package and of all packages that may contain it."""
        if package not in self._keys:
            keys = set(_list_keys(package))
            for location in package.locations[:1]:
                for path in _list_container_paths(location.path):
                    for container in self._by_path.get(path, ()):
                        keys.update(_list_keys(container))
            self._keys[package] = frozenset(keys)
        return self._keys[package]

    def covers(self, target: VexTarget, package: Package) -> bool:
        """Return True if a statement about the target applies to the package."""
        return all(self._is_in_product(product, package) for product in target.context) and self._is_in_component(
            target.component, package
        )

    def has(self, target: VexTarget) -> bool:
        """Return True if a statement about the target applies to any package."""
        # Statements of a document share their targets.
        key = id(target)
        if key not in self._presence:
            self._presence[key] = self._has(target)
        return self._presence[key]

    def _has(self, target: VexTarget) -> bool:
        component = target.component
        if self.subject.matches(component) or self.subject.matches_system(component):
            return any(self.covers(target, package) for package in self.subject.packages)
        return any(self.covers(target, match) for match in self._find(component))

    def matches(self, identity: VexIdentity, package: Package) -> bool:
        """Return True if the identity is that of the package itself."""
        own = dict(_list_hashes(package))
        comparable = [(name, own[name] == value) for name, value in identity.hashes if name in own]
        if not all(equal for _, equal in comparable):
            return False
        if any(name not in _WEAK_HASHES for name, _ in comparable):
            return True
        if identity.reference and self.subject.references.get(identity.reference) == identify(package):
            return True
        return not identity.version_range and any(
            matches_purl(purl, package, self.subject.distribution) for purl in identity.purls
        )

    def _is_in_product(self, product: VexIdentity, package: Package) -> bool:
        return (
            self.subject.matches(product)
            or self.subject.matches_system(product)
            or any(self._contains(container, package) for container in self._find(product))
        )

    def _is_in_component(self, component: VexIdentity, package: Package) -> bool:
        if self.matches(component, package) or self.subject.matches(component):
            return True
        if self.subject.matches_system(component):
            # The distribution states nothing about packages that others install.
            return is_distribution_type(package.type)
        return any(self._contains(container, package) for container in self._find(component))

    def _find(self, identity: VexIdentity) -> Iterator[Package]:
        """Yield the packages that the identity names."""
        candidates: dict[str, Package] = {}
        for purl in identity.purls:
            for package in self._by_name.get((purl.type, purl.name), ()):
                if is_source(purl) or package.name == purl.name:
                    candidates[identify(package)] = package
        for pair in identity.hashes:
            candidates.update((identify(package), package) for package in self._by_hash.get(pair, ()))
        if identity.reference:
            reference = self.subject.references.get(identity.reference, "")
            if reference in self._by_reference:
                candidates[reference] = self._by_reference[reference]
        yield from (package for package in candidates.values() if self.matches(identity, package))

    def _contains(self, container: Package, package: Package) -> bool:
        """Return True if the package is in the image only as a part of the container."""
        if container == package:
            return True
        prefixes = tuple(_list_prefixes(container))
        return bool(package.locations and prefixes) and all(
            location.path.startswith(prefixes) for location in package.locations
        )


def _list_keys(package: Package) -> Iterator[PackageKey]:
    yield (package.type, package.name)
    if package.source is not None:
        yield (package.type, package.source.name)


def _list_container_paths(path: str) -> Iterator[str]:
    """Yield the paths of files that prove packages which may contain the file at a path."""
    for separator, end in (("!/", ""), ("/node_modules/", "/package.json")):
        position = path.find(separator)
        for _ in range(_DEEPEST):
            if position <= 0:
                break
            yield path[:position] + end
            position = path.find(separator, position + 1)


def _list_prefixes(container: Package) -> Iterator[str]:
    """Yield the beginnings of the paths of files inside of a package: in its archive, or in its own `node_modules`."""
    for location in container.locations:
        yield f"{location.path}!/"
        folder, _, name = location.path.rpartition("/")
        if container.type == "npm" and name == "package.json" and folder:
            yield f"{folder}/node_modules/"


def _list_hashes(package: Package) -> Iterator[tuple[str, str]]:
    for algorithm, value in package.hashes:
        yield from read_hash(algorithm, value)
