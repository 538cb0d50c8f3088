"""The root of the repository that contains a path. Runs no program and reads no file."""

# Paths are text for git, so os.path and not pathlib:
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os


def find_repository_root(path: str) -> str | None:
    """Return the absolute real path of the repository of `path`; None outside of a repository."""
    folder = os.path.realpath(path)
    while True:
        if os.path.lexists(os.path.join(folder, ".git")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
