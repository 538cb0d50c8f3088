"""What changed since a Git revision, told for resources: a chart, a kustomization or a module is touched as a whole.

Asks git once a repository. Never decides what is read: what did not change is still there for what relates to it.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH112, PTH118, PTH120

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from kubekeep.model.errors import KubekeepError
from kubekeep.model.resource import Resource


class RevisionError(KubekeepError, ValueError):
    """What changed since a revision cannot be told."""


class Touched:
    """Which shown files and folders a change since `revision` touches; without one, all.

    What git cannot tell raises RevisionError where it is looked at.
    """

    def __init__(self, revision: str, environment: Mapping[str, str]) -> None:
        self._revision = revision
        self._environment = environment
        self._repositories: dict[str, frozenset[str]] = {}
        self._touched: set[str] = set()

    def look(self, shown: str, paths: Iterable[str]) -> None:
        """Find out whether what is shown as `shown` is touched: some of `paths`, or what is below a folder of them."""
        if self._revision and any(map(self._is_changed, paths)):
            self._touched.add(shown)

    def holds(self, resource: Resource) -> bool:
        """Whether what `resource` is made from is touched."""
        if not self._revision:
            return True
        source = resource.source
        return source is not None and (source.path if source.origin is None else source.origin.folder) in self._touched

    def _is_changed(self, path: str) -> bool:
        real = os.path.realpath(path)
        below = os.path.join(real, "")
        return any(item == real or item.startswith(below) for item in self._changes(real))

    def _changes(self, path: str) -> frozenset[str]:
        # Only who asks what changed pays for loading what runs git.
        from kubekeep.sources.git.changes import changed_since  # noqa: PLC0415
        from kubekeep.sources.git.program import GitError  # noqa: PLC0415
        from kubekeep.sources.git.worktree import root_of  # noqa: PLC0415

        folder = path if os.path.isdir(path) else os.path.dirname(path)
        top = root_of(folder) or folder
        if top not in self._repositories:
            try:
                found = changed_since(folder, self._revision, self._environment)
            except GitError as error:
                raise RevisionError(f"--changed-since {self._revision}: {error}") from error
            self._repositories[top] = found.changed | found.deleted
        return self._repositories[top]
