"""Packages of images, by the lists that their sources have submitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from kubekeep.images.package_url import format_package_url
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.image_reports import load_contents
from kubekeep_server.store.image_schema import image, image_package
from kubekeep_server.store.packages import store_packages
from kubekeep_server.store.upsert import insert_many

_LONGEST: Final = 100
"""Characters of the name of an operating system."""


def refresh_packages(connection: Connection, images: Iterable[int]) -> None:
    """Write the packages and the operating systems of images: those of all lists that sources have submitted."""
    purls: dict[int, set[str]] = {number: set() for number in images}
    distributions: dict[int, str] = {}
    for number, content in load_contents(connection, purls):
        purls[number].update(map(format_package_url, content.packages))
        distributions[number] = f"{content.distribution.id} {content.distribution.version_id}".strip()
    if distributions:
        rows = [{"number": number, "text": text[:_LONGEST]} for number, text in sorted(distributions.items())]
        statement = update(image).where(image.c.id == bindparam("number"))
        connection.execute(statement.values(distribution=bindparam("text")), rows)
    numbers = store_packages(connection, set[str]().union(*purls.values()))
    query = select(image_package).where(is_key(image_package.c.image))
    stored = {(row.image, row.package) for row in select_by_keys(connection, query, purls)}
    current = {(number, numbers[purl]) for number, names in purls.items() for purl in names}
    insert_many(connection, image_package, sorted(current - stored))
    removed = [{"i": number, "p": package} for number, package in sorted(stored - current)]
    if removed:
        condition = (image_package.c.image == bindparam("i")) & (image_package.c.package == bindparam("p"))
        connection.execute(delete(image_package).where(condition), removed)
