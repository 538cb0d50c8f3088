"""What there is to read at the paths that a person names: manifests, charts, kustomizations, Terraform modules.

Goes by names alone: reads no content, follows no link out of a folder.

Folders are walked in the order of names, so that results do not depend on the file system.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH109, PTH112, PTH113, PTH114, PTH116, PTH117, PTH118

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Final, Protocol

import msgspec

from kubekeep.model.paths import display_path, error_reason

EXTENSIONS: Final = (".yaml", ".yml", ".json")
CHART: Final = "Chart.yaml"
KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""Names of the file that makes a folder a kustomization (kustomize, `konfig.RecognizedKustomizationFileNames`)."""
_TERRAFORM: Final = (".tf", ".tf.json")
ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".zip")
"""How names of archives end."""
_CHART_PARTS: Final = frozenset({"templates", "charts", "crds"})
"""Folders of a chart that are Helm's to read."""
_CHART_FILES: Final = frozenset({CHART, "Chart.lock", "values.yaml", "values.yml", "values.schema.json"})


class Kind(enum.Enum):
    """What stands at a path, and so who reads it."""

    FILE = enum.auto()
    CHART = enum.auto()
    KUSTOMIZATION = enum.auto()
    TERRAFORM = enum.auto()
    ARCHIVE = enum.auto()
    """A packed chart, or a bundle of manifests."""


class Root(msgspec.Struct, frozen=True):
    """Something to read: its path for the system, as it is shown to people, and the absolute folder of the scan.

    A chart, a kustomization and a Terraform module are the folder they are in. `only` is the part of it that a
    person named, relative to the folder, as `templates/web.yaml`; empty for all.
    """

    kind: Kind
    path: str
    shown: str
    base: str
    only: str = ""


class Skipped(msgspec.Struct, frozen=True):
    """A path that is not read although it was named, or may hold manifests."""

    shown: str
    message: str


class Ignoring(Protocol):
    """What a person wants left out of a folder that is walked, asked from the top down."""

    def ignored(self, path: str, *, is_folder: bool) -> bool:
        """Whether `path`, which is below the folder, is left out."""


class Walk:
    """What there is to read below some paths, each once."""

    def __init__(self, ignoring: Callable[[str], Ignoring | None] = lambda _: None) -> None:
        """Leave out below each named folder what `ignoring`, asked for that folder, says."""
        self._seen: set[tuple[Kind, str, str]] = set()
        self._ignoring = ignoring

    def found(self, path: str, shown: str | None = None) -> Iterator[Root | Skipped]:
        """What stands at one named path: a file, whatever its extension, or all there is below a folder.

        The shown path is the named one, with what is below it joined as a person would type it; the base is the
        folder itself, or the working folder for a named file. A link that is named is followed. Naming a part of a
        chart, or the file of a kustomization, means the chart or kustomization.

        With `shown`, people see that in place of `path`: for what was put into a temporary folder.
        """
        for item in self._found(path):
            yield item if shown is None else msgspec.structs.replace(item, shown=_moved(item.shown, path, shown))

    def _found(self, path: str) -> Iterator[Root | Skipped]:
        named = os.path.normpath(path)
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            yield Skipped(display_path(named), error_reason(error))
            return
        absolute = os.path.abspath(path)
        if (chart := _chart_of(absolute)) is not None:
            shown = os.path.relpath(chart) if not os.path.isabs(path) else chart
            only = PurePath(absolute).relative_to(chart).as_posix()
            yield from self._once(Kind.CHART, chart, shown, os.getcwd(), only)
        elif stat.S_ISDIR(mode):
            yield from self._folder(named, absolute)
        else:
            yield from self._named_file(path, named)

    def _named_file(self, path: str, named: str) -> Iterator[Root | Skipped]:
        folder, name = os.path.split(named)
        folder, here = folder or os.curdir, os.getcwd()
        if name == CHART:
            yield from self._once(Kind.CHART, folder, folder, here)
        elif name in KUSTOMIZATIONS:
            yield from self._once(Kind.KUSTOMIZATION, folder, folder, here)
        elif name.endswith(_TERRAFORM):
            yield from self._once(Kind.TERRAFORM, folder, folder, here, name)
        elif name.lower().endswith(ARCHIVES):
            yield from self._once(Kind.ARCHIVE, path, named, here)
        else:
            yield from self._once(Kind.FILE, path, named, here)

    def _once(self, kind: Kind, path: str, shown: str, base: str, only: str = "") -> Iterator[Root]:
        key = (kind, os.path.realpath(path), only)
        if key not in self._seen and (kind, key[1], "") not in self._seen:
            self._seen.add(key)
            yield Root(kind, path, display_path(shown), base, only)

    def _folder(self, named: str, base: str) -> Iterator[Root | Skipped]:
        root = os.path.realpath(base)
        ignoring = self._ignoring(named)
        todo = [named]
        while todo:
            path = todo.pop()
            is_folder = os.path.isdir(path)
            if ignoring is not None and path != named and ignoring.ignored(path, is_folder=is_folder):
                continue
            if is_folder and not (os.path.islink(path) and path != named):
                yield from self._entries(path, base, todo)
            elif os.path.islink(path):
                yield from self._link(path, root, base)
            else:
                yield from self._once(Kind.FILE, path, path, base)

    def _entries(self, folder: str, base: str, todo: list[str]) -> Iterator[Root | Skipped]:
        """Put what is to be looked at in `folder` on `todo`, the first name last."""
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            yield Skipped(display_path(folder), error_reason(error))
            return
        names = {entry.name for entry in found}
        is_chart = CHART in names
        if is_chart:
            yield from self._once(Kind.CHART, folder, folder, base)
        if not names.isdisjoint(KUSTOMIZATIONS):
            yield from self._once(Kind.KUSTOMIZATION, folder, folder, base)
        if any(name.endswith(_TERRAFORM) for name in names):
            yield from self._once(Kind.TERRAFORM, folder, folder, base)
        for entry in found:
            if _may_be_folder(entry):
                if not entry.name.startswith(".") and not (is_chart and entry.name in _CHART_PARTS):
                    todo.append(_below(folder, entry.name))
            elif _may_hold_objects(entry.name) and not (is_chart and entry.name in _CHART_FILES):
                todo.append(_below(folder, entry.name))

    def _link(self, path: str, root: str, base: str) -> Iterator[Root | Skipped]:
        real = os.path.realpath(path)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            yield Skipped(display_path(path), f"symbolic link: {error_reason(error)}")
            return
        if os.path.commonpath((root, real)) != root:
            yield Skipped(display_path(path), "symbolic link out of the scanned folder: not followed")
        elif not stat.S_ISDIR(mode):
            yield from self._once(Kind.FILE, path, path, base)
        elif any(part.startswith(".") for part in PurePath(os.path.relpath(real, root)).parts):
            yield Skipped(display_path(path), "symbolic link to a hidden folder: not followed")


def _moved(shown: str, path: str, to: str) -> str:
    """`shown`, which begins with `path`, beginning with `to` instead; empty for nothing before what is below it."""
    rest = shown[len(display_path(os.path.normpath(path))) :].lstrip(os.sep)
    return os.path.join(to, rest) if rest and to else rest or to or os.curdir


def _may_hold_objects(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS) and name not in KUSTOMIZATIONS and not name.endswith(_TERRAFORM)


def _below(folder: str, name: str) -> str:
    return name if folder == os.curdir else os.path.join(folder, name)


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _chart_of(path: str) -> str | None:
    """The chart that this is a part of, but for the chart itself."""
    for parent in (PurePath(path), *PurePath(path).parents):
        if parent.name == "templates" and os.path.isfile(parent.parent / CHART):
            return str(parent.parent)
    return None
