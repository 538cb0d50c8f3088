"""The resource of a Dockerfile, with the location of every argument. Reads one file at a time, and runs nothing."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH113, PTH118, PTH119, PTH120

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.paths import error_reason
from kubekeep.model.resource import Resource
from kubekeep.model.source import Source
from kubekeep.sources.dockerfile.document import build_document
from kubekeep.sources.dockerfile.errors import DockerfileError
from kubekeep.sources.dockerfile.names import DOCKERFILE
from kubekeep.sources.files import decode_text, open_file
from kubekeep.sources.source import Root
from kubekeep.sources.tree import Limits
from kubekeep.sources.unsaved import find_unsaved

MAX_BYTES: Final = 1024 * 1024
"""Size of a file."""
_IGNORE_FILES: Final = (".dockerignore", ".containerignore")


def read_root(root: Root, path: str, unsaved: Mapping[str, bytes], limits: Limits) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of the file at an absolute path, or the reason why it cannot be read."""
    content = find_unsaved(unsaved, path)
    limit = min(MAX_BYTES, limits.bytes)
    if content is None:
        try:
            with open_file(root.path) as stream:
                content = stream.read(limit + 1)
        except OSError as error:
            yield UnreadInput(Location(root.shown_path), error_reason(error))
            return
    yield read_content(content, root, path, limit)


def read_content(content: bytes, root: Root, path: str, limit: int = MAX_BYTES) -> Resource | UnreadInput:
    """Return the resource of the file at an absolute path with this content, or the first error in it with its line."""
    if len(content) > limit:
        return UnreadInput(Location(root.shown_path), f"larger than {limit} bytes: not read")
    text = decode_text(content)
    if text is None:
        return UnreadInput(Location(root.shown_path), "not UTF-8 text")
    try:
        document = build_document(
            text, _create_name(root.shown_path, path), has_ignore_file=_find_ignore_file(path, root.base)
        )
    except DockerfileError as error:
        position = Position(error.line, 1)
        region = Region(position, position) if error.line else None
        return UnreadInput(Location(root.shown_path, region), f"not a Dockerfile: {error}")
    source = Source(root.shown_path, root.base, DOCKERFILE, 0, document.source_map)
    return Resource(document.value, source)


def _create_name(shown_path: str, path: str) -> str:
    """Return the name of the file with its folder, which does not depend on the folder of the scan: `api/Dockerfile`."""
    folder = os.path.basename(os.path.dirname(shown_path))
    if folder in ("", os.curdir, os.pardir):
        folder = os.path.basename(os.path.dirname(path))
    return f"{folder}/{os.path.basename(path)}" if folder else os.path.basename(path)


def _find_ignore_file(path: str, base: str) -> bool:
    """Return True if an ignore file is beside the file, or in a folder above it up to the base of the scan.

    The build context is not part of a Dockerfile; it is usually one of these folders.
    """
    folder, name = os.path.split(path)
    if os.path.isfile(os.path.join(folder, f"{name}.dockerignore")):
        return True
    while True:
        if any(os.path.isfile(os.path.join(folder, file)) for file in _IGNORE_FILES):
            return True
        above = os.path.dirname(folder)
        if folder in (base, above) or not folder.startswith(base):
            return False
        folder = above
