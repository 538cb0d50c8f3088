"""Rows of lists that name a workload or another subject with its source."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.server_results import ListedSubject
from kubekeep_server.store.numbers import format_key
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.schema import source, subject

SUBJECT_COLUMNS: Final = (
    source.c.key.label("source_key"),
    source.c.document.label("source_document"),
    source.c.branch,
    subject.c.kind,
    subject.c.namespace,
    subject.c.name,
    subject.c.owner,
)
"""Columns that `describe_subject` reads beside the number of the source and the key of the subject."""


class SubjectRow(ListedSubject, frozen=True):
    """A workload or another subject. source: number. subject: 16 hexadecimal digits."""


def describe_subject(row: Any) -> dict[str, Any]:
    """Return the fields of a `SubjectRow`. row: `source`, `subject` and `SUBJECT_COLUMNS`."""
    return {
        "source": row.source,
        "source_name": name_source(row.source_document),
        "source_key": row.source_key,
        "branch": row.branch,
        "subject": format_key(row.subject),
        "kind": row.kind,
        "namespace": row.namespace,
        "name": row.name,
        "owner": row.owner or "",
    }
