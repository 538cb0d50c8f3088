"""SBOM documents in files: read, compared and merged. Never prints and never writes a file."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from kubekeep._native import VERSION
from kubekeep.images.sbom.compare import SbomComparison, compare
from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.image import TOOL
from kubekeep.images.sbom.merge import merge
from kubekeep.model.package import Package, qualify_name
from kubekeep.model.paths import display_path
from kubekeep.reports.sboms.words import name_type
from kubekeep.sources.sboms.file import read_document


def read_packages(
    path: str, stdin: BinaryIO, types: Sequence[str], names: Sequence[str]
) -> tuple[Sbom, tuple[Package, ...]]:
    """Return the SBOM in a file, `-` is standard input, and the packages of `select_packages`. Raises SbomError."""
    sbom = read_document(path, stdin)
    return sbom, select_packages(sbom, types, names)


def select_packages(sbom: Sbom, types: Sequence[str], names: Sequence[str]) -> tuple[Package, ...]:
    """Return the packages of one of `types` and with one of `names`, which may have `*`; all without either."""
    return tuple(
        package
        for package in sbom.packages
        if (not types or name_type(package) in types)
        and (not names or any(_matches(package, pattern) for pattern in names))
    )


def _matches(package: Package, pattern: str) -> bool:
    pattern = pattern.lower()
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for name in (package.name, qualify_name(package)))


def compare_documents(old: str, new: str, stdin: BinaryIO) -> SbomComparison:
    """Return the differences of the SBOMs in two files. Raises SbomError."""
    return compare(read_document(old, stdin), read_document(new, stdin))


def merge_documents(paths: Sequence[str], name: str, stdin: BinaryIO) -> tuple[Sbom, tuple[str, ...]]:
    """Return one SBOM of the documents in all files, and a message for content that it does not keep.

    Raises SbomError.
    """
    sboms = [read_document(path, stdin) for path in paths]
    messages = tuple(
        f"{display_path(path)}: not copied: {', '.join(sbom.omitted)}"
        for path, sbom in zip(paths, sboms, strict=True)
        if sbom.omitted
    )
    merged = merge(sboms, name)
    origins = tuple(origin for origin in merged.origins if origin[0] != TOOL)
    return msgspec.structs.replace(merged, tool=TOOL, tool_version=VERSION, origins=origins), messages
