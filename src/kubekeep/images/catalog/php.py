"""PHP packages of Composer: `installed.json` of versions 1 and 2, and in folders `composer.lock`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, decode_json, is_name, is_plain
from kubekeep.images.catalog.language_licences import read_licence
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package

PATTERNS: Final = ("**/composer/installed.json",)
FOLDER_PATTERNS: Final = ("**/composer.lock",)
PackageList = list["ComposerPackage"]


class ComposerPackage(msgspec.Struct):
    """The fields that are read of a package of Composer."""

    name: Any = ""
    version: Any = ""
    license: Any = None
    authors: Any = None
    type: Any = ""


class ComposerDocument(msgspec.Struct):
    """A list of packages: `installed.json` of version 2, or a lock file, which has the development packages apart."""

    packages: list[ComposerPackage] = []
    development: list[ComposerPackage] = msgspec.field(name="packages-dev", default_factory=list)


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the installed or locked packages."""
    is_lock = file.path.endswith(".lock")
    decoder = msgspec.json.Decoder(ComposerDocument | list[ComposerPackage])
    document = decode_json(decoder, read_content(file))
    packages = document if isinstance(document, list) else document.packages + document.development
    return build_record(file, "php", _list_packages(packages, is_lock=is_lock))


def _list_packages(packages: list[ComposerPackage], *, is_lock: bool) -> Iterator[Package]:
    for entry in packages:
        vendor, _, name = as_text(entry.name).lower().rpartition("/")
        version = as_text(entry.version)
        if not is_name(name) or not is_plain(version) or "/" in vendor or (vendor and not is_name(vendor)):
            continue
        licences = entry.license if isinstance(entry.license, list) else [entry.license]
        texts = [licence for licence in licences if isinstance(licence, str) and licence]
        yield Package(
            type="composer",
            namespace=vendor,
            name=name,
            version=version,
            # Several licences of a package are alternatives (Composer schema).
            licences=(" OR ".join(map(read_licence, texts)),) if texts else (),
            supplier=_read_author(entry.authors),
            evidence="composer.lock" if is_lock else "Composer installed.json",
            declared=is_lock,
        )


def _read_author(authors: object) -> str:
    match authors:
        case [{"name": str() as name}, *_] if name.isprintable():
            return name
        case _:
            return ""
