"""Detection of archives by their names. Opens nothing itself."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.paths import error_reason
from kubekeep.sources.archive.names import ARCHIVES
from kubekeep.sources.registry import load_sources
from kubekeep.sources.source import ReadContext, Root, SourceType


class ArchiveSource(SourceType):
    """Archives named on the command line or fetched; their content is read by other sources."""

    name = "archive"
    order = 30

    def matches_file(self, name: str) -> bool:
        """Return True for the extensions of archives."""
        return name.lower().endswith(ARCHIVES)

    def open_root(self, root: Root, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield the inputs in an archive, which is unpacked until the scan ends, or a packed chart as it is."""
        from kubekeep.sources.archive.unpack import ArchiveError, unpack  # noqa: PLC0415 - most scans have none

        try:
            for source in load_sources().values():
                if source.matches_archive(root.path):
                    yield msgspec.structs.replace(root, source=source.name)
                    return
            archive = context.stack.enter_context(unpack(root.path))
        except (ArchiveError, OSError) as error:
            yield UnreadInput(
                Location(root.shown_path), error_reason(error) if isinstance(error, OSError) else str(error)
            )
            return
        context.temporary[os.path.realpath(archive.folder)] = root.shown_path
        for skipped in archive.skipped:
            yield UnreadInput(Location(os.path.join(root.shown_path, skipped.location.file)), skipped.message)
        yield from context.find(archive.folder, root.shown_path)


SOURCE: Final = ArchiveSource()
