"""Identity of a .NET assembly from its version resource (VS_VERSIONINFO of Windows). Reads no files.

Only libraries that others made are listed: an assembly whose company is its own name, the default of a build, is the
application itself.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.images.catalog.documents import is_name, is_plain

MAXIMUM_DEPTH: Final = 4
MAXIMUM_FIELDS: Final = 500
HEADER: Final = 6
REFERENCE_FOLDERS: Final = r"(?i)(?:^|/)(?:ref|packs|reference assemblies|mono|obj)/"
"""Folders of assemblies for compilers, and those of Mono, whose versions are not those of packages."""
PRODUCT_VERSION: Final = r"(\d{1,5}\.\d{1,5}\.\d{1,5}(?:-[0-9A-Za-z.-]+)?)(?:\+[0-9A-Za-z.-]*)?"
FILE_VERSION: Final = r"(\d{1,5}\.\d{1,5}\.\d{1,5})(?:\.0)?"


class Assembly(msgspec.Struct, frozen=True):
    """A library with the version of its package."""

    name: str
    version: str
    company: str


def read_assembly(path: str, resource: bytes) -> Assembly | None:
    """Return the library; None for an application, an assembly of resources or an unknown version."""
    name, _, extension = path.rpartition("/")[2].rpartition(".")
    if extension.lower() != "dll" or name.lower().endswith(".resources") or re.search(REFERENCE_FOLDERS, path):
        return None
    fields = read_fields(resource)
    original = re.sub(r"(?i)\.dll$", "", fields.get("OriginalFilename") or fields.get("InternalName", ""))
    company = fields.get("CompanyName", "")
    if original.lower() != name.lower() or not company or company.lower() == name.lower():
        return None
    version = _read_version(fields)
    if not version or not is_name(original) or "/" in original:
        return None
    return Assembly(original, version, company if company.isprintable() and len(company) <= 200 else "")


def _read_version(fields: dict[str, str]) -> str:
    """Return the version of the package: the informational one, else that of the file without a build number."""
    product, file = fields.get("ProductVersion", ""), fields.get("FileVersion", "")
    match = re.fullmatch(PRODUCT_VERSION, product) or re.fullmatch(FILE_VERSION, product or file)
    return match[1] if match and is_plain(match[1]) and match[1] != "0.0.0" else ""


def read_fields(resource: bytes) -> dict[str, str]:
    """Return the texts of a version resource by name, of the first language. Ignores what is damaged."""
    fields: dict[str, str] = {}
    for key, value in _list_strings(resource, 0, len(resource), 0):
        fields.setdefault(key, value)
        if len(fields) >= MAXIMUM_FIELDS:
            break
    return fields


def _list_strings(resource: bytes, start: int, end: int, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the strings in the structures between two offsets; each has its size, the size of a value, a type, a key."""
    while start + HEADER <= end:
        size, value_size, kind = struct.unpack_from("<HHH", resource, start)
        limit = start + size
        if size < HEADER or limit > end:
            return
        key, offset = _read_text(resource, start + HEADER, limit)
        offset = _align(offset)
        if depth == MAXIMUM_DEPTH - 1:
            yield key, _read_text(resource, offset, limit)[0].strip()
        elif key != "VarFileInfo":
            # The value of the first structure has the versions as numbers.
            yield from _list_strings(resource, _align(offset + (0 if kind else value_size)), limit, depth + 1)
        start = _align(limit)


def _read_text(resource: bytes, start: int, limit: int) -> tuple[str, int]:
    """Return a text of UTF-16 up to a zero character, and the offset behind it."""
    end = start
    while end + 1 < limit and resource[end : end + 2] != b"\0\0":
        end += 2
    return resource[start:end].decode("utf-16-le", "replace"), min(end + 2, limit)


def _align(offset: int) -> int:
    return (offset + 3) & ~3
