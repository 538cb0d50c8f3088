"""Declared licences as SPDX expressions: the names of Debian (DEP 5), of older Fedora packages and of SPDX itself.

A text with a part that no table and no list of SPDX has is kept as declared. Never guesses a licence from its text.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from kubekeep.images.licence_expressions import parse_expression

MAX_EXPRESSION: Final = 2_000
"""Longest text in characters that is read as an expression; others are kept as declared."""

_NAMES: Final = {
    "afl": "AFL-2.1",
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic 2.0": "Artistic-2.0",
    "artistic clarified": "ClArtistic",
    "asl 1.0": "Apache-1.0",
    "asl 1.1": "Apache-1.1",
    "asl 2.0": "Apache-2.0",
    "boost": "BSL-1.0",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "bsd-4": "BSD-4-Clause",
    "cc0": "CC0-1.0",
    "cddl": "CDDL-1.0",
    "copyright only": "LicenseRef-Callaway-Copyright-only",
    "cpl": "CPL-1.0",
    "edl-1": "BSD-3-Clause",
    "epl": "EPL-1.0",
    "expat": "MIT",
    "gpl+": "GPL-1.0-or-later",
    "ibm": "IPL-1.0",
    "mit/x": "MIT",
    "mit/x11": "MIT",
    "mplv1.0": "MPL-1.0",
    "mplv1.1": "MPL-1.1",
    "mplv2.0": "MPL-2.0",
    "ofl": "OFL-1.1",
    "openldap": "OLDAP-2.8",
    "php": "PHP-3.01",
    "psf": "PSF-2.0",
    "public domain": "LicenseRef-Fedora-Public-Domain",
    "sil-1.1": "OFL-1.1",
}
"""SPDX identifiers by lowercase names that only Debian or older Fedora packages use."""

_EXCEPTIONS: Final = {
    "bison exception": "Bison-exception-2.2",
    "classpath exception": "Classpath-exception-2.0",
    "font exception": "Font-exception-2.0",
    "libtool exception": "Libtool-exception",
    "linux-syscall-note exception": "Linux-syscall-note",
    "llvm exception": "LLVM-exception",
}


@functools.lru_cache(maxsize=4096)
def read_licence(text: str) -> str:
    """Return the SPDX expression of a declared licence, or the text in one line if it has none."""
    text = " ".join(text.split())
    if not text or len(text) > MAX_EXPRESSION:
        return text
    parts = [_translate(part) for part in _compile_operators().split(text) if part.strip()]
    return parse_expression(" ".join(parts), allows_references=True) or text


def read_common_licence(name: str, *, allows_later: bool) -> str:
    """Return the SPDX expression for a file of Debian's folder of common licences."""
    is_gnu = _compile_gnu_name().fullmatch(name)
    return read_licence(f"{name}+" if is_gnu and allows_later else name)


@functools.cache
def _compile_operators() -> re.Pattern[str]:
    return re.compile(r"( (?:and|or|with) |[()]|, and |, )", re.IGNORECASE)


@functools.cache
def _compile_gnu_name() -> re.Pattern[str]:
    return re.compile(r"(AGPL|LGPL|GPL|GFDL)(-NIV)?(?:-?v?\.?(\d)(\.\d)?)?(?:\.0)?(\+?)", re.IGNORECASE)


def _translate(part: str) -> str:
    part = part.strip()
    if part.lower() in (",", ", and"):
        return "and"
    if match := _compile_gnu_name().fullmatch(part):
        return _format_gnu_name(*match.groups())
    return _NAMES.get(part.lower()) or _EXCEPTIONS.get(part.lower()) or part


def _format_gnu_name(family: str, invariants: str | None, major: str | None, minor: str | None, later: str) -> str:
    """Return the identifier; without a version any version applies, as the licences themselves define."""
    family = family.upper()
    if not major:
        lowest = {"AGPL": "1.0", "LGPL": "2.0", "GPL": "1.0", "GFDL": "1.1"}[family]
        return f"{family}-{lowest}-or-later"
    suffix = "or-later" if later else "only"
    return f"{family}-{major}{minor or '.0'}{'-no-invariants' if invariants else ''}-{suffix}"
