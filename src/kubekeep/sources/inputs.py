"""Resources of everything the user names on the command line: paths, patterns, archives, URLs and repositories.

Finds the roots, lets the source of each read it, and yields every resource once. Never evaluates controls.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH109, PTH118

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.paths import display_path
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.model.text import visible
from kubekeep.sources.files import open_file
from kubekeep.sources.git.changed_files import ChangedFiles
from kubekeep.sources.ignore import Ignores
from kubekeep.sources.notes import count_noun, list_first
from kubekeep.sources.options import ReadOptions
from kubekeep.sources.pattern import expand
from kubekeep.sources.process_limits import RenderingTime
from kubekeep.sources.registry import load_sources
from kubekeep.sources.signals import exit_on_signals
from kubekeep.sources.source import ReadContext, Root
from kubekeep.sources.temporary import TemporaryFolderError
from kubekeep.sources.tree import DEFAULT_LIMITS, Limits
from kubekeep.sources.unsaved import find_unsaved
from kubekeep.sources.walk import Walk


def read(
    paths: Sequence[str],
    *,
    stdin: BinaryIO | None = None,
    limits: Limits = DEFAULT_LIMITS,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - a frozen value
) -> Inputs:
    """Return the resources at some paths; `-` is standard input. See `Inputs`."""
    return Inputs(paths, stdin=stdin, limits=limits, options=options)


class Inputs(ReadContext):
    """The resources at some paths, read by iterating: first kustomizations, then files, Terraform, applications, charts.

    Resources of a source come in the order of the paths, of names in a folder and of documents in a file. Input that
    could not be read, or only in part, is an UnreadInput among the resources. A file that a kustomization includes is read
    only as part of it. `files` counts the files read so far, including those without an object; `notes` are messages
    for the user that are no errors; `manifests` are the paths of files that were read directly, by the folder of the
    scan and the shown path.

    Use it as a context manager to read files after iterating: temporary folders are removed at its end.
    """

    def __init__(self, paths: Sequence[str], *, stdin: BinaryIO | None, limits: Limits, options: ReadOptions) -> None:
        self.options = options
        self.limits = limits
        self.stdin = stdin
        self.stack = ExitStack()
        self.changed_files = ChangedFiles(options.changed_since, options.access.environment)
        self.manifests: dict[tuple[str, str], str] = {}
        self._paths = paths
        self._contents: dict[str, bytes] = {}
        self._reset()

    def _reset(self) -> None:
        self.roots: list[Root] = []
        self.files = 0
        self.notes = []
        self.temporary = {}
        self.homes = {}
        self.read_paths = set()
        self.rendering_time = RenderingTime()
        self.followed = {}
        self.opened_paths = []
        self.branches = {}
        self._exclusions: list[Ignores] = []
        self._walk = Walk(self._add_exclusions)

    def __enter__(self) -> Self:
        self.stack.enter_context(exit_on_signals())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stack.close()

    def __iter__(self) -> Iterator[Subject | UnreadInput]:
        self._reset()
        roots = self.roots
        for path in self._paths:
            for root in self._open(path):
                if isinstance(root, UnreadInput):
                    yield root
                else:
                    roots.append(root)
        yield from self._report_exclusions()
        for source in load_sources().values():
            own_roots = [root for root in roots if root.source == source.name]
            resources = source.read(own_roots, self)
            try:
                yield from self._collect_followed(resources) if source.is_followed else resources
            except TemporaryFolderError as error:
                yield from (UnreadInput(Location(root.shown_path), str(error)) for root in own_roots)

    def is_changed(self, resource: Resource) -> bool:
        """Return True if a file of `resource` changed since the requested revision; True without a revision."""
        return self.changed_files.has_changed(resource)

    def find_path(self, file: str, resource: Subject) -> str:
        """Return the path on disk of a file in a location of `resource`."""
        sources = (related.source for related in (resource, *resource.related))
        base = next((source.base for source in sources if source is not None), "")
        if (base, file) in self.manifests:
            return self.manifests[base, file]
        for folder, shown_path in self.temporary.items():
            if shown_path and file.startswith(shown_path + os.sep):
                return os.path.join(folder, file[len(shown_path) + 1 :])
        return os.path.join(self.homes.get(base, os.getcwd()), file)

    def content(self, path: str) -> bytes | None:
        """Return the content of a file by its path from `find_path`; None if it cannot be read any more."""
        if path in self._contents:
            return self._contents[path]
        unsaved = find_unsaved(self.options.unsaved, path)
        if unsaved is not None:
            return unsaved
        try:
            with open_file(path) as stream:
                content = stream.read(self.limits.bytes + 1)
        except (OSError, ValueError):
            return None
        return content if len(content) <= self.limits.bytes else None

    def find(self, path: str, shown_path: str | None = None) -> Iterator[Root | UnreadInput]:
        """Yield the inputs at and below a path; users see `shown_path`, if any, in place of `path`."""
        for root in self._walk.find(path, shown_path):
            if isinstance(root, UnreadInput):
                yield root
            else:
                yield from load_sources()[root.source].open_root(root, self)

    def read_root(self, root: Root) -> Iterator[Subject | UnreadInput]:
        """Yield the resources of a root, read by its source."""
        return load_sources()[root.source].read([root], self)

    def has_read(self, *parts: str) -> bool:
        """Return True if a source has read the file at the path joined from `parts`."""
        return os.path.realpath(os.path.join(*parts)) in self.read_paths

    def add_manifest(self, root: Root, path: str, content: bytes | None = None) -> None:
        """Record the path of a manifest, and its content if it cannot be read a second time, like standard input."""
        self.manifests[root.base, root.shown_path] = path
        if content is not None:
            self._contents[path] = content

    def _open(self, name: str) -> Iterator[Root | UnreadInput]:
        """Yield the inputs at a name of the command line: an address, a path or a pattern."""
        try:
            yield from self._open_name(name)
        except TemporaryFolderError as error:
            yield UnreadInput(Location(visible(name)), str(error))

    def _open_name(self, name: str) -> Iterator[Root | UnreadInput]:
        for source in load_sources().values():
            if source.matches_address(name):
                opened = len(self.opened_paths)
                yield from source.open_address(name, self)
                if len(self.opened_paths) == opened:
                    self.opened_paths.append(name)
                return
        if find_unsaved(self.options.unsaved, name) is not None and not os.path.lexists(name):
            yield _create_unsaved_root(name)
            return
        paths = expand(name)
        if paths == []:
            yield UnreadInput(Location(visible(name)), "no file matches this pattern")
        for path in [name] if paths is None else paths:
            self.opened_paths.append(str(Path.cwd() / path))
            yield from self.find(path)

    def _add_exclusions(self, folder: str) -> Ignores:
        self._exclusions.append(Ignores(folder, self.options.exclude, files=self.options.ignore_files))
        return self._exclusions[-1]

    def _report_exclusions(self) -> Iterator[UnreadInput]:
        """Yield the problems of ignore files after all folders were walked; add notes about excluded files and archives."""
        files = folders = 0
        for exclusions in self._exclusions:
            yield from exclusions.problems
            files, folders = files + exclusions.counts.files, folders + exclusions.counts.folders
        if files or folders:
            self.notes.append(f"excluded: {count_noun(files, 'file')} and {count_noun(folders, 'folder')}")
        if unread_files := self._walk.unread_files:
            archives = f"{count_noun(len(unread_files), 'archive')} ({list_first(unread_files)})"
            self.notes.append(
                f"not read: {archives}; an archive in a folder is read only if it is named as an argument"
            )

    def _collect_followed(self, resources: Iterable[Subject | UnreadInput]) -> Iterator[Subject | UnreadInput]:
        """Yield the same resources, and pass those that lead to more inputs to the source that follows them."""
        by_group = {group: source.name for source in load_sources().values() for group in source.followed_groups}
        for resource in resources:
            if isinstance(resource, Resource) and (name := by_group.get(resource.group)) is not None:
                self.followed.setdefault(name, []).append(resource)
            yield resource


def _create_unsaved_root(name: str) -> Root:
    """Return the input at a name that only has an unsaved content."""
    folder, file = os.path.split(name)
    for source in load_sources().values():
        if source.is_folder and source.matches_file(file):
            return Root(source.name, folder, display_path(folder), os.getcwd(), source.selected_part(file))
    return Root("manifests", name, display_path(name), os.getcwd())
