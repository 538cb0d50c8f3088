"""Semantic versions (SemVer 2.0), read with the leniency of npm, and the schemes that extend them: Bitnami, Pub, Julia.

Lenient: a leading "v" or "=", missing or additional numbers, leading zeros, and a pre-release without its hyphen
behind three numbers. Build metadata has no order, except in Pub and Julia.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SEMVER = re.compile(
    r"[vV=\s]*([0-9]+)(?:\.([0-9]+)(?:\.([0-9]+)((?:\.[0-9]+)*))?)?"
    rf"(?:-({_IDENTIFIERS})|([A-Za-z](?:[0-9A-Za-z-]|\.(?=[0-9A-Za-z-]))*))?(?:\+({_IDENTIFIERS}))?"
)
_PRE_RELEASE, _RELEASE = 0, 1

SemverKey = tuple[int, int, int, tuple[int, ...], int, tuple[tuple[int, int, str], ...]]
"""Major, minor, patch, further numbers, 0 for a pre-release or 1, and its identifiers."""


def parse_identifiers(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return the key of dot-separated identifiers: numbers in numeric order, before texts in ASCII order."""
    return tuple(
        (0, int(identifier), "") if identifier.isdigit() else (1, 0, identifier) for identifier in text.split(".")
    )


class SemverScheme(VersionScheme):
    """The order of SemVer 2.0, without build metadata."""

    name = "SemVer"

    def _parse(self, version: str) -> SemverKey:
        return self._split(version)[0]

    def _split(self, version: str) -> tuple[SemverKey, str]:
        """Return the key of SemVer 2.0 and the build metadata."""
        match = _SEMVER.fullmatch(version)
        if not match:
            raise self.invalid(version, "expected MAJOR.MINOR.PATCH, perhaps with -PRERELEASE and +BUILD")
        major, minor, patch, further, pre_release, loose, build = match.groups()
        if loose and not patch:
            raise self.invalid(version, "text follows fewer than three numbers")
        numbers = [int(number) for number in further.split(".")[1:]] if further else []
        while numbers and not numbers[-1]:
            numbers.pop()
        identifiers = pre_release or loose
        key = (
            int(major),
            int(minor or 0),
            int(patch or 0),
            tuple(numbers),
            _PRE_RELEASE if identifiers else _RELEASE,
            parse_identifiers(identifiers) if identifiers else (),
        )
        return key, build or ""


class BuildOrderScheme(SemverScheme):
    """The order of Pub and Julia: SemVer 2.0, then build metadata; a version without it is before one with it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def _parse(self, version: str) -> Any:
        key, build = self._split(version)
        return key, parse_identifiers(build) if build else ()


class BitnamiScheme(SemverScheme):
    """The order of Bitnami: as SemVer, but a number behind the hyphen is the revision of a package, after its release."""

    name = "Bitnami"

    def get_semver_order(self, semver: VersionScheme) -> Callable[[str], Any]:
        """Return the key function for ranges of type SEMVER: as `key`, but revision 0 is a pre-release as in SemVer."""
        del semver
        return self._semver_key

    def _semver_key(self, version: str) -> Any:
        key = self.key(version)
        # The records use "-0" for the lowest pre-release of a version.
        if version.endswith("-0") and key[0][4] == _RELEASE:
            return (*key[0][:4], _PRE_RELEASE, parse_identifiers("0")), 0
        return key

    def _parse(self, version: str) -> Any:
        key = self._split(version)[0]
        match key[5]:
            case ((0, revision, _),):
                return (*key[:4], _RELEASE, ()), revision
            case _:
                return key, 0


SEMVER = SemverScheme()
PUB = BuildOrderScheme("Pub")
JULIA = BuildOrderScheme("Julia")
BITNAMI = BitnamiScheme()
