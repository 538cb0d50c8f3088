"""Files that dpkg and opkg installed: the lists of the packages, and diversions. Never lists folders apart from files.

The lists of checksums serve distroless images only; with a complete dpkg they repeat the lists of files.
"""

from __future__ import annotations

import re
from typing import Final

from kubekeep.images.catalog.bounded import check_file_count, read_text
from kubekeep.images.content import CatalogRecord, LayerFile

PATTERNS: Final = (
    "var/lib/dpkg/info/*.list",
    "var/lib/dpkg/status.d/*.md5sums",
    "var/lib/dpkg/diversions",
    "{usr,var}/lib/opkg/info/*.list",
)


MAX_LIST: Final = 16 * 2**20
"""Largest list in bytes; that of all TeX fonts has 2 MB."""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the paths that belong to packages. Raises ValueError if the file is too large."""
    text = read_text(file, MAX_LIST)
    check_file_count(text.count("\n"))
    if file.path.endswith(".list"):
        # The first line is the folder `/.`; all paths begin with a slash. opkg appends the mode of a file to its path.
        text = re.sub(r"\t[^\n]*", "", text) if "\t" in text else text
        owned, disowned = f"\n{text}".replace("\n/", "\n").removeprefix("\n.\n").strip("\n"), ""
    elif file.path.endswith(".md5sums"):
        owned, disowned = "\n".join([line.partition("  ")[2].removeprefix("./") for line in text.splitlines()]), ""
    else:
        owned, disowned = _read_diversions(text)
    return CatalogRecord(file.path, "dpkg_files", owned=owned, disowned=disowned) if owned or disowned else None


def _read_diversions(text: str) -> tuple[str, str]:
    """Return the new paths of diverted files, and the paths that a local diversion took from their packages.

    A diversion has three lines: the path, the new path of the file of the other packages, and the package that installs
    its own file at the path, or `:` for the administrator.
    """
    lines = text.splitlines()
    diversions = list(zip(lines[0::3], lines[1::3], lines[2::3], strict=False))
    owned = [path.lstrip("/") for _, path, _ in diversions]
    disowned = [path.lstrip("/") for path, _, package in diversions if package == ":"]
    return "\n".join(owned), "\n".join(disowned)
