"""Packages, image repositories and names of images: rows that all sources share. Each has a number that never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, select

from kubekeep.images.package_url import parse_package_url
from kubekeep.model.image import trim_tag
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.image_schema import fixed_version, image_name, package, package_name, repository
from kubekeep_server.store.upsert import insert_missing

NO_PACKAGE: Final = ""
"""The package URL of a problem without a package."""
LONGEST_VERSION: Final = 256


def store_packages(connection: Connection, purls: Iterable[str]) -> dict[str, int]:
    """Store new packages and return the numbers of all by package URL."""
    required = set(purls)
    query = select(package.c.purl, package.c.id).where(is_key(package.c.purl))
    ids = dict(select_by_keys(connection, query, required))
    missing = sorted(required - ids.keys())
    if not missing:
        return ids
    parsed = {purl: _split_purl(purl) for purl in missing}
    names = _store_names(connection, {(kind, name) for kind, name, _ in parsed.values()})
    rows = [
        {"purl": purl, "name": names[kind, name], "version": version} for purl, (kind, name, version) in parsed.items()
    ]
    insert_missing(connection, package, rows)
    return ids | dict(select_by_keys(connection, query, missing))


def store_versions(connection: Connection, texts: Iterable[str]) -> dict[str, int]:
    """Store new versions that fix problems and return the numbers of all by text; 0 for none."""
    required = {*texts} - {""}
    query = select(fixed_version.c.text, fixed_version.c.id).where(is_key(fixed_version.c.text))
    ids = dict(select_by_keys(connection, query, required))
    missing = sorted(required - ids.keys())
    insert_missing(connection, fixed_version, [{"text": text} for text in missing])
    return {"": 0} | ids | dict(select_by_keys(connection, query, missing))


def store_image_names(connection: Connection, references: Mapping[int, Iterable[str]]) -> frozenset[int]:
    """Store the names of images, by the number of the image; return the images with a new one."""
    rows = {(image, reference): trim_tag(reference) for image, names in references.items() for reference in names}
    query = select(image_name.c.image, image_name.c.reference).where(is_key(image_name.c.image))
    known = {(image, reference) for image, reference in select_by_keys(connection, query, references)}
    new = sorted(rows.keys() - known)
    if not new:
        return frozenset()
    names = sorted({rows[key] for key in new})
    insert_missing(connection, repository, [{"name": name} for name in names])
    stored = select(repository.c.name, repository.c.id).where(is_key(repository.c.name))
    ids = dict(select_by_keys(connection, stored, names))
    values = [{"image": image, "reference": name, "repository": ids[rows[image, name]]} for image, name in new]
    insert_missing(connection, image_name, values)
    return frozenset(image for image, _ in new)


def _store_names(connection: Connection, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    required = set(names)
    insert_missing(connection, package_name, [{"type": kind, "name": name} for kind, name in sorted(required)])
    table = package_name
    query = select(table.c.type, table.c.name, table.c.id).where(is_key(table.c.name))
    rows = select_by_keys(connection, query, {name for _, name in required})
    return {(kind, name): number for kind, name, number in rows if (kind, name) in required}


def _split_purl(purl: str) -> tuple[str, str, str]:
    """Return type, qualified name and version of a package URL; one that cannot be read is a name."""
    if purl == NO_PACKAGE:
        return "", "", ""
    try:
        parsed = parse_package_url(purl)
    except ValueError:
        return "", purl, ""
    return parsed.type, "/".join(filter(None, (parsed.namespace, parsed.name))), parsed.version
