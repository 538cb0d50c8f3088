"""Comparison of two SBOMs by package: added, removed, changed version, changed licences. No I/O."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.identity import get_full_version, identify_line
from kubekeep.model.package import Package

_PIECES: Final = re.compile(r"[0-9]+|[a-z]+|~")
_EARLY: Final = frozenset({"alpha", "beta", "dev", "milestone", "pre", "preview", "rc", "snapshot"})
"""Words of versions before a release."""
_EARLY_BEFORE_NUMBER: Final = frozenset({"a", "b", "c", "m"})
"""Letters of such versions if a number follows: 1.0a1 is before 1.0, but 1.1.1a is after 1.1.1."""
_VersionKey = tuple[tuple[int, int, str], ...]
_VERSION_END: Final = (1, 0, "")


class PackageChangeKind(enum.StrEnum):
    """The kind of a difference."""

    ADDED = "added"
    REMOVED = "removed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    CHANGED = "changed"
    """Another version whose order is unknown."""
    LICENCE = "licence"
    """The same version with other licences."""


class PackageChange(msgspec.Struct, frozen=True):
    """A difference of one package; `old` or `new` is None for added and removed packages."""

    kind: PackageChangeKind
    old: Package | None
    new: Package | None

    @property
    def package(self) -> Package:
        """The newer side of the difference."""
        package = self.new or self.old
        assert package is not None  # noqa: S101 - one side exists
        return package

    @property
    def has_other_licences(self) -> bool:
        """True if both sides state licences and these differ."""
        return self.old is not None and self.new is not None and _differ_in_licences(self.old, self.new)


class SbomComparison(msgspec.Struct, frozen=True):
    """The differences of two SBOMs, sorted by package, and the number of equal packages.

    warnings: reasons for which differences may not be real.
    """

    changes: tuple[PackageChange, ...]
    unchanged: int
    warnings: tuple[str, ...] = ()


def compare(old: Sbom, new: Sbom) -> SbomComparison:
    """Return the differences from `old` to `new`."""
    groups: dict[tuple[str, str], tuple[list[Package], list[Package]]] = {}
    for side, sbom in enumerate((old, new)):
        for package in sbom.packages:
            groups.setdefault(identify_line(package), ([], []))[side].append(package)
    changes: list[PackageChange] = []
    unchanged = 0
    for _, (before, after) in sorted(groups.items()):
        group_changes = list(_compare_group(before, after))
        changes += group_changes
        unchanged += len(after) - sum(change.new is not None for change in group_changes)
    return SbomComparison(tuple(changes), unchanged, tuple(_list_warnings(old, new)))


def _list_warnings(old: Sbom, new: Sbom) -> Iterator[str]:
    if old.tool.lower() != new.tool.lower():
        yield f"they are by different tools ({old.tool or 'unknown'} and {new.tool or 'unknown'}), which may list other packages"
    if old.problems:
        yield "the old document is incomplete: added packages may not be new"
    if new.problems:
        yield "the new document is incomplete: removed packages may still be there"


def _compare_group(before: list[Package], after: list[Package]) -> Iterator[PackageChange]:
    """Yield the differences of the versions of one package; versions in both documents are equal."""
    old = {get_full_version(package): package for package in before}
    new = {get_full_version(package): package for package in after}
    for version in old.keys() & new.keys():
        if _differ_in_licences(old[version], new[version]):
            yield PackageChange(PackageChangeKind.LICENCE, old[version], new[version])
    removed = _sort_versions(old[version] for version in old.keys() - new.keys())
    added = _sort_versions(new[version] for version in new.keys() - old.keys())
    for first, second in zip(removed, added, strict=False):
        yield PackageChange(_classify(first, second), first, second)
    for package in removed[len(added) :]:
        yield PackageChange(PackageChangeKind.REMOVED, package, None)
    for package in added[len(removed) :]:
        yield PackageChange(PackageChangeKind.ADDED, None, package)


def _classify(old: Package, new: Package) -> PackageChangeKind:
    order = compare_versions(get_full_version(old), get_full_version(new))
    if not order:
        return PackageChangeKind.CHANGED
    return PackageChangeKind.UPGRADED if order > 0 else PackageChangeKind.DOWNGRADED


def _sort_versions(packages: Iterable[Package]) -> list[Package]:
    return sorted(packages, key=functools.cmp_to_key(_compare_packages))


def _compare_packages(first: Package, second: Package) -> int:
    order = compare_versions(get_full_version(second), get_full_version(first))
    return order or (1 if first.version > second.version else -1)


def _differ_in_licences(old: Package, new: Package) -> bool:
    """Return True if both state licences and these differ: many tools do not read licences at all."""
    return bool(old.licences and new.licences) and set(old.licences) != set(new.licences)


def compare_versions(old: str, new: str) -> int:
    """Return 1 if `new` is later than `old`, -1 if it is earlier, and 0 if the order is unknown or equal.

    This only tells upgrades from downgrades; it knows no ecosystem, so it is not for advisories.
    """
    if not old or not new:
        return 0
    first, second = _create_key(old), _create_key(new)
    return (second > first) - (second < first)


def _create_key(version: str) -> _VersionKey:
    """Return epoch and pieces; the end of a version is before numbers and words, and after `~` and pre-releases."""
    epoch, colon, rest = version.lower().partition(":")
    if not (colon and epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", version.lower()
    pieces = _PIECES.findall(rest)
    ranks = (_rank(piece, following) for piece, following in zip(pieces, (*pieces[1:], ""), strict=False))
    return (_rank(epoch, ""), *ranks, _VERSION_END)


def _rank(piece: str, following: str) -> tuple[int, int, str]:
    if piece == "~":
        return (-1, 0, "")
    if piece[0].isdigit():
        number = piece.lstrip("0")
        return (3, len(number), number)
    is_early = piece in _EARLY or (piece in _EARLY_BEFORE_NUMBER and following[:1].isdigit())
    return (0 if is_early else 2, 0, piece)
