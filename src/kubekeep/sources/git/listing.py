"""Checks of a commit before it is written to disk: number of files, depth, and entries that are not fetched.

Parses the output of `git ls-tree -r -z`; never reads a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.text import visible
from kubekeep.sources.git.errors import GitError, GitLimitError

_SUBMODULE: Final = b"160000"
_DEEPEST: Final = 100
"""Maximum depth of folders: removing a deeper tree would fail."""
_LONGEST: Final = 3000


def check(listing: bytes, files: int) -> None:
    """Raise GitLimitError for a tree with more than `files` files, and GitError for extreme depth or path lengths."""
    for number, (_, path) in enumerate(_parse_entries(listing)):
        if number >= files:
            raise GitLimitError(f"the repository has more than {files} files")
        if path.count(b"/") > _DEEPEST or len(path) > _LONGEST:
            raise GitError(f"the repository has folders nested deeper than {_DEEPEST} levels")


def find_missing(listing: bytes, root: str, prefix: str) -> Iterator[UnreadInput]:
    """Yield the entries missing in a checkout below `root`: submodules, and files with names that differ in case only.

    Such names matter only on file systems that ignore case. prefix: the folder of the listing.
    """
    folded: dict[str, str] = {}
    for mode, path in _parse_entries(listing):
        name = os.fsdecode(path)
        shown_path = f"{prefix}/{name}" if prefix else name
        if mode == _SUBMODULE:
            yield UnreadInput(Location(visible(shown_path)), "submodule: not fetched, not evaluated")
            continue
        other = folded.setdefault(name.casefold(), name)
        if other != name and _is_same_file(root, shown_path, f"{prefix}/{other}" if prefix else other):
            yield UnreadInput(
                Location(visible(shown_path)), f"{visible(other)} has the same name on this file system: not read"
            )


def _parse_entries(listing: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield mode and path of each entry."""
    for entry in listing.split(b"\0"):
        if entry:
            head, _, path = entry.partition(b"\t")
            yield head[:6], path


def _is_same_file(root: str, one: str, other: str) -> bool:
    try:
        return os.path.samefile(os.path.join(root, one), os.path.join(root, other))  # noqa: PTH118, PTH121 - as git spells them
    except OSError:
        return False
