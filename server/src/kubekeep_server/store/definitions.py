"""Definitions of problems: one row for all sources, with the rating that counts: that of the newest version of Kubekeep.

A fleet has several versions for a while. Of one version, the last submission decides. The text of a vulnerability names the
packages of its submission, so that another text alone replaces none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from packaging.version import InvalidVersion, Version
from sqlalchemy import Connection, bindparam, select, update

from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry
from kubekeep.model.text import encode_json
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.locks import lock_definitions
from kubekeep_server.store.schema import definition
from kubekeep_server.store.totals import Rating, move_rating, recount_images
from kubekeep_server.store.upsert import insert_missing
from kubekeep_server.store.urgency import classify_definition

_RATING: Final = ("severity", "urgency", "epss", "is_exploited")
"""Columns by which lists are ordered."""
_decoder: Final = msgspec.json.Decoder(DefinitionEntry)
_LONGEST_TEXT: Final = 512
"""An index of PostgreSQL has at most 2,700 bytes a row."""


class StoredDefinition(msgspec.Struct, frozen=True):
    """A definition. kind: of its problems, as in the submission."""

    id: int
    key: str
    kind: str
    rating: Rating


class DefinitionChanges(NamedTuple):
    """Definitions to store. documents: their JSON by key. version: of Kubekeep. requirements: keys of those whose text counts, too."""

    documents: Mapping[str, bytes]
    moment: int
    version: str
    requirements: frozenset[str] = frozenset()


def store_definitions(
    connection: Connection, changes: DefinitionChanges, keys: Iterable[str]
) -> Mapping[str, StoredDefinition]:
    """Store new and changed definitions; return them and those with `keys` by key.

    No rating changes until the end of the transaction. Raises LookupError for a key that no submission defined, and
    msgspec.DecodeError.
    """
    required = {*changes.documents, *keys}
    stored = _load_rows(connection, required)
    rows = {
        key: _build_row(document, changes)
        for key, document in changes.documents.items()
        if key not in stored or stored[key].document.encode() != document
    }
    changed = _list_changed(rows, stored, changes.requirements)
    if lock_definitions(connection, is_exclusive=bool(changed)):
        stored = _load_rows(connection, required)
        # A shared lock allows no change: the next submission makes it.
        changed = _list_changed(rows, stored, changes.requirements) if changed else []
    new = sorted(rows.keys() - stored.keys())
    insert_missing(connection, definition, [rows[key] for key in new])
    _change_rows(connection, [(stored[key], rows[key]) for key in changed])
    if new or changed:
        stored |= _load_rows(connection, (*new, *changed))
    missing = sorted(required - stored.keys())
    if missing:
        raise LookupError(f"the definition {missing[0]} is not in the submission, and no other one has it")
    return {key: _describe(row) for key, row in stored.items()}


def build_text(entry: DefinitionEntry) -> str:
    """Return the text in which a search looks, without upper case: identifier, title and aliases."""
    text = "\n".join((entry.id, entry.title, *entry.aliases))
    # PostgreSQL stores no NUL.
    return text.replace("\0", "").casefold()[:_LONGEST_TEXT]


def list_missing(connection: Connection, keys: Iterable[str]) -> frozenset[str]:
    """Return the keys without a definition."""
    required = frozenset(keys)
    query = select(definition.c.key).where(is_key(definition.c.key))
    return required - {row.key for row in select_by_keys(connection, query, required)}


def _build_row(document: bytes, changes: DefinitionChanges) -> dict[str, Any]:
    entry = _decoder.decode(document)
    return {
        "key": entry.key,
        "kind": entry.kind,
        "severity": _read_severity(entry.severity),
        "urgency": classify_definition(entry),
        "epss": entry.epss,
        "is_exploited": bool(entry.known_exploited),
        "text": build_text(entry),
        "document": encode_json(entry),
        "version": changes.version,
        "updated": changes.moment,
    }


def _describe(row: Any) -> StoredDefinition:
    return StoredDefinition(row.id, row.key, row.kind, Rating(row.severity, row.urgency))


def _list_changed(
    rows: Mapping[str, Mapping[str, Any]], stored: Mapping[str, Any], requirements: frozenset[str]
) -> list[str]:
    """Return the keys of definitions that replace stored ones."""
    known = sorted(rows.keys() & stored.keys())
    return [key for key in known if _replaces(rows[key], stored[key], is_requirement=key in requirements)]


def _replaces(row: Mapping[str, Any], stored: Any, *, is_requirement: bool) -> bool:
    if row["document"] == stored.document:
        return False
    new, old = _parse_version(row["version"]), _parse_version(stored.version)
    if new != old:
        return new > old
    has_other_rating = any(row[name] != getattr(stored, name) for name in _RATING)
    return row["updated"] >= stored.updated and (is_requirement or has_other_rating)


def _parse_version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def load_definitions(connection: Connection, ids: Iterable[int]) -> dict[int, StoredDefinition]:
    """Return stored definitions by their number."""
    rows = select_by_keys(connection, select(definition).where(is_key(definition.c.id)), ids)
    return {row.id: _describe(row) for row in rows}


def _read_severity(text: str) -> int:
    """Return the number of a severity; 0 for an unknown one."""
    try:
        return int(Severity[text.upper()])
    except KeyError:
        return int(Severity.UNKNOWN)


def _load_rows(connection: Connection, keys: Iterable[str]) -> dict[str, Any]:
    query = select(definition).where(is_key(definition.c.key))
    return {row.key: row for row in select_by_keys(connection, query, keys)}


def _change_rows(connection: Connection, changes: Sequence[tuple[Any, Mapping[str, Any]]]) -> None:
    """Replace definitions, and move their findings to the new rating."""
    if not changes:
        return
    columns = [column.name for column in definition.c if column.name not in ("id", "key")]
    statement = update(definition).where(definition.c.id == bindparam("number"))
    rows = [{"number": stored.id, **{f"new_{name}": row[name] for name in columns}} for stored, row in changes]
    connection.execute(statement.values({name: bindparam(f"new_{name}") for name in columns}), rows)
    for stored, row in changes:
        before, after = Rating(stored.severity, stored.urgency), Rating(row["severity"], row["urgency"])
        if before != after:
            move_rating(connection, stored.id, before, after, row["updated"])
    rated = [stored.id for stored, row in changes if any(row[name] != getattr(stored, name) for name in _RATING)]
    recount_images(connection, rated)
