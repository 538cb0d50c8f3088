"""Files changed since a revision: committed, staged, unstaged and untracked. Reads no content of files, writes nothing.

Does not follow references between files, as from a chart to its values: see `changed_files`.
"""

# Paths are text for git, so os.path and not pathlib:
# ruff: noqa: PTH113, PTH118

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Final

from kubekeep.model.text import visible
from kubekeep.sources.git.changes import Changes
from kubekeep.sources.git.errors import GitError
from kubekeep.sources.git.root import find_repository_root
from kubekeep.sources.git.worktree import Worktree
from kubekeep.sources.temporary import temporary_folder

_SECONDS: Final = 120.0


def find_changes(root: str, rev: str, environment: Mapping[str, str]) -> Changes:
    """Return the changes in the repository of `root`, from the merge base of HEAD and `rev` to the files on disk.

    rev: a commit as git accepts it, such as `main`, `v1.0`, `HEAD~3` or a hash. environment: the variables of this
    process. Raises GitError without a repository, the revision or, in a shallow clone, the merge base.
    """
    top = find_repository_root(root)
    if top is None:
        raise GitError(f"{visible(root)} is not in a Git repository")
    worktree = Worktree(top, environment)
    base = _find_merge_base(worktree, rev)
    with temporary_folder("kubekeep-git-") as folder:
        # `git diff` refreshes the index, so it gets a copy: nothing in the user's repository is written.
        index = os.path.join(folder, "index")
        if os.path.isfile(original := worktree.resolve_git_path("index")):
            # git compares the time of the index with those of files: a file changed in the same second is read again.
            shutil.copy2(original, index)
        differences = worktree.run(
            "diff", "--name-status", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-relative",
            "--ignore-submodules=dirty", base, "--",
            seconds=_SECONDS, index=index,
        )  # fmt: skip
        new = worktree.run("ls-files", "--others", "--exclude-standard", "-z", seconds=_SECONDS, index=index)
    states = dict(_parse_states(os.fsdecode(differences), top))
    untracked = {os.path.join(top, name.removesuffix("/")) for name in os.fsdecode(new).split("\0") if name}
    changed = {path for path, status in states.items() if status != "D"} | untracked
    return Changes(frozenset(changed), frozenset(states.keys() - changed))


def _parse_states(output: str, top: str) -> Iterator[tuple[str, str]]:
    """Parse the output of `git diff --name-status -z` into paths and status letters."""
    fields = iter(output.split("\0"))
    for status, name in zip(fields, fields, strict=False):
        yield os.path.join(top, name), status


def _find_merge_base(worktree: Worktree, rev: str) -> str:
    """Return the hash of the merge base of `rev` and HEAD."""
    shown_revision = visible(rev)
    if not rev or rev.startswith("-"):
        raise GitError(f"{shown_revision or '(empty)'} is not a valid revision")
    hint = (
        "the clone is shallow; fetch its history with git fetch --unshallow" if worktree.list_shallow_commits() else ""
    )
    commit = _resolve_commit(worktree, rev)
    if not commit and rev == "HEAD":
        # Before the first commit, all files are new: a hook that runs for each commit also runs for the first.
        return worktree.run("hash-object", "-t", "tree", os.devnull).decode().strip()
    if not commit:
        raise GitError(f"revision {shown_revision} does not exist in {visible(worktree.root)}{'; ' * bool(hint)}{hint}")
    if not _resolve_commit(worktree, "HEAD"):
        raise GitError(f"{visible(worktree.root)} has no commits")
    base = worktree.run("merge-base", commit, "HEAD", exit_codes=(0, 1)).decode().strip()
    if not base:
        raise GitError(f"{shown_revision} and HEAD have no common ancestor{'; ' * bool(hint)}{hint}")
    return base


def _resolve_commit(worktree: Worktree, rev: str) -> str:
    """Return the hash of a revision; empty if it does not exist."""
    # 128: not the syntax of a revision.
    return (
        worktree.run("rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}", exit_codes=(0, 1, 128)).decode().strip()
    )
