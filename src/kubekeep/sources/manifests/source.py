"""Detection of manifests: standard input, named files, and YAML and JSON files in folders. Reads nothing itself."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH109

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.paths import error_reason
from kubekeep.model.resource import Resource
from kubekeep.model.source import FileType
from kubekeep.sources.source import ReadContext, Root, SourceType
from kubekeep.sources.unsaved import find_unsaved

EXTENSIONS: Final = (".yaml", ".yml", ".json")
YAML: Final = FileType("YAML")
JSON: Final = FileType("JSON")
_STDIN: Final = "-"


class ManifestSource(SourceType):
    """Files of YAML and JSON, and standard input. Reads every file that no other source matches."""

    name = "manifests"
    order = 50
    is_fallback = True
    is_followed = True

    def matches_address(self, address: str) -> bool:
        """Return True for `-`."""
        return address == _STDIN

    def open_address(self, address: str, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield standard input."""
        del context
        yield Root(self.name, address, "<stdin>", os.getcwd())

    def matches_entry(self, name: str) -> bool:
        """Return True for YAML and JSON files."""
        return name.lower().endswith(EXTENSIONS)

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield the objects of files that no kustomization has read."""
        from kubekeep.sources.manifests.read import is_pipe, open_file, read_file  # noqa: PLC0415

        for root in roots:
            if root.path == _STDIN:
                if context.stdin is None:
                    yield UnreadInput(Location(root.shown_path), "standard input is not available")
                    continue
                context.files += 1
                yield from _read_once(context.stdin, root, root.path, context)
            elif (real_path := os.path.realpath(root.path)) not in context.read_paths:
                path = os.path.abspath(root.path)
                context.read_paths.add(real_path)
                context.files += 1
                context.changed_files.record_changes(root.shown_path, (root.path,))
                context.add_manifest(root, path)
                unsaved = find_unsaved(context.options.unsaved, path)
                if unsaved is not None:
                    yield from _read_once(io.BytesIO(unsaved), root, path, context)
                    continue
                if not is_pipe(root.path):
                    yield from read_file(root, context.limits)
                    continue
                try:
                    with open_file(root.path) as stream:
                        yield from _read_once(stream, root, path, context)
                except OSError as error:
                    yield UnreadInput(Location(root.shown_path), error_reason(error))


def _read_once(stream: BinaryIO, root: Root, path: str, context: ReadContext) -> Iterator[Resource | UnreadInput]:
    """Yield the objects of a pipe; its content is stored because it cannot be read a second time."""
    from kubekeep.sources.manifests.read import read_stream  # noqa: PLC0415

    content = stream.read(context.limits.bytes + 1)
    context.add_manifest(root, path, content)
    yield from read_stream(io.BytesIO(content), root, context.limits)


SOURCE: Final = ManifestSource()
