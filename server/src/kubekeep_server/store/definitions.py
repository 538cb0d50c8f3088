"""Definitions of problems: one row for all sources, with the severity that counts: that of the newest version of Kubekeep.

A fleet has several versions for a while. Of one version, the last submission decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from packaging.version import InvalidVersion, Version
from sqlalchemy import Connection, bindparam, select, update

from kubekeep.model.severity import Severity
from kubekeep.model.submission import Submission
from kubekeep.model.text import encode_json
from kubekeep_server.store.locks import lock_definitions
from kubekeep_server.store.numbers import to_number
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
    connection: Connection, submission: Submission, keys: Iterable[str]
) -> Mapping[str, StoredDefinition]:
    """Store new and changed definitions of a submission; return them and those with `keys` by key.

    No severity changes until the end of the transaction. Raises LookupError for a key that no submission defined.
    """
    moment, version = to_number(submission.finished), submission.versions.kubekeep
    rows = {
        entry.key: {
            "key": entry.key,
            "kind": entry.kind,
            "severity": _read_severity(entry.severity),
            "document": encode_json(entry),
            "version": version,
            "updated": moment,
        }
        for entry in submission.definitions
    }
    required = {*rows, *keys}
    stored = _load_rows(connection, required)
    lock_definitions(connection, is_exclusive=bool(_list_changed(rows, stored)))
    # Another transaction may have changed them before the lock.
    stored = _load_rows(connection, required)
    new, changed = sorted(rows.keys() - stored.keys()), _list_changed(rows, stored)
    insert_missing(connection, definition, [rows[key] for key in new])
    for key in changed:
        _change(connection, stored[key], rows[key])
    stored |= _load_rows(connection, (*new, *changed))
    missing = sorted(required - stored.keys())
    if missing:
        raise LookupError(f"the definition {missing[0]} is not in the submission, and no other one has it")
    return {key: StoredDefinition(row.id, row.kind, row.severity) for key, row in stored.items()}


def _list_changed(rows: Mapping[str, Mapping[str, Any]], stored: Mapping[str, Any]) -> list[str]:
    """Return the keys of definitions that replace stored ones."""
    return [key for key in sorted(rows.keys() & stored.keys()) if _replaces(rows[key], stored[key])]


def _replaces(row: Mapping[str, Any], stored: Any) -> bool:
    if row["document"] == stored.document:
        return False
    new, old = _parse_version(row["version"]), _parse_version(stored.version)
    return new > old or (new == old and row["updated"] >= stored.updated)


def _parse_version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def load_definitions(connection: Connection, ids: Iterable[int]) -> dict[int, StoredDefinition]:
    """Return stored definitions by their number."""
    query = select(definition).where(definition.c.id.in_(bindparam("ids", expanding=True)))
    rows = connection.execute(query, {"ids": sorted(ids)})
    return {row.id: StoredDefinition(row.id, row.kind, row.severity) for row in rows}


def _read_severity(text: str) -> int:
    """Return the number of a severity; 0 for an unknown one."""
    try:
        return int(Severity[text.upper()])
    except KeyError:
        return int(Severity.UNKNOWN)


def _load_rows(connection: Connection, keys: Iterable[str]) -> dict[str, Any]:
    ordered = sorted(keys)
    query = select(definition).where(definition.c.key.in_(bindparam("keys", expanding=True)))
    rows: dict[str, Any] = {}
    for start in range(0, len(ordered), _BATCH):
        rows |= {row.key: row for row in connection.execute(query, {"keys": ordered[start : start + _BATCH]})}
    return rows


def _change(connection: Connection, stored: Any, row: Mapping[str, Any]) -> None:
    connection.execute(update(definition).where(definition.c.id == stored.id).values(**row))
    if row["severity"] != stored.severity:
        move_severity(connection, stored.id, stored.severity, row["severity"], row["updated"])
