"""The images of a scope with the numbers of their problems, as a list and as rows beside other results."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, FromClause, Select, case, exists, func, or_, select, tuple_

from kubekeep.model.severity import Severity
from kubekeep_server.store.image_schema import (
    BY_LEVEL,
    BY_URGENCY,
    COUNTS,
    image,
    image_name,
    image_report,
    repository,
)
from kubekeep_server.store.match_schema import image_match
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.queries.affected import load_references
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.scopes import USES, Scope, select_uses
from kubekeep_server.store.urgency import EXPOSED, LEVELS, SEVERITY_NAMES, URGENCIES, count_levels


class ImageOrder(enum.StrEnum):
    """Orders of a list of images."""

    PRIORITY = "priority"
    """The one with most critical problems first, then with most high ones."""
    WORKLOADS = "workloads"
    FIXABLE = "fixable"
    NEWEST = "newest"


class ImageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a list of images.

    text: a part of a name, or the beginning of the digest. distribution: `debian 12`. repository: the whole name of one.
    """

    sources: tuple[int, ...] = ()
    text: str = ""
    distribution: str = ""
    repository: str = ""
    is_exposed: bool | None = None
    is_fixable: bool | None = None
    is_assessed: bool | None = None


class ImageRow(Document, frozen=True):
    """An image. opened: the time at which it was first submitted. exposure: the highest of its workloads.

    problems: open ones by level of priority; None if it was not assessed. fixable: problems that a newer version of a package fixes.
    distribution: the operating system, such as `debian 12`; empty if no packages are known.
    """

    digest: str
    references: tuple[str, ...]
    platform: str
    distribution: str
    exposure: int
    workloads: int
    exposed_workloads: int
    problems: dict[str, int] | None
    fixable: int
    opened: dt.datetime


IS_ASSESSED: Final = or_(
    exists().where(image_report.c.image == image.c.id), exists().where(image_match.c.image == image.c.id)
)


def list_images(
    connection: Connection,
    scope: Scope,
    selection: ImageFilter,
    order: ImageOrder = ImageOrder.PRIORITY,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[ImageRow]:
    """Return a page of images. Raises ValueError for a cursor of another list."""
    if selection.sources:
        scope = scope.narrow(selection.sources)
    uses = select_uses(scope).subquery()
    keys = _list_keys(order, uses)
    labelled = [key.label(f"key_{number}") for number, key in enumerate(keys)]
    query = select_images(uses).add_columns(*labelled).where(*_list_conditions(selection, uses))
    after = read_cursor(cursor, order, tuple[int, ...])
    if after is not None:
        if len(after) != len(keys):
            raise ValueError("the cursor is not one of this list: start without a cursor")
        query = query.where(tuple_(*keys) > tuple_(*after))
    rows = connection.execute(query.order_by(*keys).limit(limit + 1)).all()
    page, following = cut_page(
        rows, limit, order, lambda row: tuple(int(getattr(row, label.name)) for label in labelled)
    )
    return Page(tuple(describe_images(connection, page)), following)


def select_images(uses: FromClause) -> Select[Any]:
    """Return the query of the rows of `describe_images`. uses: of `select_uses`."""
    columns = (uses.c[name].label(f"used_{name}") for name in USES)
    return select(image, *columns, IS_ASSESSED.label("is_assessed")).join(uses, uses.c.image == image.c.id)


def describe_images(connection: Connection, rows: Sequence[Any]) -> Iterator[ImageRow]:
    """Yield the images of rows."""
    references = load_references(connection, [row.id for row in rows])
    for row in rows:
        yield ImageRow(**describe_image(row, references.get(row.id, ())))


def describe_image(row: Any, references: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of an `ImageRow`."""
    counts = count_levels(row.used_exposure, [getattr(row, name) for name in COUNTS])
    return {
        "digest": row.digest,
        "references": references,
        "platform": row.platform,
        "distribution": row.distribution,
        "exposure": row.used_exposure,
        "workloads": row.used_workloads,
        "exposed_workloads": row.used_exposed_workloads,
        "problems": dict(zip(SEVERITY_NAMES, counts, strict=True)) if row.is_assessed else None,
        "fixable": row.fixable,
        "opened": to_moment(row.created),
    }


def _list_keys(order: ImageOrder, uses: FromClause) -> tuple[ColumnElement[int], ...]:
    """Return what an order sorts by."""
    match order:
        case ImageOrder.PRIORITY:
            levels = (_count(uses, level) for level in (Severity.CRITICAL, Severity.HIGH))
            return (*(-count for count in levels), -uses.c.exposed_workloads, image.c.id)
        case ImageOrder.WORKLOADS:
            return -uses.c.workloads, image.c.id
        case ImageOrder.FIXABLE:
            return -image.c.fixable, image.c.id
        case ImageOrder.NEWEST:
            return -image.c.created, image.c.id


def _count(uses: FromClause, level: int) -> ColumnElement[int]:
    """Return the number of open problems with a level, which follows from the exposure of the image in the scope."""
    by_exposure = {
        exposure: _add(BY_URGENCY[urgency] for urgency in range(URGENCIES) if levels[urgency] == level)
        for exposure, levels in enumerate(LEVELS)
    }
    return case(by_exposure, value=uses.c.exposure, else_=0) + image.c[BY_LEVEL[level]]


def _add(names: Iterator[str]) -> ColumnElement[int]:
    first, *others = (image.c[name] for name in names)
    total: ColumnElement[int] = first
    for column in others:
        total += column
    return total


def _list_conditions(selection: ImageFilter, uses: FromClause) -> Iterator[ColumnElement[bool]]:
    if text := selection.text.strip().lower():
        contained = func.lower(image_name.c.reference).contains(text, autoescape=True)
        named = select(image_name.c.image).where(contained)
        yield or_(image.c.id.in_(named), image.c.digest.startswith(text, autoescape=True))
    if selection.distribution:
        yield image.c.distribution == selection.distribution
    if selection.repository:
        numbers = select(repository.c.id).where(repository.c.name == selection.repository)
        yield image.c.id.in_(select(image_name.c.image).where(image_name.c.repository.in_(numbers)))
    if selection.is_exposed is not None:
        is_exposed = uses.c.exposure >= EXPOSED
        yield is_exposed if selection.is_exposed else ~is_exposed
    if selection.is_fixable is not None:
        yield image.c.fixable > 0 if selection.is_fixable else image.c.fixable == 0
    if selection.is_assessed is not None:
        yield IS_ASSESSED if selection.is_assessed else ~IS_ASSESSED
