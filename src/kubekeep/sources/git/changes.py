"""What changed since a revision: committed, staged, unstaged and new files alike. Reads no content itself, writes nothing.

Knows nothing of charts and kustomizations: that a changed values file changes what is rendered from it is for those
who render.
"""

# Paths are text for git, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH113, PTH118, PTH119, PTH120

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.sources.git.program import GitError
from kubekeep.sources.git.worktree import Worktree, root_of

_SECONDS: Final = 120.0


class Changes(msgspec.Struct, frozen=True):
    """Absolute paths below a repository's real path, as git spells them, whole repositories in it as their folder.

    `changed` exist, under their new name if they have one; `deleted` do not, a renamed file's old name among them.
    """

    changed: frozenset[str]
    deleted: frozenset[str]

    def __contains__(self, path: str) -> bool:
        """Whether a file is new or changed: itself, what a link leads to, or the repository inside that it is in."""
        return any(name in self.changed for start in _spellings(path) for name in _upward(start))


def changed_since(root: str, rev: str, environment: Mapping[str, str]) -> Changes:
    """What changed in the repository that `root` is in, from where it and `rev` parted to the files as they are.

    `rev` is what git takes for a commit: `main`, `origin/main`, `v1.0`, `HEAD~3`, a hash; `environment` is that of
    this process. Raises GitError: no repository, no such revision, a shallow clone that lacks where they parted.
    """
    top = root_of(root)
    if top is None:
        raise GitError(f"{visible(root)} is in no git repository")
    worktree = Worktree(top, environment)
    base = _base(worktree, rev)
    with tempfile.TemporaryDirectory(prefix="kubekeep-git-") as folder:
        # To compare, git renews its index: a copy of it, as nothing of the user's is written.
        index = os.path.join(folder, "index")
        if os.path.isfile(original := worktree.file("index")):
            shutil.copyfile(original, index)
        told = worktree.run(
            "diff", "--name-status", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-relative",
            "--ignore-submodules=dirty", base, "--",
            seconds=_SECONDS, index=index,
        )  # fmt: skip
        new = worktree.run("ls-files", "--others", "--exclude-standard", "-z", seconds=_SECONDS, index=index)
    states = dict(_states(os.fsdecode(told), top))
    untracked = {os.path.join(top, name.removesuffix("/")) for name in os.fsdecode(new).split("\0") if name}
    changed = {path for path, status in states.items() if status != "D"} | untracked
    return Changes(frozenset(changed), frozenset(states.keys() - changed))


def _states(told: str, top: str) -> Iterator[tuple[str, str]]:
    """(path, letter) of each pair that `git diff --name-status -z` prints."""
    fields = iter(told.split("\0"))
    for status, name in zip(fields, fields, strict=False):
        yield os.path.join(top, name), status


def _base(worktree: Worktree, rev: str) -> str:
    """The hash of the commit where `rev` and the one that is checked out parted."""
    shown = visible(rev)
    if not rev or rev.startswith("-"):
        raise GitError(f"{shown or 'nothing'} is no revision")
    lacks = "this clone is shallow: fetch more of its history (git fetch --unshallow)" if worktree.shallow() else ""
    found = _commit(worktree, rev)
    if not found:
        raise GitError(f"there is no revision {shown} in {visible(worktree.root)}{'; ' * bool(lacks)}{lacks}")
    if not _commit(worktree, "HEAD"):
        raise GitError(f"{visible(worktree.root)} has no commit yet")
    base = worktree.run("merge-base", found, "HEAD", accepted=(0, 1)).decode().strip()
    if not base:
        raise GitError(f"{shown} and HEAD have no common commit{': ' * bool(lacks)}{lacks}")
    return base


def _commit(worktree: Worktree, rev: str) -> str:
    """Its hash; empty when there is none such."""
    # 128: what cannot be a revision at all.
    return worktree.run("rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}", accepted=(0, 1, 128)).decode().strip()


def _spellings(path: str) -> tuple[str, str, str]:
    """A path as it is, with links resolved, and with those of its folder resolved."""
    absolute = os.path.abspath(path)
    folder = os.path.realpath(os.path.dirname(absolute))
    return absolute, os.path.realpath(absolute), os.path.join(folder, os.path.basename(absolute))


def _upward(path: str) -> Iterator[str]:
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above
