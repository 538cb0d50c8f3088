"""Resources changed since a Git revision: a chart, a kustomization or a module changes as a whole.

Runs git once per repository. Unchanged resources are still read, because others may refer to them.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH112, PTH118, PTH120

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping

from kubekeep.model.errors import KubekeepError
from kubekeep.model.resource import Resource
from kubekeep.sources.git.changes import Changes


class RevisionError(KubekeepError, ValueError):
    """The changes since a revision cannot be determined."""


class ChangedFiles:
    """Files and folders changed since `revision`, by their shown path; all if `revision` is empty."""

    def __init__(self, revision: str, environment: Mapping[str, str]) -> None:
        self._revision = revision
        self._environment = environment
        self._repositories: dict[str, Changes] = {}
        self._changed: set[str] = set()

    def record_changes(self, shown_path: str, paths: Iterable[str]) -> None:
        """Record `shown_path` as changed if one of `paths`, or a file below one, changed. Raises RevisionError."""
        if self._revision and any(map(self._is_changed, paths)):
            self._changed.add(shown_path)

    def has_changed(self, resource: Resource) -> bool:
        """Return True if a file of the resource changed."""
        if not self._revision:
            return True
        source = resource.source
        return source is not None and (source.path if source.origin is None else source.origin.folder) in self._changed

    def _is_changed(self, path: str) -> bool:
        real = os.path.realpath(path)
        prefix = os.path.join(real, "")
        changes = self._find_changes(real)
        changed_files = itertools.chain(changes.changed, changes.deleted)
        return path in changes or any(file == real or file.startswith(prefix) for file in changed_files)

    def _find_changes(self, path: str) -> Changes:
        # Loaded only if a revision is requested.
        from kubekeep.sources.git.diff import find_changes  # noqa: PLC0415
        from kubekeep.sources.git.errors import GitError  # noqa: PLC0415
        from kubekeep.sources.git.root import find_repository_root  # noqa: PLC0415

        folder = path if os.path.isdir(path) else os.path.dirname(path)
        top = find_repository_root(folder) or folder
        if top not in self._repositories:
            try:
                self._repositories[top] = find_changes(folder, self._revision, self._environment)
            except GitError as error:
                raise RevisionError(f"--changed-since {self._revision}: {error}") from error
        return self._repositories[top]
