"""Versions of NuGet: up to four numbers and a pre-release without case; build metadata has no order."""

from __future__ import annotations

import re
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_NUGET = re.compile(
    rf"[vV]?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({_IDENTIFIERS}))?(?:\+(?:{_IDENTIFIERS}))?"
)
_NUMBER = re.compile(r"-?[0-9]+")
_MAX_NUMBER = 2**31 - 1
"""NuGet compares identifiers beyond this number as texts."""


class NugetScheme(VersionScheme):
    """The order of NuGet."""

    name = "NuGet"

    def _parse(self, version: str) -> Any:
        match = _NUGET.fullmatch(version)
        if not match:
            raise self.invalid(version, "expected up to four numbers, perhaps with -PRERELEASE and +BUILD")
        *numbers, pre_release = match.groups()
        release = tuple(int(number or 0) for number in numbers)
        if not pre_release:
            return release, 1, ()
        return release, 0, tuple(_encode_identifier(identifier) for identifier in pre_release.upper().split("."))


def _encode_identifier(identifier: str) -> tuple[int, int, str]:
    if _NUMBER.fullmatch(identifier) and abs(int(identifier)) <= _MAX_NUMBER:
        return 0, int(identifier), ""
    return 1, 0, identifier


NUGET = NugetScheme()
