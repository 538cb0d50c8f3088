"""Labels of the subjects of a source, as submissions name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, delete, select

from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.label_schema import label, subject_label
from kubekeep_server.store.upsert import insert_missing

_Label = tuple[str, str]


class LabelChanges:
    """Changes of the labels of a source's subjects."""

    def __init__(self, connection: Connection, source: int) -> None:
        self._connection = connection
        self._source = source
        self._added: list[tuple[int, _Label]] = []
        self._removed: list[tuple[int, _Label]] = []

    def compare(self, key: int, labels: Mapping[str, str], before: Mapping[str, str]) -> None:
        """Note a subject with its labels. before: those in the store."""
        if labels != before:
            self._added += [(key, pair) for pair in sorted(labels.items() - before.items())]
            self._removed += [(key, pair) for pair in sorted(before.items() - labels.items())]

    def write(self) -> None:
        """Write the rows."""
        ids = self._store_labels({pair for _, pair in (*self._added, *self._removed)})
        if self._removed:
            table = subject_label
            is_row = (table.c[name] == bindparam(f"{name}_") for name in ("source", "subject", "label"))
            rows = self._list_rows(self._removed, ids)
            values = [{f"{name}_": value for name, value in row.items()} for row in rows]
            self._connection.execute(delete(table).where(*is_row), values)
        insert_missing(self._connection, subject_label, self._list_rows(self._added, ids))

    def _store_labels(self, pairs: set[_Label]) -> Mapping[_Label, int]:
        """Store new labels and return the numbers of all."""
        ids = self._load_ids(pairs)
        missing = sorted(pairs - ids.keys())
        if missing:
            insert_missing(self._connection, label, [{"key": key, "value": value} for key, value in missing])
            ids |= self._load_ids(missing)
        return ids

    def _load_ids(self, pairs: Iterable[_Label]) -> dict[_Label, int]:
        required = set(pairs)
        query = select(label.c.key, label.c.value, label.c.id).where(is_key(label.c.value))
        rows = select_by_keys(self._connection, query, {value for _, value in required})
        return {(key, value): number for key, value, number in rows if (key, value) in required}

    def _list_rows(self, pairs: Iterable[tuple[int, _Label]], ids: Mapping[_Label, int]) -> list[dict[str, int]]:
        return [{"source": self._source, "subject": key, "label": ids[pair]} for key, pair in pairs]
