"""Fixed vulnerabilities that the changelogs of Debian packages name, by version (deb-changelog(5)).

Only scans read them, as a second opinion: a changelog that cannot be read is none. Text that speaks against a fix, as
"revert CVE-2024-1234" or "not fixed", is not evidence. Never decides if a package is affected.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterator
from typing import Final

from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import FixedVulnerabilities

PATTERNS: Final = ()
SCAN_PATTERNS: Final = ("usr/share/doc/*/changelog.Debian.gz", "usr/share/doc/*/changelog.gz")
MAX_SIZE: Final = 32 * 2**20
"""Largest changelog in bytes; that of the kernel has about 5 million."""
MAX_ENTRIES: Final = 20_000
MAX_NAMES: Final = 20_000
"""Most vulnerabilities in one changelog; that of the kernel names 3,000."""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the fixed vulnerabilities of a changelog; None if it names none, is damaged or exceeds a limit."""
    if file.spill:
        return None
    try:
        entries = parse_changelog(_decompress(file.content))
    except (ValueError, zlib.error):
        return None
    fixes = tuple(entry for entry in entries if entry.fixed or entry.reverted)
    return CatalogRecord(file.path, "debian_changelog", fixes=fixes) if fixes else None


def _decompress(content: bytes) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, MAX_SIZE + 1)


def parse_changelog(content: bytes) -> tuple[FixedVulnerabilities, ...]:
    """Return the entries of an uncompressed changelog, the newest first. Raises ValueError if a limit is exceeded."""
    if len(content) > MAX_SIZE:
        raise ValueError(f"changelog of more than {MAX_SIZE} bytes")
    headers = list(_compile_header().finditer(content))
    if len(headers) > MAX_ENTRIES:
        raise ValueError(f"changelog of {len(headers)} entries, more than {MAX_ENTRIES}")
    ends = [*[header.start() for header in headers[1:]], *([len(content)] if headers else [])]
    entries = tuple(
        _read_entry(header[1].decode(), header[2].decode("utf-8", "replace"), content[header.end() : end])
        for header, end in zip(headers, ends, strict=True)
    )
    if sum(len(entry.fixed) + len(entry.reverted) for entry in entries) > MAX_NAMES:
        raise ValueError(f"changelog with more than {MAX_NAMES} vulnerabilities")
    return entries


def _read_entry(source: str, version: str, content: bytes) -> FixedVulnerabilities:
    fixed: set[str] = set()
    reverted: set[str] = set()
    if b"CVE-" in content.upper():
        for bullet in _iterate_bullets(content.decode("utf-8", "replace")):
            names = {name.upper() for name in _compile_name().findall(bullet)}
            if _compile_revert().search(bullet):
                reverted |= names
            elif not _compile_denial().search(bullet) and not _compile_reverted_fix().search(bullet):
                fixed |= names
    return FixedVulnerabilities(source, version, tuple(sorted(fixed - reverted)), tuple(sorted(reverted)))


def _iterate_bullets(text: str) -> Iterator[str]:
    """Yield the points of an entry, each with the lines that continue it."""
    starts = [match.start() for match in _compile_bullet().finditer(text)]
    for start, end in zip([0, *starts], [*starts, len(text)], strict=True):
        yield text[start:end]


@functools.cache
def _compile_header() -> re.Pattern[bytes]:
    return re.compile(rb"^([A-Za-z0-9][A-Za-z0-9+.-]{0,200}) \(([^() \t]{1,200})\)[^;\n]{1,300};", re.MULTILINE)


@functools.cache
def _compile_name() -> re.Pattern[str]:
    return re.compile(r"CVE-\d{4}-\d{4,19}", re.IGNORECASE)


@functools.cache
def _compile_bullet() -> re.Pattern[str]:
    return re.compile(r"^\s*[*+-]\s", re.MULTILINE)


@functools.cache
def _compile_revert() -> re.Pattern[str]:
    return re.compile(r"\b(?:revert(?:s|ed|ing)?|back(?:s|ed|ing)? out)\b[^(]{0,200}?CVE-\d", re.IGNORECASE)


@functools.cache
def _compile_reverted_fix() -> re.Pattern[str]:
    """Match a fix that is taken back. A change that is reverted because of a flaw has its CVE in parentheses: a fix."""
    return re.compile(
        r"\b(?:revert(?:s|ed|ing)?|back(?:s|ed|ing)? out)\b.{0,200}\b(?:fix|patch)", re.IGNORECASE | re.DOTALL
    )


@functools.cache
def _compile_denial() -> re.Pattern[str]:
    """Match only phrases about the fix: descriptions of flaws contain words such as "incomplete" and "disables"."""
    return re.compile(
        r"\bnot (?:yet )?(?:be )?(?:been )?(?:fix|address|patch|resolv)|\bunfixed\b|\bunpatched\b"
        r"|\bstill (?:vulnerable|affected)\b|\bnot (?:affected|vulnerable)\b",
        re.IGNORECASE,
    )
