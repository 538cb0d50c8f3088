"""Inputs at the paths that the user names: files, and the roots of sources in folders.

Detects by names: reads no file and follows no link out of a folder. Folders are walked in the order of names, so that
results do not depend on the file system. Hidden folders are walked, as by `kubectl apply -R`, but no folders of tools.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH109, PTH112, PTH114, PTH116, PTH117, PTH118, PTH119

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Final, Protocol

import msgspec

from kubekeep.confinement import scan_folder
from kubekeep.model.assessment import UnassessedInput, UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.registry import load_sources
from kubekeep.sources.source import Root, SourceType

_VERSION_CONTROL: Final = (".git", ".hg", ".svn", ".bzr", ".jj")
_EDITORS: Final = (".idea", ".vscode", ".vs", ".zed", ".devcontainer", ".ipynb_checkpoints")
_ENVIRONMENTS: Final = (".venv", ".direnv", ".tox", ".nox", ".eggs", ".bundle", ".npm", ".pnpm-store", ".yarn")
_CACHES: Final = (".cache", ".gradle", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".next", ".nuxt", ".nx", ".turbo")
_DOWNLOADS: Final = (".terraform", ".terragrunt-cache")
_MANIFESTS: Final = (".yaml", ".yml", ".tf", ".tofu")
_MOST_SEARCHED: Final = 10_000
_NOT_WALKED: Final = (
    "downloads of Terraform or Terragrunt, with modules or manifests: read only if this folder is named"
)
TOOL_FOLDERS: Final = frozenset((*_VERSION_CONTROL, *_EDITORS, *_ENVIRONMENTS, *_CACHES, *_DOWNLOADS))
"""Names of hidden folders that are not read unless the user names them."""
_DATA_FOLDER: Final = re.compile(r"\.\.(?:data(?:_tmp)?|\d{4}(?:_\d\d){5}\.\d+)")
"""Folders that a kubelet writes into a mounted volume, with links beside them to their files (its atomic writer)."""


def is_tool_folder(name: str) -> bool:
    """Return True if a folder belongs to a tool: it is not read unless the user names it."""
    return name in TOOL_FOLDERS or _DATA_FOLDER.fullmatch(name) is not None


class PathFilter(Protocol):
    """Exclusions of one walked folder, queried from the top down."""

    def ignored(self, path: str, *, is_folder: bool) -> bool:
        """Return True if `path`, below the folder, is excluded."""


class Walk:
    """Inputs below several paths, each yielded once.

    unread_files: shown paths of files in folders that a source reads only if the user names them, such as archives.
    """

    def __init__(self, exclusions: Callable[[str], PathFilter | None] = lambda _: None) -> None:
        """Create a walk; `exclusions` returns the filter of a named folder."""
        self.unread_files: list[str] = []
        self._seen: set[tuple[str, str, str]] = set()
        self._exclusions = exclusions
        self._sources = tuple(load_sources().values())
        self._fallback = next(source for source in self._sources if source.is_fallback)

    def find(self, path: str, shown_path: str | None = None) -> Iterator[Root | UnreadInput]:
        """Yield the input at one named path: a file of any extension, or everything below a folder.

        The shown path is the named one, joined with the names below it; the base is the folder itself, or the working
        folder for a named file. A named link is followed. A named part of a chart, or the file of a kustomization,
        selects the chart or kustomization. `shown_path` replaces `path` in shown paths, for temporary folders.
        """
        for root in self._find(path):
            if isinstance(root, _UnnamedFile):
                file = root.path if shown_path is None else _replace_prefix(root.path, path, shown_path)
                self.unread_files.append(file)
            elif shown_path is None:
                yield root
            elif isinstance(root, Root):
                yield msgspec.structs.replace(root, shown_path=_replace_prefix(root.shown_path, path, shown_path))
            else:
                location = Location(_replace_prefix(root.location.file, path, shown_path))
                yield msgspec.structs.replace(root, location=location)

    def _find(self, path: str) -> Iterator[Root | UnreadInput | _UnnamedFile]:
        named = os.path.normpath(path)
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            yield _skip(named, error_reason(error))
            return
        absolute = os.path.abspath(path)
        for source in self._sources:
            if whole := source.find_root(absolute):
                shown_path = whole if os.path.isabs(path) else os.path.relpath(whole)
                part = PurePath(absolute).relative_to(whole).as_posix()
                yield from self._yield_once(source, whole, shown_path, os.getcwd(), part)
                return
        if stat.S_ISDIR(mode):
            yield from self._folder(named, absolute)
        else:
            yield from self._named_file(path, named)

    def _named_file(self, path: str, named: str) -> Iterator[Root]:
        folder, name = os.path.split(named)
        matches = (source for source in self._sources if source.matches_file(name))
        source = next(matches, self._fallback)
        if source.is_folder:
            folder = folder or os.curdir
            yield from self._yield_once(source, folder, folder, os.getcwd(), source.selected_part(name))
        else:
            yield from self._yield_once(source, path, named, os.getcwd())

    def _yield_once(self, source: SourceType, path: str, shown_path: str, base: str, part: str = "") -> Iterator[Root]:
        key = (source.name, os.path.realpath(path), part)
        if key not in self._seen and (*key[:2], "") not in self._seen:
            self._seen.add(key)
            yield Root(source.name, path, display_path(shown_path), base, part)

    def _folder(self, named: str, base: str) -> Iterator[Root | UnreadInput | _UnnamedFile]:
        top = os.path.realpath(base)
        exclusions = self._exclusions(named)
        todo = [(named, False)]
        while todo:
            path, is_data = todo.pop()
            is_folder = os.path.isdir(path)
            if exclusions is not None and path != named and exclusions.ignored(path, is_folder=is_folder):
                continue
            if is_folder and not (os.path.islink(path) and path != named):
                yield from self._entries(path, base, todo, is_data=is_data)
                continue
            files = self._link(path, top, base) if os.path.islink(path) else self._file(path, base)
            for file in files:
                yield msgspec.structs.replace(file, is_data=True) if is_data and isinstance(file, Root) else file

    def _file(self, path: str, base: str) -> Iterator[Root | _UnnamedFile]:
        name = os.path.basename(path)
        for source in self._sources:
            if source.matches_entry(name):
                yield from self._yield_once(source, path, path, base)
                return
        yield _UnnamedFile(display_path(path))

    def _entries(
        self, folder: str, base: str, todo: list[tuple[str, bool]], *, is_data: bool
    ) -> Iterator[Root | UnreadInput]:
        """Yield the roots that `folder` is; add the entries to visit to `todo`, the first name last."""
        try:
            entries = sorted(scan_folder(folder), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            yield _skip(folder, error_reason(error))
            return
        names = {entry.name for entry in entries}
        owners = [source for source in self._sources if source.matches_folder(names)]
        for source in owners:
            yield from self._yield_once(source, folder, folder, base)
        yield from _report_downloads(folder, names)
        is_data = is_data or any(source.has_data for source in owners)
        for entry in entries:
            name = entry.name
            is_folder = _is_folder(entry)
            is_candidate = not is_tool_folder(name) if is_folder else self._matches_entry(entry)
            if is_candidate and not any(source.owns_entry(name, is_folder=is_folder) for source in owners):
                todo.append((_join(folder, name), is_data))

    def _matches_entry(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if any(source.matches_entry(name) for source in self._sources):
            return True
        is_named_only = any(source.matches_file(name) and not source.is_folder for source in self._sources)
        return is_named_only and entry.is_file(follow_symlinks=False)

    def _link(self, path: str, top: str, base: str) -> Iterator[Root | UnreadInput | _UnnamedFile]:
        real = os.path.realpath(path)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            yield _skip(path, f"symbolic link: {error_reason(error)}")
            return
        if os.path.commonpath((top, real)) != top:
            yield _skip(path, "symbolic link to a path outside the scanned folder: not followed")
        elif not stat.S_ISDIR(mode):
            yield from self._file(path, base)
        elif any(map(is_tool_folder, PurePath(os.path.relpath(real, top)).parts)):
            yield _skip(path, "symbolic link to a folder that is not read: not followed")


def _join(folder: str, name: str) -> str:
    return name if folder == os.curdir else os.path.join(folder, name)


def _report_downloads(folder: str, names: AbstractSet[str]) -> Iterator[UnassessedInput]:
    """Yield the entries of a folder that hold downloads with manifests or modules."""
    for path in (_join(folder, name) for name in _DOWNLOADS if name in names):
        if _may_hold_manifests(path):
            yield UnassessedInput(Location(display_path(path)), _NOT_WALKED)


def _may_hold_manifests(folder: str) -> bool:
    """Return True if one of the first entries below a folder is a manifest or a module; links are not followed."""
    entries = 0
    for _, folders, files in os.walk(folder):
        if any(name.lower().endswith(_MANIFESTS) for name in files):
            return True
        entries += len(folders) + len(files)
        if entries > _MOST_SEARCHED:
            return True
    return False


class _UnnamedFile(msgspec.Struct, frozen=True):
    """A file in a folder that a source reads only if the user names it."""

    path: str


def _skip(path: str, message: str) -> UnreadInput:
    return UnreadInput(Location(display_path(path)), message)


def _replace_prefix(shown_path: str, path: str, prefix: str) -> str:
    """Replace `path`, the beginning of `shown_path`, by `prefix`."""
    rest = shown_path[len(display_path(os.path.normpath(path))) :].lstrip(os.sep)
    return os.path.join(prefix, rest) if rest and prefix else rest or prefix or os.curdir


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
