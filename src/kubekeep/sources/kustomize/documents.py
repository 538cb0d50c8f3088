"""Source documents of a build: files parsed once with their source maps, and the references of a kustomization.

Knows the fields of a kustomization (https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/). Never
builds anything and never follows a reference.
"""

# Paths are text here, as kustomize takes them:

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.confinement import open_descriptor
from kubekeep.model.location import Location, Path, Position, Region, SourceMap, line_starts, value_at
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import Document, Limits

_MAX_DEPTH: Final = 100
"""Nested collections in a document: source maps are read by recursive functions."""
_BLOCK: Final = re.compile(r"[|>](?:[+-]?[1-9]?|[1-9][+-])[ \t]*(?:#.*)?$")
_LINE_END: Final = re.compile(r"\r\n?|\n")
_START: Final = Position(1, 1)
_GIT: Final = re.compile(
    r"(?:git::)?(?:[a-z][a-z0-9+.-]*://|[a-z][a-z0-9-]*@[^/:]+[/:][^/]+/|github\.com[/:])|gh:", re.IGNORECASE
)
_WEB: Final = re.compile(r"https?://", re.IGNORECASE)
_REVISION: Final = re.compile(r"[^?]+/[^?]+\?(?:.*&)?(?:ref|version)=")


class SourceDocument:
    """One parsed document of a file, with the regions of its values in that file.

    shift: lines and columns to add to every position (for YAML inside a text value). fixed_region: one region for all
    values, if a text value does not keep its lines or is not YAML.
    """

    __slots__ = ("_fixed_region", "_shift", "_source_map", "file", "value")

    def __init__(
        self,
        file: str,
        value: Any,
        source_map: SourceMap | None = None,
        *,
        shift: tuple[int, int] = (0, 0),
        fixed_region: Region | None = None,
    ) -> None:
        self.file = file
        self.value = value
        self._source_map = source_map
        self._shift = shift
        self._fixed_region = fixed_region

    def region(self, path: Path) -> Region | None:
        """Return the region of path or of its nearest existing ancestor; None if the file has no lines."""
        if self._fixed_region is not None or self._source_map is None:
            return self._fixed_region
        return self._shift_region(self._source_map.region(self.value, path))

    def line_region(self, path: Path, line: int) -> Region | None:
        """Return the region of a line, from 1, of the text at path; None unless it is a block scalar."""
        if self._fixed_region is not None or self._source_map is None:
            return None
        region = self._source_map.line_region(self.value, path, line)
        return None if region is None else self._shift_region(region)

    def _shift_region(self, region: Region) -> Region:
        if self._shift == (0, 0):
            return region
        return Region(self._shift_position(region.start), self._shift_position(region.end))

    def _shift_position(self, position: Position) -> Position:
        lines, columns = self._shift
        return Position(position.line + lines, position.column + columns)


class SourcePath(msgspec.Struct, frozen=True, gc=False):
    """Path of a value in a source document: the origin of a value of a built object."""

    document: SourceDocument
    path: Path = ()

    def child(self, *steps: str | int) -> SourcePath:
        """Return the path extended by steps."""
        return SourcePath(self.document, self.path + steps)

    @property
    def value(self) -> Any:
        """The value at the path; None if there is none."""
        try:
            return value_at(self.document.value, self.path)
        except LookupError:
            return None

    def entries(self) -> Iterator[SourcePath]:
        """Yield the path of each list entry; none if the value is not a list."""
        value = self.value
        if isinstance(value, list):
            for index in range(len(value)):
                yield self.child(index)

    def location(self, display_file: str) -> Location:
        """Return the location in the file, with the path `display_file`."""
        return Location(display_file, self.document.region(self.path))


class SourceFile(msgspec.Struct, frozen=True):
    """A parsed file: its text and the documents without a syntax error."""

    text: str
    documents: tuple[SourceDocument, ...]


class SourceFiles:
    """Cache of source files by real path. Each is read and parsed once."""

    def __init__(self, limits: Limits, unsaved: Mapping[str, bytes] = {}) -> None:
        """unsaved: contents by real path that replace those of files."""
        self._unsaved = unsaved
        self._limits = msgspec.structs.replace(limits, depth=min(limits.depth, _MAX_DEPTH))
        self._files: dict[str, SourceFile] = {}

    def read(self, path: str) -> SourceFile:
        """Return the file at path; an unreadable file has no text and no documents."""
        file = self._files.get(path)
        if file is None:
            text = self._read_text(path)
            file = self._files[path] = SourceFile(text, self._parse(path, text))
        return file

    def parse_inline(self, origin: SourcePath) -> tuple[SourceDocument, ...]:
        """Parse the YAML in the text value at origin; positions refer to the enclosing file."""
        text = origin.value
        if not isinstance(text, str):
            return ()
        shift = self._find_block_shift(origin, text)
        fixed_region = origin.document.region(origin.path) if shift is None else None
        return self._parse(origin.document.file, text, shift=shift or (0, 0), fixed_region=fixed_region)

    def lines(self, path: str) -> Iterator[tuple[str, SourcePath]]:
        """Yield the lines of a file that is not YAML, each with its origin."""
        for number, line in enumerate(_LINE_END.split(self.read(path).text), 1):
            region = Region(Position(number, 1), Position(number, len(line) + 1))
            yield line, SourcePath(SourceDocument(path, line, fixed_region=region))

    def _read_text(self, path: str) -> str:
        try:
            content = self._unsaved.get(path)
            if content is None:
                with open(path, "rb", opener=open_descriptor) as stream:
                    content = stream.read(self._limits.bytes + 1)
            return content.decode("utf-8").removeprefix("\ufeff") if len(content) <= self._limits.bytes else ""
        except (OSError, ValueError):
            return ""

    def _parse(
        self, path: str, text: str, *, shift: tuple[int, int] = (0, 0), fixed_region: Region | None = None
    ) -> tuple[SourceDocument, ...]:
        return tuple(
            SourceDocument(path, document.value, document.source_map, shift=shift, fixed_region=fixed_region)
            for document in yaml_text.parse_documents(text, line_starts(text), self._limits)
            if isinstance(document, Document)
        )

    def _find_block_shift(self, origin: SourcePath, text: str) -> tuple[int, int] | None:
        """Return the offset in lines and columns of a block scalar's text; None for other scalar styles."""
        region = origin.document.region(origin.path)
        lines = _LINE_END.split(self.read(origin.document.file).text)
        content = _LINE_END.split(text)
        if region is None or region.start.line > len(lines):
            return None
        head = lines[region.start.line - 1]
        match = _BLOCK.search(head)
        first = next((n for n, line in enumerate(content) if line.strip()), None)
        if match is None or first is None or region.start.line + first >= len(lines):
            return None
        content_line, file_line = content[first], lines[region.start.line + first]
        # A folded scalar joins lines: positions are exact only if no line was joined.
        is_folded = head[match.start()] == ">" and text.rstrip("\n").count("\n") > 0
        if is_folded or not file_line.endswith(content_line):
            return None
        return region.start.line, len(file_line) - len(content_line)


def create_file_origin(path: str) -> SourcePath:
    """Return the origin of a value that is the whole content of a file: its first line."""
    return SourcePath(SourceDocument(path, None, fixed_region=Region(_START, _START)))


class ReferenceRole(enum.Enum):
    """Purpose of a reference."""

    RESOURCE = enum.auto()
    """A manifest, or the folder of a base."""
    COMPONENT = enum.auto()
    """The folder of a component."""
    PLUGIN = enum.auto()
    """A configured generator, transformer or validator: a file, a folder or inline YAML."""
    PATCH = enum.auto()
    """A patch file, or inline YAML in fields that accept both."""
    DATA = enum.auto()
    """Any other file the build reads."""


class FileReference(msgspec.Struct, frozen=True):
    """A file, folder or URL named by a kustomization, and its origin."""

    text: str
    origin: SourcePath
    role: ReferenceRole

    @property
    def is_remote(self) -> bool:
        """True if kustomize would fetch it (`NewRepoSpecFromURL`, `IsRemoteFile`), or if it is clearly meant as a URL."""
        if self.role in (ReferenceRole.PATCH, ReferenceRole.DATA):
            return _WEB.match(self.text) is not None
        return "\n" not in self.text and any(form.match(self.text) for form in (_GIT, _REVISION))


_LISTS: Final = {
    "resources": ReferenceRole.RESOURCE,
    "bases": ReferenceRole.RESOURCE,
    "components": ReferenceRole.COMPONENT,
    "generators": ReferenceRole.PLUGIN,
    "transformers": ReferenceRole.PLUGIN,
    "validators": ReferenceRole.PLUGIN,
    "patchesStrategicMerge": ReferenceRole.PATCH,
    "crds": ReferenceRole.DATA,
    "configurations": ReferenceRole.DATA,
}
_PATHS: Final = {
    "patches": ReferenceRole.PATCH,
    "patchesJson6902": ReferenceRole.PATCH,
    "replacements": ReferenceRole.DATA,
}
_GENERATORS: Final = ("configMapGenerator", "secretGenerator")
_CHARTS: Final = ("helmCharts", "helmChartInflationGenerator")


def list_references(document: SourceDocument) -> Iterator[FileReference]:
    """Yield the references of a kustomization in the order of its fields."""
    root = SourcePath(document)
    for field, role in _LISTS.items():
        yield from _read_references(root.child(field), role)
    for field, role in _PATHS.items():
        for entry in root.child(field).entries():
            yield from _read_references(entry.child("path"), role)
    for field in _GENERATORS:
        for generator in root.child(field).entries():
            for entry in generator.child("files").entries():
                if isinstance(entry.value, str):
                    yield FileReference(entry.value.partition("=")[2] or entry.value, entry, ReferenceRole.DATA)
            yield from _read_references(generator.child("envs"), ReferenceRole.DATA)
            yield from _read_references(generator.child("env"), ReferenceRole.DATA)
    for chart in list_charts(document):
        for field in ("valuesFile", "additionalValuesFiles", "values"):
            yield from _read_references(chart.child(field), ReferenceRole.DATA)
    yield from _read_references(root.child("openapi", "path"), ReferenceRole.DATA)


def list_charts(document: SourceDocument) -> Iterator[SourcePath]:
    """Yield the entries of a kustomization that inflate a chart."""
    for field in _CHARTS:
        yield from SourcePath(document, (field,)).entries()


def _read_references(origin: SourcePath, role: ReferenceRole) -> Iterator[FileReference]:
    value = origin.value
    if isinstance(value, str) and value:
        yield FileReference(value, origin, role)
    else:
        yield from (
            FileReference(entry.value, entry, role) for entry in origin.entries() if isinstance(entry.value, str)
        )
