"""Fixed vulnerabilities that the changelogs of Debian packages name, by version (deb-changelog(5)).

Only scans read them, as a second opinion: a changelog that cannot be read is none. Never reads a description.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from kubekeep.images.content import CatalogRecord, FixedVulnerabilities, LayerFile

PATTERNS: Final = ()
SCAN_PATTERNS: Final = ("usr/share/doc/*/changelog.Debian.gz", "usr/share/doc/*/changelog.gz")
MAX_SIZE: Final = 16 * 2**20
"""Largest changelog in bytes, compressed and uncompressed; that of the kernel has 5 MB."""
MAX_NAMES: Final = 20_000
"""Most vulnerabilities in one changelog; that of the kernel names 3,000."""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the fixed vulnerabilities of a changelog; None if it names none, is damaged or exceeds a limit."""
    text = "" if len(file.content) > MAX_SIZE or file.spill else _decompress(file.content)
    fixes = list(_list_fixes(text))
    is_usable = 0 < sum(len(entry.names) for entry in fixes) <= MAX_NAMES
    return CatalogRecord(file.path, "debian_changelog", fixes=tuple(fixes)) if is_usable else None


def _decompress(content: bytes) -> str:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = inflater.decompress(content, MAX_SIZE + 1)
    except zlib.error:
        return ""
    return text.decode("utf-8", "replace") if len(text) <= MAX_SIZE else ""


def _list_fixes(text: str) -> Iterator[FixedVulnerabilities]:
    """Yield the vulnerabilities that each version names, in the order of the file: newest first."""
    heads = list(_compile_head().finditer(text))
    for head, following in zip_longest(heads, heads[1:]):
        entry = text[head.end() : following.start() if following else len(text)]
        names = sorted(set(_compile_name().findall(entry)))
        if names:
            yield FixedVulnerabilities(head[1], head[2], tuple(names))


@functools.cache
def _compile_head() -> re.Pattern[str]:
    return re.compile(r"^([a-z0-9][a-z0-9+.\-]{0,200}) \(([^()\s]{1,200})\)[^\n]*;", re.MULTILINE)


@functools.cache
def _compile_name() -> re.Pattern[str]:
    return re.compile(r"\bCVE-\d{4}-\d{4,19}\b")
