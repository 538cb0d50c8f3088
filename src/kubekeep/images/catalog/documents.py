"""Hostile JSON, TOML, YAML and XML as Python values, and checked package fields. Never opens a file.

All functions raise ValueError with the reason for a document that is damaged or exceeds a limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kubekeep._native import YamlDocuments
from kubekeep.images.catalog.bounded import BYTE_ORDER_MARK, MAX_TEXT, check_size, decode_text
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package

MAXIMUM_SLOW_BYTES: Final = 16 * 1024 * 1024
"""For formats that are parsed in Python."""
MAXIMUM_PACKAGES: Final = 100_000
MAXIMUM_NAME: Final = 300
MAXIMUM_DEPTH: Final = 64
MAXIMUM_NODES: Final = 4_000_000
MAXIMUM_DOTS: Final = 200
"""Dots in one line of TOML; the time that tomllib needs for a dotted key is quadratic in its number of parts."""


def read_json(content: bytes) -> Any:
    """Return the value of a JSON document."""
    return decode_json(msgspec.json.Decoder(), content)


def decode_json(decoder: msgspec.json.Decoder[Any], content: bytes) -> Any:
    """Return the value of a JSON document with the type of a decoder; fields that are not in the type are skipped."""
    check_size(content, MAX_TEXT)
    try:
        return decoder.decode(content.removeprefix(BYTE_ORDER_MARK))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not the expected JSON: {error}") from error


def read_toml(content: bytes) -> dict[str, Any]:
    """Return the tables of a TOML document."""
    import tomllib  # noqa: PLC0415 - only lock files need it

    check_size(content, MAXIMUM_SLOW_BYTES)
    text = decode_text(content)
    if max(map(_count_dots, text.splitlines()), default=0) > MAXIMUM_DOTS:
        raise ValueError(f"a line has more than {MAXIMUM_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from error


def _count_dots(line: str) -> int:
    return line.count(".")


def read_yaml(content: bytes) -> Any:
    """Return the first document of a YAML stream."""
    check_size(content, MAX_TEXT)
    documents = YamlDocuments(decode_text(content), MAXIMUM_DEPTH, 10_000, 8, MAXIMUM_NODES)
    match next((document for document in documents if document is not None), None):
        case (str() as message, _):
            raise ValueError(message)
        case (value, _, _):
            return value
        case _:
            return None


def read_xml(content: bytes) -> Any:
    """Return the root element of an XML document without document type, and so without entities."""
    import xml.etree.ElementTree as ET  # noqa: PLC0415 - loaded only if needed; entities are rejected

    check_size(content, MAXIMUM_SLOW_BYTES)
    # A document type in another encoding than the ASCII-compatible ones would pass the search below.
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"\0" in content[:64]:
        raise ValueError("has a document type declaration or an encoding that is not allowed")
    try:
        return ET.fromstring(content)  # noqa: S314 - no entities, limited size
    except (ET.ParseError, ValueError, LookupError) as error:
        raise ValueError(f"not XML: {error}") from error


def as_text(value: object) -> str:
    """Return a string without surrounding white space, else an empty string."""
    return value.strip() if isinstance(value, str) else ""


def is_plain(text: str) -> bool:
    """Return True for a usable name or version: not empty, short, without control characters and white space."""
    return 0 < len(text) <= MAXIMUM_NAME and text.isprintable() and " " not in text


def is_name(name: str) -> bool:
    """Return True if a name is plain and no path that leaves its folder."""
    return is_plain(name) and ".." not in name.split("/") and not name.startswith(("/", "\\"))


def build_record(file: LayerFile, catalog: str, packages: Iterable[Package]) -> CatalogRecord | None:
    """Return the record of a file with its packages without repetitions, or None if there are none."""
    distinct = tuple(dict.fromkeys(packages))
    if len(distinct) > MAXIMUM_PACKAGES:
        raise ValueError(f"lists {len(distinct)} packages, more than {MAXIMUM_PACKAGES}")
    return CatalogRecord(file.path, catalog, distinct) if distinct else None
