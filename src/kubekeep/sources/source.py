"""Contract of a source: detection on the command line and in folders, and reading. No I/O.

A source is a folder of this package with a module `source` that defines `SOURCE`, an instance of a `SourceType`
subclass. These modules are imported for every scan, so they import the reading code only when they read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from typing import BinaryIO, ClassVar, Protocol

import msgspec

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.sources.git.changed_files import ChangedFiles
from kubekeep.sources.options import HelmOptions, ReadOptions
from kubekeep.sources.process_limits import RenderingTime
from kubekeep.sources.tree import Limits


class Root(msgspec.Struct, frozen=True):
    """One input for a source: its path for the system, the path shown to users, and the absolute folder of the scan.

    source: name of the source that reads it. path: a file, or the folder of a chart, a kustomization, a module.
    part: the file to read, relative to the folder, such as `templates/web.yaml`; empty for the whole folder.
    helm: options of the Argo CD or Flux application that deploys the chart; None without an application.
    is_data: True for a file below the folder of a source with `has_data`, such as a dashboard of a chart.
    """

    source: str
    path: str
    shown_path: str
    base: str
    part: str = ""
    helm: HelmOptions | None = None
    is_data: bool = False


class ReadContext(Protocol):
    """State of one scan that its sources share.

    roots: inputs of all sources. stdin: standard input, None if there is none. stack: closes temporary folders and processes after the scan.
    changed_files: files changed since a revision. files: number of files read so far. notes: messages for the user
    that are no errors. opened_paths: absolute paths of the files and folders that the scan was started with, and of checkouts;
    addresses of other inputs. branches: branch or tag of each checkout, by its real path. temporary: shown path of each temporary folder, by its real path. homes: the folder that shown
    paths are relative to, by the base of a Root. read_paths: real paths of files and folders that need not be read
    again. rendering_time: limit for all charts and kustomizations. followed: resources of the `followed_groups` of a source, by its name.
    """

    options: ReadOptions
    limits: Limits
    roots: Sequence[Root]
    stdin: BinaryIO | None
    stack: ExitStack
    changed_files: ChangedFiles
    files: int
    notes: list[str]
    temporary: dict[str, str]
    homes: dict[str, str]
    read_paths: set[str]
    rendering_time: RenderingTime
    followed: dict[str, list[Resource]]
    opened_paths: list[str]
    branches: dict[str, str]

    def find(self, path: str, shown_path: str | None = None) -> Iterator[Root | UnreadInput]:
        """Yield the inputs at and below a path; users see `shown_path`, if any, in place of `path`."""

    def read_root(self, root: Root) -> Iterator[Subject | UnreadInput]:
        """Yield the resources of a root, read by its source."""

    def has_read(self, *parts: str) -> bool:
        """Return True if a source has read the file at the path joined from `parts`."""

    def find_path(self, file: str, resource: Subject) -> str:
        """Return the path on disk of a file in a location of `resource`."""

    def add_manifest(self, root: Root, path: str, content: bytes | None = None) -> None:
        """Record the path of a manifest, and its content if it cannot be read a second time, like standard input."""


class SourceType:
    """Base class of sources: matches nothing and reads nothing unless a method is overridden.

    order: position among the sources, for detection and for reading. is_folder: a root is a folder rather than a file.
    has_data: files below a root that it does not own may be its data in any format; those that are no Kubernetes objects
    are no errors. is_fallback: reads files named on the command line that match no other source. followed_groups: API
    groups of resources that this source follows to more inputs, such as applications of Argo CD. is_followed: resources
    of this source may lead to more inputs.
    """

    name: ClassVar[str]
    order: ClassVar[int]
    is_folder: ClassVar[bool] = False
    has_data: ClassVar[bool] = False
    is_fallback: ClassVar[bool] = False
    is_followed: ClassVar[bool] = False
    followed_groups: ClassVar[frozenset[str]] = frozenset()

    def matches_address(self, address: str) -> bool:
        """Return True if this source opens a name of the command line that is not a path: `-`, a URL."""
        del address
        return False

    def matches_file(self, name: str) -> bool:
        """Return True if a file named on the command line belongs to this source, by its base name."""
        del name
        return False

    def matches_folder(self, names: AbstractSet[str]) -> bool:
        """Return True if a folder with these entries is a root of this source."""
        del names
        return False

    def matches_entry(self, name: str) -> bool:
        """Return True if a file in a scanned folder is a root of this source, by its base name."""
        del name
        return False

    def owns_entry(self, name: str, *, is_folder: bool) -> bool:
        """Return True if only this source reads an entry of its root folder."""
        del name, is_folder
        return False

    def find_root(self, path: str) -> str:
        """Return the root folder of this source that contains an absolute path; empty if there is none."""
        del path
        return ""

    def selected_part(self, name: str) -> str:
        """Return the part of a root folder that the name of a matching file selects; empty for the whole."""
        del name
        return ""

    def matches_archive(self, path: str) -> bool:
        """Return True if the archive at `path` is a root of this source, which reads it packed."""
        del path
        return False

    def open_address(self, address: str, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield the inputs at an address."""
        del address, context
        yield from ()

    def open_root(self, root: Root, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield the inputs in a root: itself, or the content of a container such as an archive."""
        del context
        yield root

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Subject | UnreadInput]:
        """Yield the resources of the roots of this source in their order, and of `followed`; errors as UnreadInput."""
        del roots, context
        yield from ()
