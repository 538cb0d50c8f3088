"""Julia packages: `Project.toml` of installed packages in a depot, and in folders `Manifest.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, is_name, is_plain, read_toml
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import Package

PATTERNS: Final = ("**/.julia/packages/*/*/Project.toml",)
FOLDER_PATTERNS: Final = ("**/Manifest.toml",)


def read(file: LayerFile) -> CatalogRecord | None:
    """Return an installed package, or the packages of a manifest, except the standard library."""
    document = read_toml(read_content(file))
    if file.path.endswith("Project.toml"):
        packages = _list_package(as_text(document.get("name")), document, "Project.toml")
    else:
        packages = _list_manifest(document)
    return build_record(file, "julia", packages)


def _list_manifest(document: dict[str, Any]) -> Iterator[Package]:
    """Yield the entries with a tree hash; the standard library and local packages have none."""
    for name, entries in as_mapping(document.get("deps", document)).items():
        for value in as_list(entries):
            entry = as_mapping(value)
            if "git-tree-sha1" in entry:
                yield from _list_package(name, entry, "Manifest.toml")


def _list_package(name: str, entry: dict[str, Any], evidence: str) -> Iterator[Package]:
    version, identifier = as_text(entry.get("version")), as_text(entry.get("uuid"))
    if is_name(name) and is_plain(version):
        yield Package(
            type="julia",
            name=name,
            version=version,
            qualifiers=(("uuid", identifier),) if is_plain(identifier) else (),
            evidence=evidence,
            declared=evidence == "Manifest.toml",
        )
