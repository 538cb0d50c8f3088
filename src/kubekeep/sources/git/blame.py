"""Last commits of lines: at most one `git blame` per file, limited to the requested lines.

No commit is returned for uncommitted lines, untracked files and lines older than a shallow clone. Runs no program
configured by the repository and fetches nothing.
"""

# Paths are text for git, so os.path and not pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.git import Commit
from kubekeep.model.location import Location
from kubekeep.model.text import visible
from kubekeep.sources.git.errors import GitError, GitLimitError
from kubekeep.sources.git.root import find_repository_root
from kubekeep.sources.git.worktree import Worktree, parse_time, read_regular

_SECONDS: Final = 60.0
_LARGEST: Final = 32 << 20
_RANGES: Final = 200
"""Maximum number of ranges of a command; more are merged into one."""
_NEAR: Final = 5
_HEADER: Final = re.compile(rb"([0-9a-f]{40,64}) \d+ (\d+)(?: \d+)?")
_LONE_CR: Final = re.compile(rb"\r(?!\n)")
_UNTRACKED: Final = ("no such path", "no such ref: HEAD", "no path", "bad revision 'HEAD'")
"""Messages of `git blame` for files without a commit."""


class Blame:
    """Last commits of lines in the repository that contains `root`; environment: the variables of this process.

    Runs git on the first query of a file. Never raises: each error of git is reported once, in `unread`.
    """

    def __init__(self, root: str, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment
        self._worktree: Worktree | None = None
        self._shallow: frozenset[str] = frozenset()
        self._line_numbers: dict[str, set[int]] = {}
        self._lines: dict[str, dict[int, Commit]] = {}
        self._problems: dict[str, UnreadInput] = {}
        self._is_disabled = False

    @property
    def unread(self) -> tuple[UnreadInput, ...]:
        """Errors that prevented queries; untracked files are no errors."""
        return tuple(self._problems.values())

    def add_lines(self, file: str, lines: Iterable[int]) -> None:
        """Add lines to query: git then runs once, for these lines only."""
        self._line_numbers.setdefault(os.path.realpath(file), set()).update(lines)

    def find_commit(self, file: str, line: int) -> Commit | None:
        """Return the last commit of a line (1-based), or None; `file` is absolute or relative to the working folder."""
        real = os.path.realpath(file)
        if real not in self._lines:
            self._lines[real] = (
                {} if self._is_disabled else self._run_blame(real, {*self._line_numbers.get(real, ()), line})
            )
        return self._lines[real].get(line)

    def _run_blame(self, file: str, lines: set[int]) -> dict[int, Commit]:
        try:
            worktree = self._open_worktree()
            if worktree is None or not file.startswith(os.path.join(worktree.root, "")):
                return {}
            ranges = _select_ranges(file, lines if file in self._line_numbers else None)
            if not ranges:
                return {}
            # The configuration may name any file as blame.ignoreRevsFile, and git would quote its content.
            arguments = ["blame", "--porcelain", "--no-textconv", "--encoding=UTF-8", "--no-ignore-revs-file"]
            arguments += [f"-L{first},{last}" for first, last in ranges]
            porcelain = worktree.run(*arguments, "--", os.path.relpath(file, worktree.root), seconds=_SECONDS)
            return _parse_porcelain(porcelain, self._shallow)
        except GitLimitError as error:
            # The next file would take as long.
            self._is_disabled = True
            self._report_error(file, error)
        except GitError as error:
            if not any(text in str(error) for text in _UNTRACKED):
                self._report_error(file, error)
        return {}

    def _open_worktree(self) -> Worktree | None:
        if self._worktree is None:
            root = find_repository_root(self._root)
            if root is None:
                self._is_disabled = True
                return None
            try:
                self._worktree = Worktree(root, self._environment)
                self._shallow = self._worktree.list_shallow_commits()
            except GitError:
                self._is_disabled = True
                raise
        return self._worktree

    def _report_error(self, file: str, error: GitError) -> None:
        shown_path = self._root if self._is_disabled else os.path.relpath(file, os.path.realpath(self._root))
        self._problems.setdefault(
            str(error), UnreadInput(Location(visible(shown_path)), f"last commit unknown: {error}")
        )


def _select_ranges(file: str, lines: set[int] | None) -> list[tuple[int, int]]:
    """Return line ranges in order, the whole file for None. Empty if git counts the lines of the file differently."""
    try:
        content = read_regular(file, _LARGEST + 1)
    except OSError:
        return []
    # An editor ends a line at a carriage return alone, git does not.
    if not content or len(content) > _LARGEST or _LONE_CR.search(content):
        return []
    count = content.count(b"\n") + (not content.endswith(b"\n"))
    if lines is None:
        return [(1, count)]
    numbers = sorted(line for line in lines if 1 <= line <= count)
    ranges: list[tuple[int, int]] = []
    for line in numbers:
        if ranges and line - ranges[-1][1] <= _NEAR:
            ranges[-1] = ranges[-1][0], line
        else:
            ranges.append((line, line))
    return ranges if len(ranges) <= _RANGES else [(ranges[0][0], ranges[-1][1])]


def _parse_porcelain(porcelain: bytes, shallow: frozenset[str]) -> dict[int, Commit]:
    """Parse the output of `git blame --porcelain` into commits by line."""
    commits_by_hash: dict[str, Commit | None] = {}
    commits: dict[int, Commit] = {}
    lines = iter(porcelain.split(b"\n"))
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            continue
        commit, number = header[1].decode(), int(header[2])
        fields = _parse_fields(lines)
        if commit not in commits_by_hash:
            # All zeros means uncommitted; a shallow commit stands for everything older.
            commits_by_hash[commit] = (
                None if commit in shallow or not commit.strip("0") else _create_commit(commit, fields)
            )
        last = commits_by_hash[commit]
        if last is not None:
            commits[number] = last
    return commits


def _parse_fields(lines: Iterator[bytes]) -> dict[str, str]:
    """Return the fields after a header, and skip the text of the line, which begins with a tab."""
    rows = itertools.takewhile(lambda row: not row.startswith(b"\t"), lines)
    pairs = (row.decode("utf-8", "replace").partition(" ") for row in rows)
    return {name: value for name, _, value in pairs}


def _create_commit(hash_: str, fields: Mapping[str, str]) -> Commit:
    return Commit(
        hash=hash_,
        author=fields.get("author", ""),
        email=fields.get("author-mail", "").removeprefix("<").removesuffix(">"),
        date=parse_time(fields.get("author-time", "0"), fields.get("author-tz", "+0000")),
        subject=fields.get("summary", ""),
    )
