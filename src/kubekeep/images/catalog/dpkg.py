"""Packages of dpkg: the status file of Debian and its derivatives, and its parts in images without a package manager.

Distroless images have one file for each package in `status.d`. Packages get namespace and distribution when the layers
are merged, because the file that names the distribution may be in another layer. Until then their dependencies are
names of packages. Never reads a package archive.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final

from kubekeep.images.catalog.bounded import (
    MAX_FIELD,
    collect_packages,
    list_providers,
    read_text,
    resolve_names,
    split_paragraphs,
)
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package, SourcePackage

PATTERNS: Final = ("var/lib/dpkg/status", "var/lib/dpkg/status.d/*")
STATES: Final = frozenset(("installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"))
"""States of a package whose files are in place; `config-files`, `half-installed` and `not-installed` are the others."""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the installed packages of a status file. Raises ValueError if a limit is exceeded."""
    if file.path.endswith(".md5sums"):
        return None
    text = read_text(file)
    is_part = "/status.d/" in file.path
    paragraphs = [fields for fields in _iterate_paragraphs(text) if _is_installed(fields, is_part=is_part)]
    if not paragraphs:
        return None
    provided = ((fields["Package"], [fields["Package"], *_list_names(fields.get("Provides"))]) for fields in paragraphs)
    providers = None if is_part else list_providers(provided)
    packages = collect_packages(_build_package(fields, providers) for fields in paragraphs)
    return CatalogRecord(file.path, "dpkg", packages)


def _iterate_paragraphs(text: str) -> Iterator[dict[str, str]]:
    find_fields = _compile_fields().findall
    for paragraph in split_paragraphs(text):
        # The names of the fields follow a line feed: a search for a fixed text is three times as fast as for `^`.
        yield dict(find_fields("\n" + paragraph))


@functools.cache
def _compile_fields() -> re.Pattern[str]:
    names = "Package|Status|Version|Architecture|Source|Maintainer|Provides|Depends|Pre-Depends"
    return re.compile(rf"\n({names}):[ \t]*(.*(?:\n[ \t].*)*)")


def _is_installed(fields: dict[str, str], *, is_part: bool) -> bool:
    if not fields.get("Package") or not fields.get("Version"):
        return False
    status = fields.get("Status")
    if status is None:
        # The parts of distroless images are control files of packages, which have no status.
        return is_part
    return status.rpartition(" ")[2] in STATES


def _list_names(relations: str | None) -> list[str]:
    """Return the package names of a relation field, with all alternatives, without versions and architectures."""
    return _compile_names().findall(relations) if relations else []


@functools.cache
def _compile_names() -> re.Pattern[str]:
    return re.compile(r"(?:^|[,|])\s*([A-Za-z0-9][A-Za-z0-9+.\-]*)")


def _build_package(fields: dict[str, str], providers: dict[str, list[str]] | None) -> Package:
    name, version = fields["Package"].strip().lower(), fields["Version"].strip()
    if max(map(len, fields.values())) > MAX_FIELD:
        raise ValueError(f"package {name[:80]} has a field of more than {MAX_FIELD} characters")
    architecture = fields.get("Architecture")
    return Package(
        type="deb",
        name=name,
        version=version,
        qualifiers=(("arch", architecture),) if architecture else (),
        source=_read_source(fields.get("Source", ""), name, version),
        supplier=fields.get("Maintainer", ""),
        dependencies=_resolve(fields, providers),
        evidence="dpkg status",
    )


def _read_source(text: str, name: str, version: str) -> SourcePackage:
    """Return the source package of `Source: name (version)`; name and version of the package are the defaults."""
    source, _, source_version = text.partition(" (")
    return SourcePackage(source.strip() or name, source_version.rstrip(")") or version)


def _resolve(fields: dict[str, str], providers: dict[str, list[str]] | None) -> tuple[str, ...]:
    """Return the names of the packages that satisfy the dependencies, or all names in a file of one package."""
    names = _list_names(fields.get("Depends")) + _list_names(fields.get("Pre-Depends"))
    if providers is None:
        return tuple(sorted(set(names)))
    return resolve_names(fields["Package"], names, providers)
