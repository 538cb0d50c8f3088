"""Version constraints of Grype as ranges of OSV. No I/O.

A constraint is a disjunction of conjunctions: `< 1.2 || >= 2, < 2.3`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kubekeep.vulnerabilities.advisory import VersionEvent, VersionRange
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError, VersionScheme

_COMPARISON: Final = re.compile(r"\s*(<=|>=|<|>|==|=|!=|~>|\^|~)?\s*([^\s<>=!~^]\S*)\s*")
_SEMVER: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?(?:\+\S*)?")
_LONGEST: Final = 20_000


class UnreadableConstraintError(ValueError):
    """A constraint has an unknown operator or contradicts itself."""


class AffectedInterval(msgspec.Struct, frozen=True):
    """A part of a constraint: a range, or one listed version."""

    range: VersionRange | None = None
    version: str = ""


def parse_constraint(text: str, kind: str) -> list[AffectedInterval]:
    """Return the affected versions of a constraint; an empty one affects all versions.

    kind: type of the versions in Grype, as "rpm" or "semver". Raises UnreadableConstraintError.
    """
    if len(text) > _LONGEST:
        raise UnreadableConstraintError(f"a constraint of {len(text):,} characters")
    return [_parse_conjunction(part, kind) for part in text.split("||")]


def is_empty(version_range: VersionRange, scheme: VersionScheme | None) -> bool:
    """Return True for a range that ends before it starts, as `>= 4.1, < 4.1.0.beta2`.

    The order of events in a record has no meaning, so such a range would affect all versions from its start on.
    """
    if scheme is None or len(version_range.events) == 1 or version_range.events[0].introduced == "0":
        return False
    start, end = version_range.events
    try:
        low, high = scheme.key(start.introduced), scheme.key(end.fixed or end.last_affected)
    except InvalidVersionError:
        return False
    return bool(high <= low if end.fixed else high < low)


def _parse_conjunction(text: str, kind: str) -> AffectedInterval:
    start = VersionEvent(introduced="0")
    end: VersionEvent | None = None
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = _COMPARISON.fullmatch(part)
        operator, version = (match[1] or "=", match[2]) if match else ("", part)
        if operator in ("=", "=="):
            return AffectedInterval(version=version)
        if operator in (">=", ">"):
            start = VersionEvent(introduced=version if operator == ">=" else _get_next(version, kind))
        elif operator in ("<", "<=") and end is None:
            end = VersionEvent(fixed=version) if operator == "<" else VersionEvent(last_affected=version)
        else:
            raise UnreadableConstraintError(f"{part!r} in a constraint")
    return AffectedInterval(VersionRange("ECOSYSTEM", (start, end) if end else (start,)))


def _get_next(version: str, kind: str) -> str:
    """Return the least version above another one.

    Only semantic versions and those of Python have one. For others it is the version itself, so that `> 1.0` affects 1.0
    too: rather one version too many than one too few.
    """
    match = _SEMVER.fullmatch(version)
    if kind in ("semver", "npm", "go", "gomod", "go-module", "rust-crate", "bitnami") and match:
        major, minor, patch, prerelease = match.groups()
        return f"{major}.{minor}.{patch}{prerelease}.0" if prerelease else f"{major}.{minor}.{int(patch) + 1}-0"
    if kind in ("python", "pep440") and re.fullmatch(r"[0-9.]+", version):
        return f"{version}.post0.dev0"
    return version
