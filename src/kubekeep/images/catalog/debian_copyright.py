"""Licences of Debian packages from their copyright files. Never guesses a licence from its text.

Machine-readable files (DEP 5) name the licence of each group of files. Other files often refer to a text in
`/usr/share/common-licenses`. Files that do neither yield nothing.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from kubekeep.images.catalog.bounded import MAX_FIELD, read_text
from kubekeep.images.catalog.licence_names import read_common_licence, read_licence
from kubekeep.images.content import CatalogRecord, LayerFile

PATTERNS: Final = ("usr/share/doc/*/copyright",)
MAX_SIZE: Final = 16 * 2**20
"""Largest copyright file in bytes; that of chromium has 4 MB."""
MAX_LICENCES: Final = 500
"""Most distinct licences of one package; linux has fewer than 100."""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the licences of the package that the folder of the file names. Raises ValueError above a limit."""
    text = read_text(file, MAX_SIZE)
    package = file.path.split("/")[-2]
    licences = _read_fields(text) if _is_machine_readable(text) else _read_references(text)
    if len(licences) > MAX_LICENCES:
        raise ValueError(f"more than {MAX_LICENCES} licences")
    return CatalogRecord(file.path, "debian_copyright", licences=((package, tuple(licences)),)) if licences else None


def _is_machine_readable(text: str) -> bool:
    """Return True if the first paragraph has a field Format, or the field Format-Specification of drafts."""
    return text[:4096].lstrip("\ufeff\n ").lower().startswith(("format:", "format-specification:")) or (
        "\nFormat: " in text[:4096]
    )


def _read_fields(text: str) -> list[str]:
    names = sorted({name.strip() for name in _compile_field().findall(f"\n{text}") if name.strip()})
    if any(len(name) > MAX_FIELD for name in names[: MAX_LICENCES + 1]):
        raise ValueError(f"licence name of more than {MAX_FIELD} characters")
    return sorted({read_licence(name) for name in names[: MAX_LICENCES + 1]})


@functools.cache
def _compile_field() -> re.Pattern[str]:
    return re.compile(r"\n[Ll]icense:[ \t]*([^\n]*)")


def _read_references(text: str) -> list[str]:
    names = sorted(set(_compile_reference().findall(text)))[: MAX_LICENCES + 1]
    # Authors permit later versions of the GNU licences in these words, with line feeds between them.
    allows_later = bool(names and re.search(r"any\s+later\s+version", text))
    return sorted({read_common_licence(name, allows_later=allows_later) for name in names})


@functools.cache
def _compile_reference() -> re.Pattern[str]:
    return re.compile(r"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]{0,40}[A-Za-z0-9+])")
