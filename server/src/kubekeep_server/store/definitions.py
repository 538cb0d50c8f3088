"""Definitions of problems: one row for all sources, with the rating that counts: that of its author.

The author of a control of the library is the server, that of another definition the first source that submits it: what one
source claims must not change what others see. An author that has the definition no longer, was deleted, or is silent for
a week is replaced by the next source with it. The text of a vulnerability names the packages of its submission, so that another
text alone replaces none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from kubekeep.model.submission import DefinitionEntry
from kubekeep.model.text import encode_json
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.locks import lock_definitions
from kubekeep_server.store.numbers import DAY
from kubekeep_server.store.schema import definition, source
from kubekeep_server.store.totals import move_level, recount_images
from kubekeep_server.store.upsert import insert_missing
from kubekeep_server.store.urgency import LEVELS, SEVERITIES, classify_definition

_RATING: Final = ("severity", "urgency", "epss", "is_exploited")
"""Columns by which lists are ordered."""
_decoder: Final = msgspec.json.Decoder(DefinitionEntry)
LIBRARY: Final = 0
"""The author of the controls of the library. No source has this number."""
_LONGEST_SILENCE: Final = 7 * DAY
_LONGEST_TEXT: Final = 512
"""An index of PostgreSQL has at most 2,700 bytes a row."""


class StoredDefinition(msgspec.Struct, frozen=True):
    """A definition. kind: of its problems, as in the submission. urgency: `urgency.classify_definition`."""

    id: int
    key: str
    kind: str
    urgency: int


_COLUMNS: Final = select(*(definition.c[name] for name in StoredDefinition.__struct_fields__))
_BY_KEY: Final = _COLUMNS.where(is_key(definition.c.key))
_BY_ID: Final = _COLUMNS.where(is_key(definition.c.id))
_WITH_AUTHOR: Final = (
    select(definition, source.c.finished.label("author_seen"))
    .outerjoin(source, source.c.id == definition.c.author)
    .where(is_key(definition.c.key))
)


class DefinitionChanges(NamedTuple):
    """Definitions to store. documents: their JSON by key. author: a source, `LIBRARY`, or None for the advisories of the server.

    requirements: keys of those whose text counts, too. is_complete: the author has no other definitions.
    """

    documents: Mapping[str, bytes]
    moment: int
    author: int | None
    requirements: frozenset[str] = frozenset()
    is_complete: bool = False


def store_definitions(
    connection: Connection, changes: DefinitionChanges, keys: Iterable[str]
) -> Mapping[str, StoredDefinition]:
    """Store new and changed definitions; return them and those with `keys` by key.

    No rating changes until the end of the transaction. Raises LookupError for a key that no submission defined, and
    msgspec.DecodeError.
    """
    if changes.documents or changes.is_complete:
        _store_changes(connection, changes)
    else:
        lock_definitions(connection, is_exclusive=False)
    required = {*changes.documents, *keys}
    stored = {row.key: StoredDefinition(*row) for row in select_by_keys(connection, _BY_KEY, required)}
    missing = sorted(required - stored.keys())
    if missing:
        raise LookupError(f"the definition {missing[0]} is not in the submission, and no other one has it")
    return stored


def _store_changes(connection: Connection, changes: DefinitionChanges) -> None:
    stored = _load_rows(connection, changes.documents)
    rows = {
        key: _build_row(document, changes)
        for key, document in changes.documents.items()
        if key not in stored or stored[key].document.encode() != document
    }
    changed, adopted = _list_changed(rows, stored, changes), _list_adopted(stored, changes)
    released = _list_released(connection, changes)
    is_exclusive = bool(changed or adopted or released)
    if lock_definitions(connection, is_exclusive=is_exclusive) and (rows or is_exclusive):
        stored = _load_rows(connection, changes.documents)
        if is_exclusive:
            changed, adopted = _list_changed(rows, stored, changes), _list_adopted(stored, changes)
        else:
            # A shared lock allows no change: the next submission makes it.
            changed = []
    insert_missing(connection, definition, [rows[key] for key in sorted(rows.keys() - stored.keys())])
    _change_rows(connection, [(stored[key], rows[key]) for key in changed])
    _set_author(connection, (stored[key].id for key in adopted), changes.author)
    _set_author(connection, released, None)


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
        "severity": SEVERITIES.get(entry.severity.lower(), 0),
        "urgency": classify_definition(entry),
        "epss": entry.epss,
        "is_exploited": bool(entry.known_exploited),
        "text": build_text(entry),
        "document": encode_json(entry),
        "author": changes.author,
        "updated": changes.moment,
    }


def _list_changed(
    rows: Mapping[str, Mapping[str, Any]], stored: Mapping[str, Any], changes: DefinitionChanges
) -> list[str]:
    """Return the keys of definitions that replace stored ones."""
    known = sorted(rows.keys() & stored.keys())
    return [key for key in known if _replaces(rows[key], stored[key], changes)]


def _replaces(row: Mapping[str, Any], stored: Any, changes: DefinitionChanges) -> bool:
    if row["document"] == stored.document:
        return False
    if changes.author == LIBRARY:
        return True
    if changes.author is not None and changes.author != stored.author and not _is_free(stored, changes.moment):
        return False
    has_other_rating = any(row[name] != getattr(stored, name) for name in _RATING)
    return row["updated"] >= stored.updated and (row["key"] in changes.requirements or has_other_rating)


def _list_adopted(stored: Mapping[str, Any], changes: DefinitionChanges) -> list[str]:
    """Return the keys of definitions without an author, which the sender becomes."""
    if changes.author is None:
        return []
    known = sorted(changes.documents.keys() & stored.keys())
    return [
        key
        for key in known
        if stored[key].author != changes.author and (changes.author == LIBRARY or _is_free(stored[key], changes.moment))
    ]


def _is_free(stored: Any, moment: int) -> bool:
    """Return True if no source would miss a change of a definition."""
    if stored.author == LIBRARY:
        return False
    return stored.author_seen is None or bool(stored.author_seen < moment - _LONGEST_SILENCE)


def _list_released(connection: Connection, changes: DefinitionChanges) -> list[int]:
    """Return the numbers of definitions that their author has no longer."""
    if not changes.is_complete:
        return []
    query = select(definition.c.id, definition.c.key).where(definition.c.author == changes.author)
    return [row.id for row in connection.execute(query) if row.key not in changes.documents]


def _set_author(connection: Connection, numbers: Iterable[int], author: int | None) -> None:
    statement = update(definition).where(definition.c.id == bindparam("number")).values(author=author)
    if rows := [{"number": number} for number in sorted(numbers)]:
        connection.execute(statement, rows)


def release_definitions(connection: Connection, author: int) -> None:
    """Leave the definitions of a source that is deleted to the next source with them."""
    connection.execute(update(definition).where(definition.c.author == author).values(author=None))


def load_definitions(connection: Connection, ids: Iterable[int]) -> dict[int, StoredDefinition]:
    """Return stored definitions by their number."""
    return {row.id: StoredDefinition(*row) for row in select_by_keys(connection, _BY_ID, ids)}


def _load_rows(connection: Connection, keys: Iterable[str]) -> dict[str, Any]:
    return {row.key: row for row in select_by_keys(connection, _WITH_AUTHOR, keys)}


def _change_rows(connection: Connection, changes: Sequence[tuple[Any, Mapping[str, Any]]]) -> None:
    """Replace definitions, and move their findings to the new level."""
    if not changes:
        return
    columns = [column.name for column in definition.c if column.name not in ("id", "key")]
    statement = update(definition).where(definition.c.id == bindparam("number"))
    rows = [{"number": stored.id, **{f"new_{name}": row[name] for name in columns}} for stored, row in changes]
    connection.execute(statement.values({name: bindparam(f"new_{name}") for name in columns}), rows)
    for stored, row in changes:
        before, after = LEVELS[0][stored.urgency], LEVELS[0][row["urgency"]]
        if before != after:
            move_level(connection, stored.id, before, after, row["updated"])
    recount_images(connection, [stored.id for stored, row in changes if stored.urgency != row["urgency"]])
