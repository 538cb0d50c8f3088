"""Detection of SBOM documents on the command line. Reads none itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.sboms.address import STDIN, is_sbom_address, to_path
from kubekeep.sources.source import ReadContext, Root, SourceType


class SbomSource(SourceType):
    """SBOM documents by address: `sbom:FILE`."""

    name = "sboms"
    order = 96

    def matches_address(self, address: str) -> bool:
        """Return True for the address of an SBOM document."""
        return is_sbom_address(address)

    def open_address(self, address: str, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield the document as a root."""
        path = to_path(address)
        context.opened_paths.append(path if path == STDIN else str(Path.cwd() / path))
        yield Root(self.name, path, path, "")

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield the resource of each document, and the parts of it that could not be read."""
        if roots:
            from kubekeep.sources.sboms.read import read_sboms  # noqa: PLC0415 - most scans have no SBOM

            yield from read_sboms([root.path for root in roots], context)


SOURCE: Final = SbomSource()
