"""A private copy of the files of a kustomization with the unsaved texts of an editor, for the kustomize program.

Contains only the files that a build reads. Never writes outside of the copy.
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH103, PTH118, PTH120

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from kubekeep.sources.kustomize.tool import ProcessResult
from kubekeep.sources.temporary import temporary_folder


class UnsavedCopy:
    """The copy, a context manager that removes it. files: real paths. unsaved: contents by real path."""

    def __init__(self, files: AbstractSet[str], unsaved: Mapping[str, bytes]) -> None:
        self._files = files
        self._unsaved = unsaved
        self._root = os.path.commonpath([os.path.dirname(file) for file in files])
        self._copy = ""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._copy = os.path.realpath(self._stack.enter_context(temporary_folder()))
        for file in self._files:
            target = self.locate(file)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if file in self._unsaved:
                Path(target).write_bytes(self._unsaved[file])
            elif os.path.isfile(file):  # noqa: PTH113
                shutil.copyfile(file, target)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def locate(self, path: str) -> str:
        """Return the path in the copy of an original path."""
        return os.path.normpath(os.path.join(self._copy, os.path.relpath(path, self._root)))

    def restore_paths(self, result: ProcessResult) -> ProcessResult:
        """Return the result of a build with the original paths in its messages."""
        messages = result.messages.replace(os.fsencode(self._copy), os.fsencode(self._root))
        return msgspec.structs.replace(result, messages=messages)
