"""Base class of version schemes: a cached sort key for each version. Never changes the text of a version. No I/O."""

from __future__ import annotations

import abc
import functools
import re
from collections.abc import Callable
from typing import Any

MAX_LENGTH = 1024
"""Longer versions are invalid: no real version is longer, and parsing stays quick on hostile input."""

_CACHED_KEYS = 1 << 14
_CACHED_LENGTH = 64
"""Longer versions are rare and their keys are large, so they are parsed each time."""
_SHOWN_LENGTH = 60
_DIGIT = re.compile("[0-9]")


class InvalidVersionError(ValueError):
    """A version that a scheme cannot order. The message has the version and the reason."""


class VersionScheme(abc.ABC):
    """The order of the versions of one kind of package.

    name: for people, as "dpkg" or "PEP 440".
    """

    name: str

    def __init__(self) -> None:
        self._cached_key = functools.lru_cache(maxsize=_CACHED_KEYS)(self._checked_key)

    def key(self, version: str) -> Any:
        """Return a value that orders and equals as the version does; it is comparable with keys of this scheme only.

        Raises InvalidVersionError.
        """
        return self._cached_key(version) if len(version) <= _CACHED_LENGTH else self._checked_key(version)

    def get_semver_order(self, semver: VersionScheme) -> Callable[[str], Any]:
        """Return the key function for ranges of type SEMVER: that of `semver`, SemVer 2.0, in almost all ecosystems.

        It raises InvalidVersionError.
        """
        return semver.key

    def compare(self, first: str, second: str) -> int:
        """Return -1, 0 or 1: the first version is before, equal to or after the second. Raises InvalidVersionError."""
        first_key, second_key = self.key(first), self.key(second)
        if first_key == second_key:
            return 0
        return -1 if first_key < second_key else 1

    def is_equal(self, first: str, second: str) -> bool:
        """Return True if both are the same version, perhaps with another spelling. Raises InvalidVersionError."""
        return bool(self.key(first) == self.key(second))

    def explain_unordered(self, version: str) -> str:
        """Return the reason if a version has a key but names no release, as "latest" or a branch; else an empty text."""
        if "$" in version:
            return str(self.invalid(version, "it is a variable"))
        if _DIGIT.search(version):
            return ""
        return str(self.invalid(version, "it has no number"))

    def invalid(self, version: str, reason: str) -> InvalidVersionError:
        """Return the error for a version that this scheme cannot order."""
        shown = version if len(version) <= _SHOWN_LENGTH else f"{version[:_SHOWN_LENGTH]}..."
        return InvalidVersionError(f"{shown!r} is not a valid {self.name} version: {reason}")

    @abc.abstractmethod
    def _parse(self, version: str) -> Any:
        """Return the key of a version with at most MAX_LENGTH characters. Raises InvalidVersionError."""

    def _checked_key(self, version: str) -> Any:
        if len(version) > MAX_LENGTH:
            raise self.invalid(version, f"it has {len(version)} characters, {MAX_LENGTH} is the limit")
        stripped = version.strip()
        if not stripped:
            raise self.invalid(version, "it is empty")
        return self._parse(stripped)
