"""Facts of an image about single packages, beside the distribution: changelogs and functions of Go executables.

They decide with the package if an advisory applies. Equal facts of many images are equal values. No I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.images.sbom.identity import identify
from kubekeep.model.package import FixedVulnerabilities, GoSymbols, Package
from kubekeep.vulnerabilities.changelog import find_fixed
from kubekeep.vulnerabilities.used_symbols import ImageSymbols

_DIGEST: Final = 16
_PATH: Final = "executable {0}"


class PackageFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Facts about one package.

    fixed: CVEs that the changelog of the installed version names as fixed, sorted. executables: digests of the linked
    functions of the Go executables with the package, sorted; empty if those of one executable are unknown.
    """

    fixed: tuple[str, ...] = ()
    executables: tuple[bytes, ...] = ()


NO_FACTS: Final = PackageFacts()


class ImageFacts(msgspec.Struct, frozen=True):
    """The packages with facts, and the linked functions by digest, without the path of the executable."""

    packages: Mapping[Package, PackageFacts] = {}
    executables: Mapping[bytes, GoSymbols] = {}


class StoredSymbols:
    """The linked functions of the Go executables that have a package, as `UsedSymbols` for exactly this package."""

    def __init__(self, executables: Iterable[GoSymbols]) -> None:
        named = [
            msgspec.structs.replace(symbols, path=_PATH.format(number)) for number, symbols in enumerate(executables)
        ]
        self._symbols = ImageSymbols(named)
        self._paths = [symbols.path for symbols in named]

    def get_imports(self, package: Package) -> Mapping[str, frozenset[str] | None] | None:
        """Return symbols by import path; None if those of an executable cannot be read."""
        del package
        return self._symbols.find_imports(self._paths)


def collect_facts(
    packages: Sequence[Package], fixes: Iterable[FixedVulnerabilities], go_symbols: Iterable[GoSymbols]
) -> ImageFacts:
    """Return the facts of an image about its packages."""
    digests: dict[str, bytes] = {}
    executables: dict[bytes, GoSymbols] = {}
    for symbols in go_symbols:
        content = msgspec.structs.replace(symbols, path="")
        digest = hashlib.blake2b(msgspec.msgpack.encode(content), digest_size=_DIGEST).digest()
        digests[symbols.path] = digest
        executables[digest] = content
    fixed = find_fixed(packages, fixes)
    facts: dict[Package, PackageFacts] = {}
    for package in packages:
        paths = {location.path for location in package.locations}
        # One unknown executable makes the answer for all of them unknown.
        linked = sorted({digests[path] for path in paths}) if paths and paths <= digests.keys() else ()
        own = PackageFacts(tuple(sorted(fixed.get(identify(package), ()))), tuple(linked))
        if own != NO_FACTS:
            facts[package] = own
    return ImageFacts(facts, executables)
