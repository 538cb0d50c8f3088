"""Versions of Go: modules (with pseudo-versions and +incompatible) and the toolchain with its standard library.

Module versions follow golang.org/x/mod/semver, toolchain versions follow the Go command: "1.21" is a language version,
which is before 1.21rc1. In ranges of type SEMVER, "1.21" is the release 1.21.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme
from kubekeep.vulnerabilities.versions.semver import SEMVER, SemverKey

_TOOLCHAIN = re.compile(r"([0-9]+)(?:\.([0-9]+)(?:\.([0-9]+))?)?(?:(alpha|beta|rc)([0-9]+))?")
_SUFFIX = re.compile(r"[ +-].*|b[0-9]+$", re.DOTALL)
"""Of toolchains of vendors, and of releases with BoringCrypto, as go1.18.1b7."""
_DEVELOPMENT = re.compile(r"\(?(?:go\s*)?devel\b.*|unknown|\(unknown\)", re.DOTALL)
_PLACEHOLDER = "0.0.0-00010101000000-000000000000"
_FIRST_LANGUAGE_VERSION = 21
_LANGUAGE = -1


class GoScheme(VersionScheme):
    """The order of module and toolchain versions. A development build has none."""

    name = "Go"

    def explain_unordered(self, version: str) -> str:
        """Return the reason if the version is the placeholder that Go writes for replaced modules."""
        if version.removeprefix("v").startswith(_PLACEHOLDER):
            return str(self.invalid(version, "it is a placeholder for a replaced module"))
        return super().explain_unordered(version)

    def get_semver_order(self, semver: VersionScheme) -> Callable[[str], Any]:
        """Return the key function for ranges of type SEMVER; toolchain versions as in the Go vulnerability database."""
        del semver
        return self._semver_key

    def _semver_key(self, version: str) -> SemverKey:
        key: SemverKey = self.key(version)
        return (*key[:4], 1, ()) if key[4] == _LANGUAGE else key

    def _parse(self, version: str) -> SemverKey:
        is_toolchain = version.startswith("go")
        if _DEVELOPMENT.fullmatch(version) or (is_toolchain and "devel" in version):
            raise self.invalid(version, "it is a development build")
        match = _TOOLCHAIN.fullmatch(_SUFFIX.sub("", version[2:]) if is_toolchain else version)
        if match:
            return _parse_toolchain(match)
        if is_toolchain:
            raise self.invalid(version, "expected goMAJOR.MINOR.PATCH, or goMAJOR.MINOR with rc1 or beta1")
        try:
            key: SemverKey = SEMVER.key(version)
        except ValueError:
            raise self.invalid(version, "expected vMAJOR.MINOR.PATCH, perhaps with -PRERELEASE") from None
        return key


def _parse_toolchain(match: re.Match[str]) -> SemverKey:
    major, minor, patch, kind, number = match.groups()
    numbers = int(major), int(minor or 0), int(patch or 0), ()
    if kind:
        return (*numbers, 0, ((1, 0, kind), (0, int(number), "")))
    is_language = patch is None and numbers[0] == 1 and numbers[1] >= _FIRST_LANGUAGE_VERSION
    return (*numbers, _LANGUAGE if is_language else 1, ())


GO = GoScheme()
