"""The catalogue of an ecosystem that only tests define: lines of `NAMESPACE NAME VERSION`."""

from __future__ import annotations

from typing import Final

from kubekeep.images.catalog.bounded import read_text
from kubekeep.images.catalog.documents import build_record
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package

PATTERNS: Final = ("**/brick.lock",)


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages of a lock file."""
    rows = (line.split() for line in read_text(file).splitlines())
    packages = (
        Package(type="brick", namespace=namespace.lower(), name=name, version=version, evidence="brick.lock")
        for namespace, name, version in rows
    )
    return build_record(file, "brick", packages)
