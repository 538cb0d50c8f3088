"""Sources of subjects: the file and document of an object, or the chart or kustomization that generated it. No I/O."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from kubekeep.model.location import LazySourceMap, LineSourceMap, Location, Path, SourceMap


class CommentSyntax(enum.Enum):
    """Syntax of the comments in a file."""

    YAML = "YAML"
    TEMPLATE = "a template of YAML"
    TERRAFORM = "Terraform"
    DOCKERFILE = "Dockerfile"


class FileType(msgspec.Struct, frozen=True):
    """Kind of source that a resource was read from, declared by the folder of the source.

    name: `fileType` in reports. origin: noun for the origin of its resources, as "chart". is_template: files are
    templates or programs, so that a value without a setting of its own cannot be edited. shares_files: several origins
    may build resources from one file, so that reports name the origin. fixed_files: names of files whose values cannot
    be edited. has_open_namespaces: objects without a namespace get one when the file is applied, as with `kubectl -n`.
    has_excerpts: False for documents of programs, whose lines explain nothing to people and are many.
    comments: comment syntax by file extension, "" for all others; YAML where there is none.
    fields: names of further fields in JSON reports with their content: `file`, `line`, or a field of `RenderOrigin`.
    """

    name: str
    origin: str = ""
    is_template: bool = False
    shares_files: bool = False
    fixed_files: tuple[str, ...] = ()
    has_open_namespaces: bool = False
    has_excerpts: bool = True
    comments: tuple[tuple[str, CommentSyntax], ...] = ()
    fields: tuple[tuple[str, str], ...] = ()

    def comment_syntax(self, file: str) -> CommentSyntax:
        """Return the syntax of comments in a file, by its extension."""
        by_extension = dict(self.comments)
        return by_extension.get(PurePosixPath(file).suffix) or by_extension.get("", CommentSyntax.YAML)


class RenderOrigin(msgspec.Struct, frozen=True):
    """Chart or kustomization that generated an object.

    `folder` is the display path of the chart or kustomization. `chart` is the name of the chart, `values` the values
    files used in addition to its own, `subchart` the innermost sub-chart with the template. `application` is the file
    and line of the Argo CD or Flux object that configured the rendering, if any.
    """

    folder: str
    chart: str = ""
    subchart: str = ""
    values: tuple[str, ...] = ()
    application: str = ""


class Source(msgspec.Struct, frozen=True):
    """File and document of an object, or the template or kustomization that generated it.

    `path` is the display path (relative to `base` if below it); `base` is the absolute folder of the scan; `document`
    is the 0-based number of the document in the file, the same for all items of a List; `root` is the path of the
    object in that document. A generated object has an `origin`, and a `lazy_source_map` to the original files.
    """

    path: str
    base: str
    file_type: FileType
    document: int
    source_map: SourceMap | None = None
    root: Path = ()
    origin: RenderOrigin | None = None
    lazy_source_map: LazySourceMap | None = None

    def locate(self, document: Any, path: Path) -> Location:
        """Return the location of `path`, a path from the root of the object; `document` is the whole document."""
        if self.lazy_source_map is not None:
            return self.lazy_source_map.locate(document, self.root + path)
        if self.source_map is None:
            return Location(self.path)
        return Location(self.path, self.source_map.region(document, self.root + path))

    def locate_line(self, document: Any, path: Path, line: int) -> Location:
        """Return the location of a line, from 1, of the text at `path`, or of the text if its lines are unknown."""
        location = None
        if self.lazy_source_map is None:
            region = None if self.source_map is None else self.source_map.line_region(document, self.root + path, line)
            location = None if region is None else Location(self.path, region)
        elif isinstance(self.lazy_source_map, LineSourceMap):
            location = self.lazy_source_map.locate_line(document, self.root + path, line)
        return location or self.locate(document, path)

    def locate_fields(self, document: Any, paths: Sequence[Path]) -> list[tuple[Location | None, bool]] | None:
        """Return for each path its location, and true if it exists; None if locations are looked up one by one."""
        if self.lazy_source_map is not None or self.source_map is None:
            return None
        file = self.path
        locations = _get_recent_locations(self.source_map, file)
        fields: list[tuple[Location | None, bool]] = []
        for region, exists in self.source_map.find_fields(document, self.root, paths):
            location = locations.get(id(region))
            if location is None:
                location = locations[id(region)] = Location(file, region)
            fields.append((location, exists))
        return fields


@functools.lru_cache(maxsize=2)
def _get_recent_locations(source_map: SourceMap, file: str) -> dict[int, Location]:  # noqa: ARG001 - key of the cache
    """Return the locations by the `id()` of their region, to be filled; dozens of controls report the same region."""
    return {}
