"""The packages of a subject, and the components of VEX documents that name them. No I/O.

A statement never applies to a package outside of its products: a package counts as part of another one only if all of
its files are inside of the other's archive or folder. Dependencies prove nothing: other software may use the same package.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubekeep.images.package import Package
from kubekeep.images.sbom.identity import identify, is_distribution_type
from kubekeep.vulnerabilities.vex.document import VexIdentity, VexTarget
from kubekeep.vulnerabilities.vex.identities import read_hash
from kubekeep.vulnerabilities.vex.purl_matching import get_source, is_source, matches_purl
from kubekeep.vulnerabilities.vex.subject import VexSubject

_WEAK_HASHES = frozenset({"md5"})
"""Hashes that are compared only to exclude: other files can be made with the same one."""


class PackageInventory:
    """Lookup of the packages of a subject that a target of a statement includes."""

    def __init__(self, subject: VexSubject) -> None:
        self.subject = subject
        self._by_name: dict[tuple[str, str], list[Package]] = {}
        self._by_hash: dict[tuple[str, str], list[Package]] = {}
        self._by_reference: dict[str, Package] = {}
        for package in subject.packages:
            names = {package.name, get_source(package).name}
            for name in names:
                self._by_name.setdefault((package.type, name), []).append(package)
            for pair in _list_hashes(package):
                self._by_hash.setdefault(pair, []).append(package)
            self._by_reference[identify(package)] = package

    def covers(self, target: VexTarget, package: Package) -> bool:
        """Return True if a statement about the target applies to the package."""
        return all(self._is_in_product(product, package) for product in target.context) and self._is_in_component(
            target.component, package
        )

    def has(self, target: VexTarget) -> bool:
        """Return True if a statement about the target applies to any package."""
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
