"""Owners of files by CODEOWNERS, of GitHub and GitLab. Parses text; reads no file.

Patterns are those of gitignore, without `!` and `[ ]`; the last one that matches counts, and one without owners removes them. A line
that GitHub skips has no effect here either. Of each section of GitLab, the last pattern that matches counts.

Sources: "About code owners" (GitHub Docs), "Code Owners syntax" (GitLab Docs).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep._native import IgnorePatterns
from kubekeep.model.ownership import LONGEST_OWNER

PATHS: Final = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Files in a repository, the first one counts."""
MOST_BYTES: Final = 3 << 20
"""Size of a file above which GitHub does not read it."""
_LONGEST_PATTERN: Final = 1_024
_MOST_WILDCARDS: Final = 20_000
"""A compiled one takes up to a kilobyte."""
_SECTION: Final = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<owners>(?:\s+\S+)*)\s*")
_WORD: Final = re.compile(r"(?:\\.|\S)+")


class _Section(msgspec.Struct):
    """Patterns with their owners."""

    defaults: str
    patterns: list[str]
    owners: list[str]


class _SectionRules:
    """The rules of a section."""

    def __init__(self, section: _Section) -> None:
        self._owners = section.owners
        self._files, _ = IgnorePatterns.parse(section.patterns)
        # `docs/*` is about the files in the folder, not about those further below.
        self._folders, _ = IgnorePatterns.parse(["" if one.endswith("/*") else one for one in section.patterns])

    def find(self, path: str) -> str:
        """Return the owners of the last pattern that matches a file or a folder above it."""
        indexes = [self._files.find(path, is_folder=False)]
        while path := path.rpartition("/")[0]:
            indexes.append(self._folders.find(path, is_folder=True))
        last = max((index for index in indexes if index is not None), default=None)
        return "" if last is None else self._owners[last]


class CodeOwners:
    """The owners of the files of a repository."""

    def __init__(self, text: str) -> None:
        """Parse a file. Raises ValueError if its patterns are too large to be compiled."""
        if sum(map(text.count, "*?")) > _MOST_WILDCARDS:
            raise ValueError(f"more than {_MOST_WILDCARDS:,} wildcards")
        self._sections = [_SectionRules(section) for section in _parse(text) if section.patterns]
        self.find = functools.cache(self._find)
        """Return the owners of a file, by its path in the repository with slashes, separated by commas; empty without one."""

    def _find(self, path: str) -> str:
        if not path:
            return ""
        owners = dict.fromkeys(filter(None, (rules.find(path) for rules in self._sections)))
        return ", ".join(owners)[:LONGEST_OWNER]


def _parse(text: str) -> Iterator[_Section]:
    section = _Section("", [], [])
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if (header := _SECTION.fullmatch(stripped)) is not None:
            yield section
            section = _Section(_join(header["owners"].split()), [], [])
            continue
        pattern, *words = _WORD.findall(stripped)
        names = _read_owners(words)
        if names is not None and _is_pattern(pattern):
            section.patterns.append(pattern)
            section.owners.append(_join(names) or section.defaults)
    yield section


def _read_owners(words: list[str]) -> list[str] | None:
    """Return the owners in the words after a pattern; None if one is neither a user, a team nor an address."""
    names: list[str] = []
    for word in words:
        if word.startswith("#"):
            break
        if "@" not in word:
            return None
        names.append(word)
    return names


def _is_pattern(pattern: str) -> bool:
    return (
        len(pattern) <= _LONGEST_PATTERN
        and pattern.strip("/") != ""
        and not pattern.startswith("!")
        and "[" not in pattern
    )


def _join(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
