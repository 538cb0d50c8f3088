"""Versions of Python packages: PEP 440 by `packaging`, and the order of setuptools for versions that break it.

A version that breaks PEP 440 is before all others, as in `packaging` before its version 22 and in OSV.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from packaging.version import InvalidVersion, Version

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_LEGACY_PARTS = re.compile(r"[0-9]+|[a-z]+|-|[^0-9a-z.-]+")
_LEGACY_NAMES = {"pre": "c", "preview": "c", "-": "final-", "rc": "c", "dev": "@"}
_FINAL = "*final"


class Pep440Scheme(VersionScheme):
    """The order of PEP 440; every text is a version."""

    name = "PEP 440"

    def _parse(self, version: str) -> Any:
        try:
            return 1, Version(version)
        except InvalidVersion:
            return 0, tuple(_parse_legacy(version.lower()))


def _parse_legacy(version: str) -> list[str]:
    """Return the parts of a version as setuptools 8 and older compared them."""
    parts: list[str] = []
    for part in _list_legacy_parts(version):
        if part.startswith("*"):
            while part < _FINAL and parts and parts[-1] == "*final-":
                parts.pop()
            while parts and parts[-1] == "00000000":
                parts.pop()
        parts.append(part)
    return parts


def _list_legacy_parts(version: str) -> Iterator[str]:
    for part in _LEGACY_PARTS.findall(version):
        name = _LEGACY_NAMES.get(part, part)
        yield name.zfill(8) if name[0] in "0123456789" else f"*{name}"
    yield _FINAL


PEP440 = Pep440Scheme()
