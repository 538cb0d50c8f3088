"""Wording of packages and subjects as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from kubekeep.images.sbom.compare import PackageChange, PackageChangeKind, SbomComparison
from kubekeep.model.package import Distribution, Package

NO_TYPE: Final = "other"
"""Type of packages without a package URL."""
_MAX_NAMES: Final = 6
"""Maximum number of licences to name in a difference."""
_NOUNS: Final = {PackageChangeKind.LICENCE: "with other licences"}


def name_type(package: Package) -> str:
    """Return the type of the package."""
    return package.type or NO_TYPE


def describe_distribution(distribution: Distribution) -> str:
    """Return the name of the distribution, else its id and version; empty without a distribution."""
    return distribution.name or " ".join(filter(None, (distribution.id, distribution.version_id)))


def count_types(packages: Iterable[Package]) -> list[tuple[str, int]]:
    """Return the types with their numbers of packages, the most frequent first."""
    counts = Counter(map(name_type, packages))
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def count_licences(packages: Iterable[Package]) -> tuple[list[tuple[str, int]], int]:
    """Return the licences with their numbers of packages, the most frequent first, and the packages without any."""
    counts: Counter[str] = Counter()
    missing = 0
    for package in packages:
        counts.update(package.licences)
        missing += not package.licences
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])), missing


def describe_versions(change: PackageChange) -> str:
    """Return the version, or both versions of a change: `1.0 → 1.1`."""
    if change.old is None or change.new is None or change.old.version == change.new.version:
        return change.package.version
    return f"{change.old.version or 'none'} → {change.new.version or 'none'}"


def describe_licences(change: PackageChange) -> str:
    """Return the licences of an added or removed package, and the differences of a changed one: `+ MIT - ISC`."""
    if change.old is None or change.new is None:
        return _abbreviate(change.package.licences)
    if not change.has_other_licences:
        return ""
    old, new = dict.fromkeys(change.old.licences), dict.fromkeys(change.new.licences)
    added = [name for name in new if name not in old]
    removed = [name for name in old if name not in new]
    return "  ".join(f"{sign} {_abbreviate(names)}" for sign, names in (("+", added), ("-", removed)) if names)


def _abbreviate(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def describe_totals(comparison: SbomComparison) -> str:
    """Return the numbers of changes: `3 added, 1 upgraded, 70 unchanged`."""
    counts = Counter(change.kind for change in comparison.changes)
    parts = [f"{counts[kind]} {_NOUNS.get(kind, kind.value)}" for kind in PackageChangeKind if counts[kind]]
    return ", ".join([*parts, f"{comparison.unchanged} unchanged"])
