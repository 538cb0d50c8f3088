"""Python distributions: dist-info and egg-info folders, eggs, and the records of conda.

Code that other distributions vendor without metadata is not listed, nor are the origins in `direct_url.json`: an
editable installation has its own metadata. Lock files are read by `python_locks`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, decode_json, is_name, is_plain
from kubekeep.images.catalog.language_licences import CLASSIFIERS, find_licence, read_licence, read_licences
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.images.package_url import normalise_name
from kubekeep.model.package import Package

PATTERNS: Final = (
    "**/*.dist-info/METADATA",
    "**/*.egg-info",
    "**/*.egg-info/PKG-INFO",
    "**/*.egg/EGG-INFO/PKG-INFO",
    "**/conda-meta/*.json",
)
TEST_DATA: Final = r"/(?:site|dist)-packages/(?:.*/)?tests?/"
"""Folders with metadata that tests of other distributions read, as `pkg_resources/tests/data`."""
MAXIMUM_HEADER: Final = 1024 * 1024
HEADER: Final = (
    rb"(?m)^(Name|Version|License|License-Expression|Author|Author-email|Maintainer|Maintainer-email):[ \t]*(.*)$"
    rb"|^Classifier: License :: (.*)$"
)


class CondaMetadata(msgspec.Struct):
    """The fields that are read of a file in `conda-meta`."""

    name: Any = ""
    version: Any = ""
    build: Any = ""
    channel: Any = ""
    subdir: Any = ""
    license: Any = ""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the distribution that a metadata file describes."""
    if re.search(TEST_DATA, file.path):
        return None
    package = _read_conda(file) if file.path.endswith(".json") else _read_metadata(file)
    return build_record(file, "python", [package] if package else [])


def _read_metadata(file: LayerFile) -> Package | None:
    header = file.content[:MAXIMUM_HEADER].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    fields: dict[bytes, str] = {}
    classifiers: list[str] = []
    for match in re.finditer(HEADER, header):
        key, value, classifier = match.groups()
        if key:
            fields.setdefault(key, value.decode("utf-8", "replace").strip())
        else:
            classifiers.append(classifier.decode("utf-8", "replace").rpartition(" :: ")[2].strip())
    name, version = fields.get(b"Name", ""), re.sub(r"^[vV](?=\d)", "", fields.get(b"Version", ""))  # PEP 440
    if not name and not version and not _is_metadata(file.path):
        return None
    if not is_name(name) or not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise ValueError("has no valid name of a Python distribution")
    if not is_plain(version):
        raise ValueError(f"{name} has no valid version")
    supplier = next((fields[key] for key in SUPPLIERS if fields.get(key, "UNKNOWN") not in ("", "UNKNOWN")), "")
    return Package(
        type="pypi",
        name=normalise_name("pypi", "", name)[1],
        version=version,
        licences=_read_licences(fields, classifiers),
        supplier=supplier if supplier.isprintable() else "",
        evidence="Python " + file.path.rpartition("/")[2].rpartition(".")[2],
    )


def _is_metadata(path: str) -> bool:
    """Return True for a file that must describe a distribution; a file `*.egg-info` may be anything."""
    return path.endswith((".dist-info/METADATA", "/PKG-INFO"))


SUPPLIERS: Final = (b"Author", b"Author-email", b"Maintainer", b"Maintainer-email")


def _read_licences(fields: dict[bytes, str], classifiers: list[str]) -> tuple[str, ...]:
    """Return the expression, else the licences of the classifiers and the free text, which may be a whole licence."""
    if expression := fields.get(b"License-Expression"):
        return (expression,) if expression.isprintable() else ()
    text = fields.get(b"License", "")
    known = tuple(dict.fromkeys(CLASSIFIERS[name] for name in classifiers if name in CLASSIFIERS))
    if len(known) < 2 and (stated := find_licence(text)):
        return (stated,)
    if known:
        return known
    ambiguous = tuple(name for name in classifiers if name not in ("OSI Approved", "Other/Proprietary License"))
    licence = read_licence(text) if text != "UNKNOWN" and len(text) <= 100 else ""
    return (licence,) if licence else tuple(filter(str.isprintable, ambiguous[:5]))


def _read_conda(file: LayerFile) -> Package | None:
    metadata = decode_json(msgspec.json.Decoder(CondaMetadata), read_content(file))
    name, version = as_text(metadata.name), as_text(metadata.version)
    if not is_name(name) or not is_plain(version):
        return None
    channel = as_text(metadata.channel).rstrip("/").removesuffix("/" + as_text(metadata.subdir)).rpartition("/")[2]
    qualifiers = (("build", as_text(metadata.build)), ("channel", channel), ("subdir", as_text(metadata.subdir)))
    return Package(
        type="conda",
        name=name.lower(),
        version=version,
        qualifiers=tuple((key, value) for key, value in qualifiers if is_plain(value)),
        licences=read_licences(metadata.license),
        evidence="conda-meta",
    )
