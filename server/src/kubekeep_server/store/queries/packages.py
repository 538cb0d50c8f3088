"""Packages of all images: names, versions in use, and the images with a version below another one.

Versions are compared by the scheme of their ecosystem. A version that the scheme cannot read is listed apart, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from kubekeep.ecosystems.shared.registry import find_ecosystem
from kubekeep.model.server_results import PackageResult
from kubekeep.vulnerabilities.versions.registry import load_scheme
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError
from kubekeep_server.store.image_schema import image, image_package, package, package_name
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.scopes import Scope, select_uses, shows_image

_NAMES_OF_A_QUERY: Final = 500


class PackageRow(PackageResult, frozen=True):
    """A package without its version. type: of its package URL. images, versions: numbers, in the scope."""


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
    table, columns = package_name, (package_name.c.name, package_name.c.type)
    query = select(table).where(func.lower(table.c.name).contains(text.lower(), autoescape=True)).order_by(*columns)
    rows: list[PackageRow] = []
    size = limit + 1
    while len(rows) <= limit:
        part = query if after is None else query.where(tuple_(*columns) > tuple_(*after))
        names = connection.execute(part.limit(size)).all()
        counts = _count_images(connection, scope, [row.id for row in names])
        rows += [PackageRow(row.type, row.name, *counts[row.id]) for row in names if row.id in counts]
        if len(names) < size:
            break
        after, size = (names[-1].name, names[-1].type), _NAMES_OF_A_QUERY
    page, following = cut_page(rows, limit, "packages", lambda row: (row.name, row.type))
    return Page(tuple(page), following)


def _count_images(connection: Connection, scope: Scope, names: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return the numbers of versions and images in the scope by the number of a package without its version."""
    query = (
        select(package.c.name, package.c.version, image_package.c.image)
        .join(image_package, image_package.c.package == package.c.id)
        .where(package.c.name.in_(sorted(names)))
    )
    rows, used = query.cte("packages"), select(select_uses(scope).subquery().c.image).cte("used")
    counts = (
        select(rows.c.name, func.count(rows.c.version.distinct()), func.count(rows.c.image.distinct()))
        .where(rows.c.image.in_(select(used.c.image)))
        .group_by(rows.c.name)
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(counts)}


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
