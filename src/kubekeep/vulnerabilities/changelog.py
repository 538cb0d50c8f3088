"""CVEs that Debian changelogs name as fixed (deb-changelog(5)): a second opinion on records about backported fixes.

Text that speaks against a fix, as "revert CVE-2024-1234" or "not fixed", is not evidence. Never decides if a package is affected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.vulnerabilities.versions.registry import get_scheme
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError

MAX_SIZE: Final = 32 * 2**20
"""Largest changelog in bytes; that of the kernel has about 5 million."""
MAX_ENTRIES: Final = 20_000
_HEADER: Final = re.compile(rb"^([A-Za-z0-9][A-Za-z0-9+.-]{0,200}) \(([^() \t]{1,200})\)[^;\n]{1,300};", re.MULTILINE)
_CVE: Final = re.compile(r"CVE-\d{4}-\d{4,19}", re.IGNORECASE)
_BULLET: Final = re.compile(r"^\s*[*+-]\s", re.MULTILINE)
_REVERT: Final = re.compile(r"\b(?:revert(?:s|ed|ing)?|back(?:s|ed|ing)? out)\b[^(]{0,200}?CVE-\d", re.IGNORECASE)
_REVERTED_FIX: Final = re.compile(
    r"\b(?:revert(?:s|ed|ing)?|back(?:s|ed|ing)? out)\b.{0,200}\b(?:fix|patch)", re.IGNORECASE | re.DOTALL
)
"""A fix that is taken back. A change that is reverted because of a flaw has its CVE in parentheses: that is a fix."""
_NO_FIX: Final = re.compile(
    r"\bnot (?:yet )?(?:be )?(?:been )?(?:fix|address|patch|resolv)|\bunfixed\b|\bunpatched\b|\bstill (?:vulnerable|affected)\b"
    r"|\bnot (?:affected|vulnerable)\b",
    re.IGNORECASE,
)
"""Only phrases about the fix: descriptions of flaws contain words such as "incomplete" and "disables"."""


class ChangelogEntry(msgspec.Struct, frozen=True):
    """One version of a source package: the CVEs that it fixes, and those whose fix it reverts."""

    package: str
    version: str
    fixed: frozenset[str] = frozenset()
    reverted: frozenset[str] = frozenset()


def parse_changelog(content: bytes) -> tuple[ChangelogEntry, ...]:
    """Return the entries of an uncompressed changelog, the newest first. Raises ValueError if a limit is exceeded."""
    if len(content) > MAX_SIZE:
        raise ValueError(f"changelog of {len(content)} bytes, more than {MAX_SIZE}")
    headers = list(_HEADER.finditer(content))
    if len(headers) > MAX_ENTRIES:
        raise ValueError(f"changelog of {len(headers)} entries, more than {MAX_ENTRIES}")
    ends = [*[header.start() for header in headers[1:]], *([len(content)] if headers else [])]
    return tuple(
        _read_entry(header[1].decode(), header[2].decode("utf-8", "replace"), content[header.end() : end])
        for header, end in zip(headers, ends, strict=True)
    )


def list_fixed(content: bytes, version: str) -> frozenset[str]:
    """Return the CVEs that the changelog names as fixed in `version`, the installed source version, or before.

    Raises ValueError if a limit is exceeded.
    """
    scheme = get_scheme("Debian")
    if scheme is None:
        return frozenset()
    fixed: set[str] = set()
    for entry in reversed(parse_changelog(content)):
        try:
            is_installed = scheme.compare(entry.version, version) <= 0
        except InvalidVersionError:
            is_installed = False
        if is_installed:
            fixed = (fixed | entry.fixed) - entry.reverted
    return frozenset(fixed)


def _read_entry(package: str, version: str, content: bytes) -> ChangelogEntry:
    fixed: set[str] = set()
    reverted: set[str] = set()
    if b"CVE-" in content.upper():
        for bullet in _iterate_bullets(content.decode("utf-8", "replace")):
            names = {name.upper() for name in _CVE.findall(bullet)}
            if _REVERT.search(bullet):
                reverted |= names
            elif not _NO_FIX.search(bullet) and not _REVERTED_FIX.search(bullet):
                fixed |= names
    return ChangelogEntry(package, version, frozenset(fixed - reverted), frozenset(reverted))


def _iterate_bullets(text: str) -> Iterator[str]:
    """Yield the points of an entry, each with the lines that continue it."""
    starts = [match.start() for match in _BULLET.finditer(text)]
    for start, end in zip([0, *starts], [*starts, len(text)], strict=True):
        yield text[start:end]
