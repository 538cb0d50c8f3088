"""Files that differ from a commit, committed or not. Reads the repository, never changes it."""

from __future__ import annotations

import subprocess
from pathlib import Path


class UnknownCommitError(LookupError):
    """The repository does not have the commit."""


def list_changed_files(root: Path, base: str) -> list[str]:
    """Return the paths that differ between the commit `base` and the working tree, sorted, with `/`.

    Deleted files and files that git does not know yet are part of it, ignored ones are not. Raises UnknownCommitError.
    """
    if subprocess.run(
        [*_git(root), "cat-file", "-e", f"{base}^{{commit}}"], check=False, capture_output=True
    ).returncode:
        raise UnknownCommitError(base)
    changed = _read(root, "diff", "--name-only", "--no-renames", "-z", base)
    new = _read(root, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted({*changed, *new})


def read_head(root: Path) -> str:
    """Return the checked-out commit."""
    return _run(root, "rev-parse", "HEAD").strip()


def has_changes(root: Path) -> bool:
    """Return True if the working tree differs from the checked-out commit."""
    return bool(_run(root, "status", "--porcelain"))


def _read(root: Path, *arguments: str) -> list[str]:
    return [path for path in _run(root, *arguments).split("\0") if path]


def _run(root: Path, *arguments: str) -> str:
    return subprocess.run([*_git(root), *arguments], check=True, capture_output=True, text=True).stdout


def _git(root: Path) -> list[str]:
    return ["git", "-C", str(root)]
