"""Packages of all images: names, versions in use, and the images with a version below another one.

Versions are compared by the scheme of their ecosystem. A version that the scheme cannot read is listed apart, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from kubekeep.ecosystems.shared.registry import find_ecosystem
from kubekeep.vulnerabilities.versions.registry import load_scheme
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError
from kubekeep_server.store.image_schema import image, image_package, package, package_name
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.scopes import Scope, shows_image


class PackageRow(Document, frozen=True):
    """A package without its version. type: of its package URL. images, versions: numbers, in the scope."""

    type: str
    name: str
    versions: int
    images: int


class VersionRow(Document, frozen=True):
    """A version of a package in use. is_below: None if the scheme cannot compare it."""

    version: str
    purls: tuple[str, ...]
    images: int
    is_below: bool | None = None


def search_packages(
    connection: Connection, scope: Scope, text: str, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[PackageRow]:
    """Return a page of the packages whose name contains a text, by name."""
    after = read_cursor(cursor, "packages", tuple[str, str])
    table = package_name
    query = (
        select(
            table.c.name,
            table.c.type,
            func.count(package.c.version.distinct()).label("versions"),
            func.count(image_package.c.image.distinct()).label("images"),
        )
        .join(package, package.c.name == table.c.id)
        .join(image_package, image_package.c.package == package.c.id)
        .join(image, image.c.id == image_package.c.image)
        .where(func.lower(table.c.name).contains(text.lower(), autoescape=True), shows_image(scope))
        .group_by(table.c.name, table.c.type)
    )
    if after is not None:
        name, kind = after
        query = query.where(or_(table.c.name > name, and_(table.c.name == name, table.c.type > kind)))
    rows = list(connection.execute(query.order_by(table.c.name, table.c.type).limit(limit + 1)))
    page, following = cut_page(rows, limit, "packages", lambda row: (row.name, row.type))
    return Page(tuple(PackageRow(row.type, row.name, row.versions, row.images) for row in page), following)


def list_versions(
    connection: Connection, scope: Scope, kind: str, name: str, below: str = ""
) -> tuple[VersionRow, ...]:
    """Return the versions of a package in use, the lowest first. below: a version that each is compared with.

    kind: type of the package URL. Raises LookupError if no image has the package.
    """
    query = (
        select(package.c.purl, package.c.version, func.count(image_package.c.image.distinct()).label("images"))
        .join(package_name, package_name.c.id == package.c.name)
        .join(image_package, image_package.c.package == package.c.id)
        .join(image, image.c.id == image_package.c.image)
        .where(package_name.c.type == kind, package_name.c.name == name, shows_image(scope))
        .group_by(package.c.purl, package.c.version)
    )
    by_version: dict[str, list[Any]] = {}
    for row in connection.execute(query.order_by(package.c.purl)):
        by_version.setdefault(row.version, []).append(row)
    if not by_version:
        raise LookupError(f"no image has the package {name} of the type {kind}")
    keys = read_versions(kind, [*by_version, below] if below else by_version)
    limit = keys.get(below)
    rows = [
        VersionRow(
            version,
            tuple(row.purl for row in group),
            sum(row.images for row in group),
            None if limit is None or version not in keys else keys[version] < limit,
        )
        for version, group in by_version.items()
    ]
    readable = sorted((row for row in rows if row.version in keys), key=lambda row: keys[row.version])
    return (*readable, *sorted((row for row in rows if row.version not in keys), key=lambda row: row.version))


def has_package(purls: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that an image has one of some packages."""
    table = image_package
    query = select(table.c.image).join(package, package.c.id == table.c.package)
    return image.c.id.in_(query.where(package.c.purl.in_(sorted(purls))))


def read_versions(kind: str, versions: Iterable[str]) -> dict[str, Any]:
    """Return the sort keys of the versions that the scheme of a type of package URL can read."""
    ecosystem = find_ecosystem(kind)
    keys: dict[str, Any] = {}
    if ecosystem is None:
        return keys
    scheme = load_scheme(ecosystem.version_scheme)
    for version in versions:
        try:
            keys[version] = scheme.key(version)
        except InvalidVersionError:
            continue
    return keys
