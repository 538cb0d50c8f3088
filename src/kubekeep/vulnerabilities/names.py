"""The names under which advisories and packages meet. Never decides if a record applies."""

from __future__ import annotations

import re
from typing import Final

_PYPI_SEPARATORS: Final = re.compile(r"[-_.]+")
"""Runs of characters that PEP 503 treats as one hyphen."""


def normalise_name(ecosystem: str, name: str) -> str:
    """Return the key of a package in the ecosystem, which may have a release.

    Lower case, since some package URLs are lower-cased: the caller compares the exact spelling where case matters.
    """
    lowered = name.lower()
    return _PYPI_SEPARATORS.sub("-", lowered) if ecosystem.partition(":")[0] == "PyPI" else lowered
