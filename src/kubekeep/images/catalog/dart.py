"""Dart and Flutter packages in `pubspec.lock`. Compiled programs have no installed metadata, so images are read too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, is_name, is_plain, read_yaml
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.images.package_url import normalise_name
from kubekeep.model.json_values import as_mapping
from kubekeep.model.package import Package

PATTERNS: Final = ("**/pubspec.lock",)
REGISTRIES: Final = ("", "https://pub.dev", "https://pub.dartlang.org")


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages of a lock file, except those of the SDK and of the project."""
    return build_record(file, "dart", _list_packages(as_mapping(read_yaml(read_content(file)))))


def _list_packages(document: dict[str, Any]) -> Iterator[Package]:
    for key, value in as_mapping(document.get("packages")).items():
        entry = as_mapping(value)
        description = as_mapping(entry.get("description"))
        name, version, source = str(key), as_text(entry.get("version")), entry.get("source")
        address = as_text(description.get("url")).rstrip("/")
        if source not in ("hosted", "git") or not is_name(name) or not is_plain(version):
            continue
        qualifiers: tuple[tuple[str, str], ...] = ()
        if source == "git":
            qualifiers = (("vcs_url", f"git+{address}@{as_text(description.get('resolved-ref'))}"),)
        elif address not in REGISTRIES:
            qualifiers = (("repository_url", address),)
        yield Package(
            type="pub",
            name=normalise_name("pub", "", name)[1],
            version=version,
            qualifiers=qualifiers,
            evidence="pubspec.lock",
            declared=True,
        )
