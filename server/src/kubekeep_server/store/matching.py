"""Storing of matches: one transaction for some images, with their findings, totals, history and an entry of the log.

What is stored follows from the advisories and the reports of sources alone, so that a repeated match changes nothing. Never
matches a package itself.
"""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from kubekeep.model.submission import DefinitionEntry
from kubekeep.model.text import encode_json
from kubekeep_server.store.advisory_state import ACTOR, lock_state
from kubekeep_server.store.batches import is_key, lock_rows, select_by_keys
from kubekeep_server.store.changes import record_image_changes
from kubekeep_server.store.definitions import DefinitionChanges, list_missing, store_definitions
from kubekeep_server.store.image_findings import Key, load_image_reports, refresh_findings
from kubekeep_server.store.image_matches import (
    ImageMatch,
    PackageResults,
    load_matches,
    store_matches,
    update_match,
)
from kubekeep_server.store.image_schema import image
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.outbox import EventContent, EventKind, add_event
from kubekeep_server.store.pending_matches import AdvisoryName, load_digests, remove_pending, store_names
from kubekeep_server.store.repository_findings import refresh_history
from kubekeep_server.store.schema import definition


class ImageResults(msgspec.Struct, frozen=True):
    """The result of matching an image.

    rows: as in `PendingImage`. contents: digests of its lists of packages. packages: None for an image that no source has.
    names: of all packages in advisories, by package URL; empty if only some packages were matched.
    """

    number: int
    rows: tuple[int, ...]
    contents: frozenset[bytes] = frozenset()
    packages: PackageResults | None = None
    names: Mapping[str, tuple[AdvisoryName, ...]] = {}


class MatchedBatch(msgspec.Struct, frozen=True):
    """The results of some images. advisories: version of the database. definitions: of all problems by key."""

    advisories: int
    images: Sequence[ImageResults]
    definitions: Mapping[str, DefinitionEntry]


class MatchCounts(msgspec.Struct, frozen=True):
    """Numbers of stored images, and of opened and closed findings."""

    images: int = 0
    opened: int = 0
    closed: int = 0


def store_batch(connection: Connection, batch: MatchedBatch, now: dt.datetime) -> MatchCounts:
    """Store the results of some images, all or nothing; the caller commits.

    Stores nothing if the advisories have changed since, and leaves out images with other packages: both are matched again.
    """
    if lock_state(connection).version != batch.advisories:
        return MatchCounts()
    _store_definitions(connection, batch, to_number(now))
    numbers = [entry.number for entry in batch.images]
    lock_rows(connection, image, numbers)
    digests = load_digests(connection, numbers)
    results = [entry for entry in batch.images if digests.get(entry.number, frozenset()) == entry.contents]
    changed = _change_matches(connection, results, batch.advisories)
    opened, closed = refresh_findings(connection, changed, to_number(now))
    store_names(connection, {purl: names for entry in results for purl, names in entry.names.items()})
    refresh_history(connection, changed, to_number(now))
    remove_pending(connection, [(entry.number, row) for entry in results for row in entry.rows])
    if opened or closed:
        details: dict[str, Any] = {"version": batch.advisories, "images": len(changed)}
        _log(connection, now, opened, closed, details)
        affected = tuple(sorted({number for number, _, _ in (*opened, *closed)}))
        add_event(connection, EventKind.MATCH, now, EventContent(len(opened), len(closed), images=affected))
        record_image_changes(connection, changed, to_number(now))
    return MatchCounts(len(results), len(opened), len(closed))


def _store_definitions(connection: Connection, batch: MatchedBatch, moment: int) -> None:
    """Store the definitions that no submission has, and those whose rating the server's advisories have changed.

    Ratings of distributions differ. That of an image is no reason to replace one that another image has.
    """
    before = load_matches(connection, [entry.number for entry in batch.images])
    ratings = {
        (number, known.problem.key): known.problem.rating
        for number, match in before.items()
        for known in match.problems
    }
    rated = {
        problem.definition
        for entry in batch.images
        if entry.packages is not None
        for problem in entry.packages.problems
        if ratings.get((entry.number, problem.key), problem.rating) != problem.rating
    }
    keys = rated | list_missing(connection, batch.definitions)
    documents = {key: encode_json(batch.definitions[key]).encode() for key in sorted(keys)}
    store_definitions(connection, DefinitionChanges(documents, moment, None), batch.definitions)


def _change_matches(connection: Connection, results: Iterable[ImageResults], version: int) -> frozenset[int]:
    """Store the matches of images that have changed; return these images."""
    used = {entry.number: entry.packages for entry in results if entry.packages is not None}
    before, reports = load_matches(connection, used), load_image_reports(connection, used)
    after = {
        number: update_match(before.get(number, ImageMatch()), packages, reports.get(number, {}))
        for number, packages in used.items()
    }
    changed = {number: match for number, match in after.items() if before.get(number) != match}
    store_matches(connection, changed, version)
    return frozenset(number for number, match in changed.items() if match != before.get(number, ImageMatch()))


def _log(
    connection: Connection, now: dt.datetime, opened: Sequence[Key], closed: Sequence[Key], details: Mapping[str, Any]
) -> None:
    """Add an entry with the number of images by vulnerability. Its time is that of the intervals that it opened and closed."""
    query = select(definition.c.id, definition.c.key).where(is_key(definition.c.id))
    numbers = {number for _, number, _ in (*opened, *closed)}
    names: dict[int, str] = {row.id: row.key for row in select_by_keys(connection, query, numbers)}
    counts = {
        name: dict(sorted(collections.Counter(names[number] for _, number in {key[:2] for key in keys}).items()))
        for name, keys in (("opened", opened), ("closed", closed))
    }
    append_entry(connection, now, ACTOR, "images matched", **details, **counts)
