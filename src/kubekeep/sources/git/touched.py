"""Resources changed since a Git revision: a chart, a kustomization or a module changes as a whole.

Runs git once per repository. Unchanged resources are still read, because others may refer to them.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH112, PTH118, PTH120

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from kubekeep.model.errors import KubekeepError
from kubekeep.model.resource import Resource


class RevisionError(KubekeepError, ValueError):
    """The changes since a revision cannot be determined."""


class Touched:
    """Displayed files and folders changed since `revision`; all without a revision."""

    def __init__(self, revision: str, environment: Mapping[str, str]) -> None:
        self._revision = revision
        self._environment = environment
        self._repositories: dict[str, frozenset[str]] = {}
        self._touched: set[str] = set()

    def look(self, shown: str, paths: Iterable[str]) -> None:
        """Record `shown` as changed if one of `paths`, or a file below one, changed. Raises RevisionError."""
        if self._revision and any(map(self._is_changed, paths)):
            self._touched.add(shown)

    def holds(self, resource: Resource) -> bool:
        """Return True if a file of the resource changed."""
        if not self._revision:
            return True
        source = resource.source
        return source is not None and (source.path if source.origin is None else source.origin.folder) in self._touched

    def _is_changed(self, path: str) -> bool:
        real = os.path.realpath(path)
        below = os.path.join(real, "")
        return any(file == real or file.startswith(below) for file in self._changes(real))

    def _changes(self, path: str) -> frozenset[str]:
        # Loaded only if a revision is requested.
        from kubekeep.sources.git.changes import changed_since  # noqa: PLC0415
        from kubekeep.sources.git.program import GitError  # noqa: PLC0415
        from kubekeep.sources.git.worktree import root_of  # noqa: PLC0415

        folder = path if os.path.isdir(path) else os.path.dirname(path)
        top = root_of(folder) or folder
        if top not in self._repositories:
            try:
                changes = changed_since(folder, self._revision, self._environment)
            except GitError as error:
                raise RevisionError(f"--changed-since {self._revision}: {error}") from error
            self._repositories[top] = changes.changed | changes.deleted
        return self._repositories[top]
