"""One image: its names, and a page of its open problems with the packages that have them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, case, select, tuple_

from kubekeep.model.definition import FindingKind
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.image_schema import image, image_finding, package
from kubekeep_server.store.numbers import to_moment, to_optional_moment
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import definition
from kubekeep_server.store.scopes import Scope, select_uses
from kubekeep_server.store.urgency import LEVELS, SEVERITY_NAMES


class ImageProblem(Document, frozen=True):
    """An open problem of an image. kind: of its definition, such as `vulnerability`.

    priority: level in the workload of the scope where it is most urgent. purl: empty for one without a package.
    decision: number of the one that covers it.
    """

    definition: str
    kind: str
    id: str
    title: str
    priority: str
    severity: str
    epss: float | None
    is_exploited: bool
    purl: str
    fixed_version: str
    is_suppressed: bool
    decision: int | None
    opened: dt.datetime
    unknown_since: dt.datetime | None


def list_problems(
    connection: Connection, scope: Scope, digest: str, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[ImageProblem]:
    """Return a page of the open problems of an image, the most urgent first. Raises LookupError if none is in the scope."""
    uses = select_uses(scope).subquery()
    query_uses = select(image.c.id, uses.c.exposure).join(uses, uses.c.image == image.c.id)
    shown = connection.execute(query_uses.where(image.c.digest == digest)).first()
    if shown is None:
        raise LookupError(f"there is no image {digest}")
    table = image_finding
    level = _select_level(shown.exposure)
    rank = (-level, -definition.c.urgency, -definition.c.severity, definition.c.key, package.c.purl)
    query = (
        select(table, definition, package.c.purl, level.label("level"))
        .join(definition, definition.c.id == table.c.definition)
        .join(package, package.c.id == table.c.package)
        .where(table.c.image == shown.id, table.c.closed.is_(None))
    )
    after = read_cursor(cursor, "problems", tuple[int, int, int, str, str])
    if after is not None:
        query = query.where(tuple_(*rank) > tuple_(*after))
    rows = list(connection.execute(query.order_by(*rank).limit(limit + 1)))
    page, following = cut_page(
        rows, limit, "problems", lambda row: (-row.level, -row.urgency, -row.severity, row.key, row.purl)
    )
    return Page(tuple(map(_describe, page)), following)


def _select_level(exposure: int) -> ColumnElement[int]:
    """Return the level of the priority of a problem. exposure: of the image."""
    raised, plain = (case(dict(enumerate(LEVELS[number])), value=definition.c.urgency) for number in (exposure, 0))
    return case((definition.c.kind == FindingKind.VULNERABILITY.value, raised), else_=plain)


def _describe(row: Any) -> ImageProblem:
    document = msgspec.json.decode(row.document, type=DefinitionEntry)
    return ImageProblem(
        definition=row.key,
        kind=row.kind,
        id=document.id,
        title=document.title,
        priority=SEVERITY_NAMES[row.level],
        severity=SEVERITY_NAMES[row.severity],
        epss=row.epss,
        is_exploited=row.is_exploited,
        purl=row.purl,
        fixed_version=row.fixed_version,
        is_suppressed=row.is_suppressed and row.decision is None,
        decision=row.decision,
        opened=to_moment(row.opened),
        unknown_since=to_optional_moment(row.unknown_since),
    )
