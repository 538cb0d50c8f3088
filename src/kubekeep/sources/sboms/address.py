"""Addresses of SBOM documents on the command line of a scan, where a bare name is a path. No I/O."""

from __future__ import annotations

from typing import Final

STDIN: Final = "-"
"""The path of standard input."""
ENDINGS: Final = (".cdx.json", ".spdx.json")
"""Ends of the names of SBOM files (CycloneDX and SPDX recommend these)."""
_PREFIX: Final = "sbom:"


def is_sbom_address(address: str) -> bool:
    """Return True for the address of an SBOM document."""
    return address.startswith(_PREFIX)


def to_sbom_address(path: str) -> str:
    """Return the address of the SBOM document in a file; `-` is standard input."""
    return path if is_sbom_address(path) else f"{_PREFIX}{path}"


def to_path(address: str) -> str:
    """Return the path in an address."""
    return address.removeprefix(_PREFIX)
