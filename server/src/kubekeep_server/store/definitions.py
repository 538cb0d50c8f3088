"""Definitions of problems: one row for all sources, with the severity that counts. The last submission decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry
from kubekeep.model.text import encode_json
from kubekeep_server.store.schema import definition
from kubekeep_server.store.totals import move_severity
from kubekeep_server.store.upsert import insert_missing

_BATCH: Final = 5_000


class StoredDefinition(msgspec.Struct, frozen=True):
    """A definition. kind: of its problems, as in the submission."""

    id: int
    kind: str
    severity: int


def store_definitions(
    connection: Connection, entries: Sequence[DefinitionEntry], keys: Iterable[str], moment: int
) -> Mapping[str, StoredDefinition]:
    """Store new and changed definitions; return those with `keys` and the stored ones by key.

    Raises LookupError for a key that no submission defined.
    """
    by_key = {entry.key: entry for entry in entries}
    texts = {key: encode_json(entry) for key, entry in by_key.items()}
    rows = [
        {
            "key": entry.key,
            "kind": entry.kind,
            "severity": read_severity(entry.severity),
            "document": texts[entry.key],
            "updated": moment,
        }
        for entry in sorted(entries, key=lambda entry: entry.key)
    ]
    stored = {row.key: row for row in _iterate_rows(connection, {*texts, *keys})}
    insert_missing(connection, definition, [row for row in rows if row["key"] not in stored])
    known: dict[str, StoredDefinition] = {}
    for row in (*stored.values(), *_iterate_rows(connection, texts.keys() - stored.keys())):
        entry, severity = by_key.get(row.key), row.severity
        if entry is not None and row.document != texts[row.key] and row.updated <= moment:
            severity = read_severity(entry.severity)
            _change(connection, row.id, {"severity": severity, "document": texts[row.key], "updated": moment})
            if severity != row.severity:
                move_severity(connection, row.id, row.severity, severity, moment)
        known[row.key] = StoredDefinition(row.id, row.kind, severity)
    missing = sorted({*keys} - known.keys())
    if missing:
        raise LookupError(f"the definition {missing[0]} is not in the submission, and no other one has it")
    return known


def load_definitions(connection: Connection, ids: Iterable[int]) -> dict[int, StoredDefinition]:
    """Return stored definitions by their number."""
    query = select(definition).where(definition.c.id.in_(bindparam("ids", expanding=True)))
    rows = connection.execute(query, {"ids": sorted(ids)})
    return {row.id: StoredDefinition(row.id, row.kind, row.severity) for row in rows}


def read_severity(text: str) -> int:
    """Return the number of a severity; 0 for an unknown one."""
    try:
        return int(Severity[text.upper()])
    except KeyError:
        return int(Severity.UNKNOWN)


def _iterate_rows(connection: Connection, keys: Iterable[str]) -> Iterator[Any]:
    ordered = sorted(keys)
    query = select(definition).where(definition.c.key.in_(bindparam("keys", expanding=True)))
    for start in range(0, len(ordered), _BATCH):
        yield from connection.execute(query, {"keys": ordered[start : start + _BATCH]})


def _change(connection: Connection, number: int, values: Mapping[str, object]) -> None:
    connection.execute(update(definition).where(definition.c.id == number).values(**values))
