"""C and C++ packages of Conan: lock files of versions 1 and 2, and `conaninfo.txt` of installed packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content, read_text
from kubekeep.images.catalog.documents import MAXIMUM_SLOW_BYTES, as_text, build_record, is_name, is_plain, read_json
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import Package

PATTERNS: Final = ("**/conan.lock", "**/conaninfo.txt")
REFERENCE: Final = r"([^/@#%\s]+)/([^/@#:%\s]+)(?:@([^/#:%\s]*)/([^#:%\s]*))?(?:#([0-9a-f]+))?"


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages of a lock file, or the requirements of an installed package; tools for builds are left out."""
    if file.path.endswith(".txt"):
        references, evidence = _list_installed(read_text(file, MAXIMUM_SLOW_BYTES)), "conaninfo.txt"
    else:
        references, evidence = _list_locked(as_mapping(read_json(read_content(file)))), "conan.lock"
    return build_record(file, "conan", _list_packages(references, evidence))


def _list_locked(document: dict[str, Any]) -> Iterator[str]:
    yield from (as_text(reference) for reference in as_list(document.get("requires")))
    for value in as_mapping(as_mapping(document.get("graph_lock")).get("nodes")).values():
        node = as_mapping(value)
        if node.get("context") != "build":
            yield as_text(node.get("ref"))


def _list_installed(text: str) -> Iterator[str]:
    """Yield the lines of the section `full_requires`."""
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip()
        elif section == "[full_requires]":
            yield line.strip()


def _list_packages(references: Iterator[str], evidence: str) -> Iterator[Package]:
    for reference in references:
        match = re.match(REFERENCE, reference[:500])
        if match is None or not is_name(match[1]) or not is_plain(match[2]):
            continue
        name, version, user, channel, revision = match.groups()
        qualifiers = (("channel", channel), ("rrev", revision), ("user", user))
        yield Package(
            type="conan",
            name=name,
            version=version,
            qualifiers=tuple((key, value) for key, value in qualifiers if value and value != "_"),
            evidence=evidence,
            declared=evidence == "conan.lock",
        )
