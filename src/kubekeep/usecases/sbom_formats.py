"""Formats of SBOM documents. Reads and writes no file."""

from __future__ import annotations

from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.write import DEFAULT, FORMATS, write_sbom


def list_formats() -> tuple[str, ...]:
    """Return the names of formats; the first is the default."""
    return tuple(FORMATS)


def find_format(name: str) -> str:
    """Return the first format whose files have the ending of a file name, else the default."""
    return next((each for each, (_, _, ending) in FORMATS.items() if name.endswith(ending)), DEFAULT)


def format_document(sbom: Sbom, name: str) -> bytes:
    """Return the SBOM in the format `name`."""
    return write_sbom(sbom, name)
