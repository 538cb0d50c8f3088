"""Images whose packages are to be matched with advisories: new ones, and those that a change of the advisories may affect.

A row is removed in the transaction that stores the result, so that a match that was interrupted continues.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, bindparam, delete, func, literal, select

from kubekeep_server.store.batches import is_key, select_by_keys, split
from kubekeep_server.store.image_schema import image, image_content, image_package
from kubekeep_server.store.match_schema import advisory_name, image_match, package_advisory, pending_match
from kubekeep_server.store.packages import store_packages
from kubekeep_server.store.upsert import insert_missing, insert_selected

AdvisoryName = tuple[str, str]
"""Ecosystem without a release, and normalised name."""
Changes = Mapping[str, frozenset[str] | None]
"""Names whose advisories have changed, by ecosystem; None for any."""
_ALL: Final = 0
_COLUMNS: Final = ("image", "name")


class PendingImage(msgspec.Struct, frozen=True):
    """An image to match.

    number: of its row. rows: numbers of names in `pending_match`. names: of the packages to match; None for all packages.
    contents: lists of packages by digest, as `image_content` has them. is_used: False if no source has it.
    """

    number: int
    platform: str
    rows: tuple[int, ...]
    names: frozenset[AdvisoryName] | None
    contents: Mapping[bytes, bytes]
    is_used: bool


def add_images(connection: Connection, images: Iterable[int]) -> None:
    """Add all packages of images."""
    insert_missing(connection, pending_match, [{"image": number, "name": _ALL} for number in sorted(images)])


def add_changes(connection: Connection, changes: Changes) -> None:
    """Add the packages with names whose advisories have changed; all packages of an ecosystem without known names.

    Images with a package of which nothing is known are added with any change.
    """
    for ecosystem, names in sorted(changes.items()):
        if names is None:
            _add_all(connection, _select_images(literal(_ALL)).where(advisory_name.c.ecosystem == ecosystem))
            continue
        query = _select_images(package_advisory.c.name)
        query = query.where(advisory_name.c.ecosystem == ecosystem, is_key(advisory_name.c.name))
        for part in split(names):
            insert_selected(connection, pending_match, _COLUMNS, query, {"keys": part})
    if changes:
        _add_all(connection, select(image_match.c.image, literal(_ALL)).where(image_match.c.is_incomplete))


def add_all_images(connection: Connection) -> None:
    """Add all packages of all images that a source has."""
    _add_all(connection, select(image.c.id, literal(_ALL)).where(image.c.sources > 0))


def count_pending(connection: Connection) -> int:
    """Return the number of images to match."""
    return connection.execute(select(func.count(pending_match.c.image.distinct()))).scalar_one()


def load_pending(connection: Connection, limit: int) -> list[PendingImage]:
    """Return some of the images to match, in the order of their numbers."""
    numbers = select(pending_match.c.image).distinct().order_by(pending_match.c.image).limit(limit)
    images = list(connection.execute(numbers).scalars())
    names = _load_names(connection, images)
    contents = _load_contents(connection, images)
    query = select(image.c.id, image.c.platform, image.c.sources).where(is_key(image.c.id))
    return [
        PendingImage(
            number=row.id,
            platform=row.platform,
            rows=tuple(sorted(names[row.id])),
            names=None if _ALL in names[row.id] else frozenset(filter(None, names[row.id].values())),
            contents=contents.get(row.id, {}),
            is_used=row.sources > 0,
        )
        for row in select_by_keys(connection, query, images)
    ]


def load_digests(connection: Connection, images: Iterable[int]) -> dict[int, frozenset[bytes]]:
    """Return the digests of the lists of packages by image; images without any are absent."""
    table = image_content
    query = select(table.c.image, table.c.digest).where(is_key(table.c.image))
    digests: dict[int, set[bytes]] = {}
    for row in select_by_keys(connection, query, images):
        digests.setdefault(row.image, set()).add(row.digest)
    return {number: frozenset(own) for number, own in digests.items()}


def remove_pending(connection: Connection, rows: Iterable[tuple[int, int]]) -> None:
    """Remove images that were matched. rows: numbers of image and name."""
    keys = [{"i": number, "n": name} for number, name in sorted(rows)]
    if keys:
        is_row = (pending_match.c.image == bindparam("i")) & (pending_match.c.name == bindparam("n"))
        connection.execute(delete(pending_match).where(is_row), keys)


def store_names(connection: Connection, names: Mapping[str, Iterable[AdvisoryName]]) -> None:
    """Store the names of packages in advisories, by package URL."""
    packages = store_packages(connection, names)
    numbers = _number_names(connection, {name for own in names.values() for name in own})
    rows = {(packages[purl], numbers[name]) for purl, own in names.items() for name in own}
    query = select(package_advisory).where(is_key(package_advisory.c.package))
    known = {(row.package, row.name) for row in select_by_keys(connection, query, packages.values())}
    insert_missing(
        connection, package_advisory, [{"package": package, "name": name} for package, name in sorted(rows - known)]
    )


def _number_names(connection: Connection, names: Iterable[AdvisoryName]) -> dict[AdvisoryName, int]:
    required = set(names)
    query = select(advisory_name).where(is_key(advisory_name.c.name))

    def load(missing: set[AdvisoryName]) -> dict[AdvisoryName, int]:
        rows = select_by_keys(connection, query, {name for _, name in missing})
        return {(row.ecosystem, row.name): row.id for row in rows if (row.ecosystem, row.name) in missing}

    known = load(required)
    missing = required - known.keys()
    rows = [{"ecosystem": ecosystem, "name": name} for ecosystem, name in sorted(missing)]
    insert_missing(connection, advisory_name, rows)
    return known | load(missing)


def _load_contents(connection: Connection, images: Iterable[int]) -> dict[int, dict[bytes, bytes]]:
    query = select(image_content).where(is_key(image_content.c.image))
    contents: dict[int, dict[bytes, bytes]] = {}
    for row in select_by_keys(connection, query, images):
        contents.setdefault(row.image, {})[row.digest] = row.content
    return contents


def _load_names(connection: Connection, images: Iterable[int]) -> dict[int, dict[int, AdvisoryName | None]]:
    """Return the names to match by image and number of the name; None for all of them."""
    query = (
        select(
            pending_match.c.image, pending_match.c.name, advisory_name.c.ecosystem, advisory_name.c.name.label("text")
        )
        .outerjoin(advisory_name, advisory_name.c.id == pending_match.c.name)
        .where(is_key(pending_match.c.image))
    )
    names: dict[int, dict[int, AdvisoryName | None]] = {}
    for row in select_by_keys(connection, query, images):
        names.setdefault(row.image, {})[row.name] = (row.ecosystem, row.text) if row.name != _ALL else None
    return names


def _select_images(name: Any) -> Select[Any]:
    """Return the query for the images with packages that advisories list. name: the second column."""
    return (
        select(image_package.c.image, name)
        .join(package_advisory, package_advisory.c.package == image_package.c.package)
        .join(advisory_name, advisory_name.c.id == package_advisory.c.name)
        .join(image, image.c.id == image_package.c.image)
        .where(image.c.sources > 0)
        .distinct()
    )


def _add_all(connection: Connection, query: Select[Any]) -> None:
    insert_selected(connection, pending_match, _COLUMNS, query, {})
