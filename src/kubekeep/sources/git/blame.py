"""Who changed a line last: one `git blame` a file at most, and only of the lines that somebody asks about.

What the history at hand cannot tell is told by nobody: a line that is not committed, a file git does not follow, a
line older than a shallow clone. Runs nothing of the repository's and fetches nothing.
"""

# Paths are text for git, so os.path and not pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kubekeep.model.assessment import Unread
from kubekeep.model.git import Commit
from kubekeep.model.location import Location
from kubekeep.model.text import visible
from kubekeep.sources.git.program import GitError, GitLimitError
from kubekeep.sources.git.worktree import Worktree, moment, read_regular, root_of

_SECONDS: Final = 60.0
_LARGEST: Final = 32 << 20
_RANGES: Final = 200
"""How many ranges are asked for apart; more are asked for as one."""
_NEAR: Final = 5
_HEADER: Final = re.compile(rb"([0-9a-f]{40,64}) \d+ (\d+)(?: \d+)?")
_LONE_CR: Final = re.compile(rb"\r(?!\n)")
_UNTRACKED: Final = ("no such path", "no such ref: HEAD", "no path", "bad revision 'HEAD'")
"""What `git blame` says, in its own language, of files that are in no commit."""


class Blame:
    """The last change of lines in the repository that `root` is in; `environment` is that of this process.

    Nothing is asked before a line is. Never raises: what keeps git from answering is told once, in `unread`.
    """

    def __init__(self, root: str, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment
        self._worktree: Worktree | None = None
        self._shallow: frozenset[str] = frozenset()
        self._expected: dict[str, set[int]] = {}
        self._lines: dict[str, dict[int, Commit]] = {}
        self._problems: dict[str, Unread] = {}
        self._over = False

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Why lines have no commit, as far as it is not a matter of course."""
        return tuple(self._problems.values())

    def expect(self, file: str, lines: Iterable[int]) -> None:
        """Say which lines of `file` will be asked about: its first look-up then looks at these alone."""
        self._expected.setdefault(os.path.realpath(file), set()).update(lines)

    def line(self, file: str, line: int) -> Commit | None:
        """The commit that changed a line last, counted from 1; `file` is absolute or relative to the working folder."""
        real = os.path.realpath(file)
        if real not in self._lines:
            self._lines[real] = {} if self._over else self._blamed(real, {*self._expected.get(real, ()), line})
        return self._lines[real].get(line)

    def _blamed(self, file: str, lines: set[int]) -> dict[int, Commit]:
        try:
            worktree = self._opened()
            if worktree is None or not file.startswith(os.path.join(worktree.root, "")):
                return {}
            ranges = _ranges(file, lines if file in self._expected else None)
            if not ranges:
                return {}
            # The configuration may name any file as the list of what to ignore, and git would cite what is in it.
            arguments = ["blame", "--porcelain", "--no-textconv", "--encoding=UTF-8", "--no-ignore-revs-file"]
            arguments += [f"-L{first},{last}" for first, last in ranges]
            told = worktree.run(*arguments, "--", os.path.relpath(file, worktree.root), seconds=_SECONDS)
            return _commits(told, self._shallow)
        except GitLimitError as error:
            # The next file would take as long.
            self._over = True
            self._tell(file, error)
        except GitError as error:
            if not any(text in str(error) for text in _UNTRACKED):
                self._tell(file, error)
        return {}

    def _opened(self) -> Worktree | None:
        if self._worktree is None:
            root = root_of(self._root)
            if root is None:
                self._over = True
                return None
            try:
                self._worktree = Worktree(root, self._environment)
                self._shallow = self._worktree.shallow()
            except GitError:
                self._over = True
                raise
        return self._worktree

    def _tell(self, file: str, error: GitError) -> None:
        shown = self._root if self._over else os.path.relpath(file, os.path.realpath(self._root))
        self._problems.setdefault(str(error), Unread(Location(visible(shown)), f"who changed it is unknown: {error}"))


def _ranges(file: str, lines: set[int] | None) -> list[tuple[int, int]]:
    """The stretches of a file to look at, in order; all of it for None. Empty when git counts its lines otherwise."""
    try:
        data = read_regular(file, _LARGEST + 1)
    except OSError:
        return []
    # An editor ends a line at a carriage return alone, git does not.
    if not data or len(data) > _LARGEST or _LONE_CR.search(data):
        return []
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    if lines is None:
        return [(1, count)]
    wanted = sorted(line for line in lines if 1 <= line <= count)
    ranges: list[tuple[int, int]] = []
    for line in wanted:
        if ranges and line - ranges[-1][1] <= _NEAR:
            ranges[-1] = ranges[-1][0], line
        else:
            ranges.append((line, line))
    return ranges if len(ranges) <= _RANGES else [(ranges[0][0], ranges[-1][1])]


def _commits(porcelain: bytes, shallow: frozenset[str]) -> dict[int, Commit]:
    """By line the commit, of what `git blame --porcelain` prints."""
    known: dict[str, Commit | None] = {}
    found: dict[int, Commit] = {}
    lines = iter(porcelain.split(b"\n"))
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            continue
        commit, number = header[1].decode(), int(header[2])
        fields = _fields(lines)
        if commit not in known:
            # Nothing but zeros is what is not committed; at a shallow one all that is older ends up.
            known[commit] = None if commit in shallow or not commit.strip("0") else _commit(commit, fields)
        who = known[commit]
        if who is not None:
            found[number] = who
    return found


def _fields(lines: Iterator[bytes]) -> dict[str, str]:
    """What stands between a header and the line's text, which a tab precedes and which is passed over."""
    rows = itertools.takewhile(lambda row: not row.startswith(b"\t"), lines)
    pairs = (row.decode("utf-8", "replace").partition(" ") for row in rows)
    return {name: value for name, _, value in pairs}


def _commit(hash_: str, fields: Mapping[str, str]) -> Commit:
    return Commit(
        hash=hash_,
        author=fields.get("author", ""),
        email=fields.get("author-mail", "").removeprefix("<").removesuffix(">"),
        date=moment(fields.get("author-time", "0"), fields.get("author-tz", "+0000")),
        subject=fields.get("summary", ""),
    )
