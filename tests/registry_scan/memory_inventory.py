"""An inventory of packages in memory: another implementation of the protocol that rematching needs."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Iterator, Mapping

from kubekeep.model.package import GoSymbols, Package
from kubekeep.vulnerabilities.inventory import (
    AffectedEntries,
    IndexedImage,
    InventoryEntry,
    MatchedEntry,
    NameLister,
    PackageContext,
    StoredVulnerability,
    Suppressions,
    digest_package,
)
from kubekeep.vulnerabilities.package_facts import NO_FACTS, PackageFacts, StoredSymbols

EntryKey = tuple[PackageContext, PackageFacts, bytes]


class MemoryInventory:
    """The inventory as dictionaries. Implements PackageInventory."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._entries: dict[EntryKey, int] = {}
        self._packages: dict[int, tuple[EntryKey, Package]] = {}
        self._names: dict[int, set[tuple[str, str]]] = {}
        self._matched: dict[int, MatchedEntry] = {}
        self._results: dict[int, MatchedEntry] = {}
        self._images: dict[str, tuple[IndexedImage, set[int]]] = {}
        self._unreported: dict[str, tuple[StoredVulnerability, ...]] = {}
        self._executables: dict[bytes, GoSymbols] = {}
        self._suppressions: dict[tuple[str, str, str], str] = {}
        self._tokens: dict[str, str] = {}

    def add_images(self, images: Iterable[IndexedImage], names: NameLister) -> None:
        """Add images, or replace their packages."""
        for image in images:
            known = self._images.get(image.digest)
            if image.digest not in self._unreported:
                own = sorted(known[1]) if known else ()
                self._unreported[image.digest] = tuple(one for entry in own for one in self._list_results_of(entry))
            self._executables |= image.facts.executables
            self._images[image.digest] = image, {self._add(image, package, names) for package in image.packages}

    def _add(self, image: IndexedImage, package: Package, names: NameLister) -> int:
        key = (image.context, image.facts.packages.get(package, NO_FACTS), digest_package(package))
        if key not in self._entries:
            entry = self._entries[key] = next(self._numbers)
            self._packages[entry] = key, package
            self._names[entry] = set(names(package, image.context.distribution))
        return self._entries[key]

    def remove_images(self, digests: Iterable[str]) -> None:
        """Remove images, and the packages that no image has."""
        for digest in digests:
            self._images.pop(digest, None)
            self._unreported.pop(digest, None)
            self._suppressions = {key: text for key, text in self._suppressions.items() if key[0] != digest}
        remaining = {entry for _, entries in self._images.values() for entry in entries}
        for entry in self._packages.keys() - remaining:
            del self._entries[self._packages.pop(entry)[0]], self._names[entry]
            self._matched.pop(entry, None)
            self._results.pop(entry, None)

    def find_images(self, ecosystem: str, names: Iterable[str]) -> set[str]:
        """Return the digests of the images with a package that advisories may list under one of the names."""
        entries = self._find(ecosystem, frozenset(names))
        return {digest for digest, (_, own) in self._images.items() if own & entries}

    def _find(self, ecosystem: str, names: frozenset[str] | None) -> set[int]:
        return {
            entry
            for entry, keys in self._names.items()
            if any(key[0] == ecosystem and (names is None or key[1] in names) for key in keys)
        }

    def _list_results_of(self, entry: int) -> tuple[StoredVulnerability, ...]:
        result = self._results.get(entry)
        return () if result is None else result.vulnerabilities

    def list_images(self) -> dict[str, str]:
        return {digest: image.version for digest, (image, _) in self._images.items()}

    def count_problems(self) -> dict[str, int]:
        return {digest: image.problems for digest, (image, _) in self._images.items() if image.problems}

    def list_images_of(self, entries: Iterable[int]) -> dict[int, list[str]]:
        images = {
            entry: sorted(digest for digest, (_, own) in self._images.items() if entry in own) for entry in entries
        }
        return {entry: digests for entry, digests in images.items() if digests}

    def list_unreported(self) -> dict[str, tuple[StoredVulnerability, ...]]:
        return dict(self._unreported)

    def list_ecosystems(self) -> list[str]:
        return sorted({ecosystem for keys in self._names.values() for ecosystem, _ in keys})

    def count_packages(self, ecosystem: str) -> int:
        return len(self._find(ecosystem, None))

    def find_entries(
        self, changes: Mapping[str, frozenset[str] | None], exploited: Mapping[str, str], *, has_new_ratings: bool
    ) -> set[int]:
        entries = self._packages.keys() - self._matched.keys()
        for ecosystem, names in changes.items():
            entries |= self._find(ecosystem, names)
            entries |= self._find(ecosystem, None) & self.list_unassessed().keys()
        for entry in self._results:
            for one in self._list_results_of(entry):
                dates = [exploited[cve] for cve in one.cves if cve in exploited]
                if one.known_exploited != min(dates, default="") or (has_new_ratings and not one.has_own_rating):
                    entries.add(entry)
        return entries

    def iterate_entries(self, entries: Iterable[int]) -> Iterator[AffectedEntries]:
        groups: dict[tuple[PackageContext, PackageFacts], list[InventoryEntry]] = collections.defaultdict(list)
        for entry in sorted(entries):
            (context, facts, _), package = self._packages[entry]
            groups[context, facts].append(InventoryEntry(entry, package))
        for (context, facts), own in groups.items():
            yield AffectedEntries(context, facts, tuple(own))

    def load_symbols(self, facts: PackageFacts) -> StoredSymbols | None:
        if not facts.executables:
            return None
        return StoredSymbols([self._executables[digest] for digest in facts.executables])

    def list_vulnerabilities(self, entries: Iterable[int]) -> dict[int, tuple[StoredVulnerability, ...]]:
        known = {entry: tuple(sorted(self._list_results_of(entry), key=lambda one: one.id)) for entry in entries}
        return {entry: own for entry, own in known.items() if own}

    def list_vulnerable(self, digests: Iterable[str]) -> dict[str, set[int]]:
        entries = {digest: set(filter(self._list_results_of, self._images[digest][1])) for digest in digests}
        return collections.defaultdict(set, entries)

    def list_results(self) -> set[int]:
        return {entry for entry, result in self._results.items() if not result.is_empty}

    def list_digests(self, entries: Iterable[int]) -> dict[str, frozenset[bytes]]:
        selected = set(entries)
        digests = {
            digest: frozenset(self._packages[entry][0][2] for entry in own & selected)
            for digest, (_, own) in self._images.items()
        }
        return {digest: own for digest, own in digests.items() if own}

    def list_cves(self) -> list[str]:
        return sorted({cve for entry in self._results for one in self._list_results_of(entry) for cve in one.cves})

    def list_unassessed(self) -> dict[int, tuple[str, bool]]:
        return {
            entry: (result.reason, result.is_incomplete) for entry, result in self._results.items() if result.reason
        }

    def get_suppressions(self) -> dict[tuple[str, str, str], str]:
        return dict(self._suppressions)

    def get_tokens(self) -> dict[str, str]:
        return dict(self._tokens)

    def reset_matches(self, names: NameLister) -> None:
        self._matched.clear()
        for entry, ((context, _, _), package) in self._packages.items():
            self._names[entry] = set(names(package, context.distribution))

    def record_match(
        self, matched: Mapping[int, MatchedEntry], tokens: Mapping[str, str], suppressions: Suppressions | None = None
    ) -> None:
        self._matched |= matched
        self._results |= matched
        self._tokens |= tokens
        self._suppressions = dict(suppressions or {})
        self._unreported.clear()
