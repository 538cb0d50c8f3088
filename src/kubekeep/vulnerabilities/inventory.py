"""Inventory of the packages of many images: the images and packages that a change of advisories affects. No I/O.

Equal packages with equal facts in equal distributions are one entry, which is matched once. `rematching` works on any
implementation of `PackageInventory`; `sqlite_inventory` keeps one in a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

import msgspec

from kubekeep.model.package import Distribution, Package, PackageLocation
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols
from kubekeep.vulnerabilities.package_facts import ImageFacts, PackageFacts

_DIGEST: Final = 16

NameLister = Callable[[Package, Distribution], Iterable[tuple[str, str]]]
"""Returns the (ecosystem, normalised name) under which advisories may list a package; the ecosystem has no release."""


class PackageContext(msgspec.Struct, frozen=True):
    """The distribution and the platform of an image, which decide with the package if an advisory applies."""

    distribution: Distribution
    platform: str = ""


class InventoryEntry(msgspec.Struct, frozen=True):
    """A package in a context with its facts. The layers of its locations are empty, since they differ between images."""

    id: int
    package: Package


class AffectedEntries(msgspec.Struct, frozen=True):
    """Packages to match that share context and facts."""

    context: PackageContext
    facts: PackageFacts
    entries: tuple[InventoryEntry, ...]


class StoredVulnerability(msgspec.Struct, frozen=True, omit_defaults=True):
    """The facts of a vulnerability that are compared between two runs. level: the severity in lower case.

    has_own_rating: False if its own records do not rate it. cves: all its CVEs, for look-ups of exploitation. suppression: the reason why it does not count, such as a VEX
    statement or an exception; empty if it counts.
    """

    id: str
    purl: str
    level: str = "unknown"
    fixed_version: str = ""
    known_exploited: str = ""
    cves: tuple[str, ...] = ()
    suppression: str = ""
    has_own_rating: bool = True

    @property
    def is_suppressed(self) -> bool:
        """True if it does not count."""
        return bool(self.suppression)


class IndexedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The packages of an image.

    version: of the reading, which changes with the program. problems: parts of the image that could not be read.
    """

    digest: str
    packages: tuple[Package, ...]
    context: PackageContext
    facts: ImageFacts = ImageFacts()
    version: str = ""
    problems: int = 0


class MatchedEntry(msgspec.Struct, frozen=True):
    """The result of matching a package: its vulnerabilities, or the reason why it was not assessed.

    is_incomplete: another database or SBOM would give an answer.
    """

    vulnerabilities: tuple[StoredVulnerability, ...] = ()
    reason: str = ""
    is_incomplete: bool = False

    @property
    def is_empty(self) -> bool:
        """True if the package was compared and no advisory affects it."""
        return not self.vulnerabilities and not self.reason


class UnassessedPackages(msgspec.Struct, frozen=True):
    """The number of packages that were not assessed for a reason, equal ones once."""

    reason: str
    packages: int
    is_incomplete: bool


Suppressions = Mapping[tuple[str, str, str], str]
"""Suppressions by digest of the image, id of the vulnerability and package URL; an empty text says that there is none."""


class PackageInventory(Protocol):
    """An inventory as `rematching` needs it: entries by number, images and packages by digest.

    A match reads first and calls `record_match` at its end; a match that fails leaves the inventory as it was, except for
    `reset_matches`.
    """

    def list_images(self) -> Mapping[str, str]:
        """Return the versions of all images by digest."""

    def count_problems(self) -> Mapping[str, int]:
        """Return the numbers of parts that could not be read, by digest of the image; complete images are absent."""

    def list_images_of(self, entries: Iterable[int]) -> Mapping[int, Sequence[str]]:
        """Return the digests of the images that have each entry, sorted."""

    def list_unreported(self) -> Mapping[str, tuple[StoredVulnerability, ...]]:
        """Return the images that were added or replaced since the last match, with their vulnerabilities in it."""

    def list_ecosystems(self) -> Sequence[str]:
        """Return the ecosystems of all packages."""

    def count_packages(self, ecosystem: str) -> int:
        """Return the number of packages that advisories of an ecosystem may list, equal ones once."""

    def find_entries(
        self, changes: Mapping[str, frozenset[str] | None], exploited: Mapping[str, str], *, has_new_ratings: bool
    ) -> AbstractSet[int]:
        """Return the packages to match.

        These are packages of changed names, those that were never matched, those of a changed ecosystem that could not be
        assessed, those with a vulnerability whose exploitation is not what `exploited` says, and with `has_new_ratings`
        those with a vulnerability without a rating of its own. changes: normalised names by ecosystem; None for all names
        of it. exploited: dates by CVE, of all CVEs that are known to be exploited.
        """

    def iterate_entries(self, entries: Iterable[int]) -> Iterator[AffectedEntries]:
        """Yield packages by context and facts."""

    def load_symbols(self, facts: PackageFacts) -> UsedSymbols | None:
        """Return the linked functions of the executables with a package; None if they are unknown."""

    def list_vulnerabilities(self, entries: Iterable[int]) -> Mapping[int, tuple[StoredVulnerability, ...]]:
        """Return the vulnerabilities of the last match by entry, sorted by id; entries without any are absent."""

    def list_vulnerable(self, digests: Iterable[str]) -> Mapping[str, AbstractSet[int]]:
        """Return the entries with vulnerabilities of the last match, by digest of the image."""

    def list_results(self) -> AbstractSet[int]:
        """Return the entries of the last match with vulnerabilities or without an answer."""

    def list_digests(self, entries: Iterable[int]) -> Mapping[str, frozenset[bytes]]:
        """Return the digests of the packages of entries, by digest of the image."""

    def list_cves(self) -> Sequence[str]:
        """Return the CVEs of all vulnerabilities of the last match."""

    def list_unassessed(self) -> Mapping[int, tuple[str, bool]]:
        """Return the reason of the last match why an entry was not assessed, and True if it is incomplete."""

    def get_suppressions(self) -> Mapping[tuple[str, str, str], str]:
        """Return the suppressions of images that differ from those of their packages."""

    def get_tokens(self) -> Mapping[str, str]:
        """Return the tokens of the advisories that the last match used, by ecosystem."""

    def reset_matches(self, names: NameLister) -> None:
        """List the names of all packages again, and mark all as not matched; known vulnerabilities stay."""

    def record_match(
        self, matched: Mapping[int, MatchedEntry], tokens: Mapping[str, str], suppressions: Suppressions | None = None
    ) -> None:
        """Replace the results of the entries that were matched, the tokens and all suppressions, all or nothing."""


def digest_package(package: Package) -> bytes:
    """Return the identity of a package in an inventory."""
    return hashlib.blake2b(encode_package(package), digest_size=_DIGEST).digest()


def encode_package(package: Package) -> bytes:
    """Return the content of a package in an inventory, without the layers of its locations."""
    # Paths decide if a package belongs to the distribution; layers differ between images.
    paths = tuple(dict.fromkeys(PackageLocation(location.path) for location in package.locations))
    return msgspec.msgpack.encode(msgspec.structs.replace(package, locations=paths))
