"""A copy of the scanned files in a temporary folder, to scan changes before anything is written.

Contains the files a scan would read, with the same relative paths. Never writes outside of the copy.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH101, PTH103, PTH109, PTH112, PTH114, PTH115, PTH116, PTH117, PTH118, PTH119, PTH120, PTH211

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from kubekeep.confinement import open_descriptor
from kubekeep.sources.dockerfile.names import is_dockerfile_name
from kubekeep.sources.manifests.names import EXTENSIONS
from kubekeep.sources.temporary import temporary_folder
from kubekeep.sources.tree import MAXIMUM_BYTES
from kubekeep.sources.walk import is_tool_folder


class ScratchCopy:
    """A copy of files and folders; a context manager that removes it.

    extra_files: other files whose folders are included, such as bases outside of the scanned folder. copies_all: copy
    everything in the folders, as charts and kustomizations need; otherwise only manifests.
    """

    def __init__(self, paths: Sequence[str], extra_files: Iterable[str], *, copies_all: bool) -> None:
        scanned_paths = [os.path.abspath(path) for path in paths]
        extra_folders = [os.path.dirname(os.path.abspath(path)) for path in extra_files]
        self._sources = _find_outermost([*scanned_paths, *extra_folders])
        self._scanned_paths = scanned_paths
        self._copies_all = copies_all
        folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in self._sources]
        self._root = os.path.commonpath(folders) if folders else os.getcwd()
        self._copy = ""
        self._stack = ExitStack()
        self._names: dict[str, str] = {}

    def __enter__(self) -> Self:
        # Names of some resources contain the name of the folder.
        name = os.path.basename(self._root) or "root"
        self._copy = os.path.join(os.path.realpath(self._stack.enter_context(temporary_folder())), name)
        os.makedirs(self._copy)
        for source in self._sources:
            self._copy_source(source)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def paths(self) -> tuple[str, ...]:
        """The copied paths."""
        return tuple(self._locate(path) for path in self._scanned_paths)

    def get_relative_name(self, shown: str) -> str:
        """Return the path of a file relative to the common root: the same for original and copy."""
        known_name = self._names.get(shown)
        if known_name is not None:
            return known_name
        path = os.path.abspath(shown)
        is_in_copy = path == self._copy or path.startswith(self._copy + os.sep)
        return self._names.setdefault(shown, os.path.relpath(path, self._copy if is_in_copy else self._root))

    def write(self, shown: str, content: bytes) -> None:
        """Replace a file of the copy. Raises OSError, also for a name outside of the copy."""
        copy_path = os.path.realpath(self._locate(os.path.abspath(shown)))
        if not copy_path.startswith(self._copy + os.sep):
            raise OSError("it is not in the copy")
        os.makedirs(os.path.dirname(copy_path), exist_ok=True)
        Path(copy_path).write_bytes(content)

    def _locate(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._copy, os.path.relpath(path, self._root)))

    def _copy_source(self, source: str) -> None:
        if not os.path.isdir(source):
            self._copy_file(source, is_scanned=True)
            return
        for folder, names, files in os.walk(source):
            names[:] = [name for name in names if not is_tool_folder(name)]
            os.makedirs(self._locate(folder), exist_ok=True)
            for name in (*files, *(name for name in names if os.path.islink(os.path.join(folder, name)))):
                self._copy_file(os.path.join(folder, name))

    def _copy_file(self, path: str, *, is_scanned: bool = False) -> None:
        target = self._locate(path)
        if os.path.islink(path) and not is_scanned:
            self._copy_link(path, target)
            return
        try:
            status = os.stat(path)
        except OSError:
            return
        is_included = (
            self._copies_all
            or is_scanned
            or path.lower().endswith(EXTENSIONS)
            or is_dockerfile_name(os.path.basename(path))
            or os.path.basename(path).startswith(".")
        )
        if is_included and stat.S_ISREG(status.st_mode) and status.st_size <= MAXIMUM_BYTES:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(path, "rb", opener=open_descriptor) as stream:
                Path(target).write_bytes(stream.read())
            os.chmod(target, 0o600)

    def _copy_link(self, path: str, copy_path: str) -> None:
        link_target = os.readlink(path)
        if os.path.isabs(link_target):
            real = os.path.realpath(link_target)
            if not real.startswith(os.path.realpath(self._root) + os.sep):
                return
            link_target = os.path.relpath(real, os.path.dirname(os.path.realpath(path)))
        os.makedirs(os.path.dirname(copy_path), exist_ok=True)
        os.symlink(link_target, copy_path)


def _find_outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that are not inside another one."""
    outermost: list[str] = []
    for path in sorted(set(paths)):
        if not any(path == other or path.startswith(other.rstrip(os.sep) + os.sep) for other in outermost):
            outermost.append(path)
    return outermost
