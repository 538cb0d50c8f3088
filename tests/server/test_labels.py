"""Owners and labels in the store: those that the last submission with a subject names."""

from __future__ import annotations

import random
from typing import Final

from sqlalchemy import Connection, select

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import SubjectEntry
from kubekeep.uplink.delta import compute_delta
from kubekeep_server.store import schema
from kubekeep_server.store.deletion import delete_source
from kubekeep_server.store.label_schema import label, subject_label
from kubekeep_server.store.numbers import to_key
from tests.server.conftest import Database
from tests.server.test_deletion import ALL, NOW
from tests.server.test_ingest import build, build_subject, submit

KEYS: Final = ("app", "tier", "app.kubernetes.io/name")
VALUES: Final = ("", "web", "true", "app")
OWNERS: Final = ("", "web", "team pay")
Named = dict[int, tuple[str, dict[str, str]]]
"""Owners and labels by subject."""


def load_names(connection: Connection) -> Named:
    """Return the owners and labels of the subjects that may exist, as filters read them."""
    table = schema.subject
    owners = connection.execute(select(table.c.id, table.c.owner).where(table.c.closed.is_(None))).all()
    named: Named = {row.id: (row.owner or "", {}) for row in owners}
    query = select(subject_label.c.subject, label.c.key, label.c.value)
    for row in connection.execute(query.join(label, label.c.id == subject_label.c.label)):
        named[row.subject][1][row.key] = row.value
    return named


def build_entries(chance: random.Random) -> list[SubjectEntry]:
    return [
        build_subject(
            number,
            owner=chance.choice(OWNERS),
            labels={key: chance.choice(VALUES) for key in KEYS if chance.random() < 0.6},
        )
        for number in range(8)
        if chance.random() < 0.7
    ]


def test_owners_and_labels_are_those_of_the_last_submission(database: Database) -> None:
    chance = random.Random(3)
    before = None
    for day in range(40):
        entries = build_entries(chance)
        state = build(day, *entries)
        is_delta = before is not None and chance.random() < 0.5
        submit(database, compute_delta(before, state) if before is not None and is_delta else state)
        before = state
        assert database.run(load_names) == {to_key(entry.key): (entry.owner, entry.labels) for entry in entries}


def test_sources_share_labels_and_keep_their_own(database: Database) -> None:
    for name in ("blog", "shop"):
        entry = build_subject(1, labels={"app": "web", "source": name})
        submit(database, build(0, entry, source=SourceCluster(name)))
    database.run(delete_source, ALL, 1, NOW, "maria")
    assert database.run(load_names) == {1: ("", {"app": "web", "source": "shop"})}
    assert database.run(lambda connection: len(connection.execute(select(label)).all())) == 3
