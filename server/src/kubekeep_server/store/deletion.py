"""Deletion of a source with all that only it has. Its entry in the log of the organisation remains."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, exists, select

from kubekeep_server.identity import Grant
from kubekeep_server.store import schema
from kubekeep_server.store.batches import is_key, lock_rows, select_by_keys, split
from kubekeep_server.store.changes import record_changes
from kubekeep_server.store.definitions import release_definitions
from kubekeep_server.store.evaluations import remove_unused
from kubekeep_server.store.framework_schema import control_interval, source_evaluation
from kubekeep_server.store.image_findings import refresh_findings, refresh_uses
from kubekeep_server.store.image_packages import refresh_packages
from kubekeep_server.store.image_reports import remove_unused_parts
from kubekeep_server.store.image_schema import (
    failed_scan,
    image,
    image_content,
    image_finding,
    image_name,
    image_package,
    image_problems,
    image_report,
    repository_finding,
    runs,
    source_image,
)
from kubekeep_server.store.label_schema import subject_label
from kubekeep_server.store.locks import lock_definitions
from kubekeep_server.store.match_schema import image_match, pending_match
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.pending_matches import add_images
from kubekeep_server.store.permission_schema import cluster_permissions
from kubekeep_server.store.repository_findings import refresh_history
from kubekeep_server.store.scope_schema import scope_source
from kubekeep_server.store.scopes import resolve_scope
from kubekeep_server.store.stored_scopes import refresh_scopes

_OF_SOURCES: Final = (
    schema.finding,
    subject_label,
    schema.subject,
    failed_scan,
    runs,
    source_image,
    schema.total,
    schema.definition_total,
    schema.day,
    cluster_permissions,
    schema.scan,
    schema.audit,
    source_evaluation,
    control_interval,
)
_OF_IMAGES: Final = (
    image_finding,
    image_problems,
    image_package,
    image_report,
    image_content,
    image_name,
    image_match,
    pending_match,
)


def delete_source(connection: Connection, grants: Iterable[Grant], number: int, now: dt.datetime, actor: str) -> None:
    """Delete a source in the scope of grants, with its findings, scans and log, and what only it has of images.

    A submission of the same source waits, and then makes a new source. Raises LookupError if no grant covers the source.
    """
    row = _lock(connection, number)
    scope = resolve_scope(connection, grants)
    if row is None or not scope.has_whole(number):
        raise LookupError(f"there is no source {number}")
    # Before images, as in ingest; a change of a rating may wait for the row of the source.
    lock_definitions(connection, is_exclusive=False)
    release_definitions(connection, number)
    images = set(connection.execute(select(source_image.c.image).where(source_image.c.source == number)).scalars())
    scans = select(schema.scan.c.document, schema.scan.c.evaluation).where(schema.scan.c.source == number)
    rows = connection.execute(scans).all()
    lock_rows(connection, image, images)
    for table in _OF_SOURCES:
        connection.execute(delete(table).where(table.c.source == number))
    refresh_scopes(connection, number, images)
    connection.execute(delete(scope_source).where(scope_source.c.source == number))
    # A document names its source and scan: no other scan has it.
    remove_rows(connection, schema.blob, "digest", [each.document for each in rows])
    remove_unused(connection, {each.evaluation for each in rows if each.evaluation is not None})
    _refresh_images(connection, images, to_number(now))
    connection.execute(delete(schema.source).where(schema.source.c.id == number))
    append_entry(connection, now, actor, "deleted source", source=row.key, branch=row.branch)
    record_changes(connection, [number], to_number(now))


def remove_images(connection: Connection, images: Iterable[int], moment: int) -> None:
    """Remove all but the digests of images that no source has, and the history of repositories without other images.

    Digests and names of repositories stay: others may refer to them in the same moment. The images are locked.
    """
    removed = sorted(images)
    refresh_history(connection, removed, moment)
    query = select(image_name.c.repository).where(is_key(image_name.c.image)).distinct()
    repositories = {row.repository for row in select_by_keys(connection, query, removed)}
    for table in _OF_IMAGES:
        remove_rows(connection, table, "image", removed)
    is_named = exists().where(image_name.c.repository == repository_finding.c.repository)
    remove_rows(connection, repository_finding, "repository", repositories, ~is_named)


def remove_rows(connection: Connection, table: Table, column: str, keys: Iterable[Any], *conditions: Any) -> None:
    """Delete the rows whose column has one of the keys."""
    statement = delete(table).where(is_key(table.c[column]), *conditions)
    for part in split(keys):
        connection.execute(statement, {"keys": part})


def _lock(connection: Connection, number: int) -> Any:
    query = select(schema.source).where(schema.source.c.id == number)
    return connection.execute(query.with_for_update(key_share=True)).first()


def _refresh_images(connection: Connection, images: set[int], moment: int) -> None:
    _, last = refresh_uses(connection, images)
    current = images - last
    refresh_findings(connection, current, moment)
    remove_unused_parts(connection, current)
    refresh_packages(connection, current)
    add_images(connection, current)
    refresh_history(connection, current, moment)
    remove_images(connection, last, moment)
