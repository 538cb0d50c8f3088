"""Scopes, gaps and versions of scans, stored once for all scans with the same ones.

The documents of scans have it too, but reading one takes as long as all its subjects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, exists, select

from kubekeep.model.submission import ANY, EvaluatedScope, GapEntry, HiddenObjects, Submission, Versions
from kubekeep_server.store.batches import is_key
from kubekeep_server.store.compression import compress, decompress
from kubekeep_server.store.schema import evaluation, scan
from kubekeep_server.store.upsert import insert_missing

_DIGEST_BYTES: Final = 16
_MOST_GAPS: Final = 1_000


class Evaluation(msgspec.Struct, frozen=True):
    """Scope, gaps and versions of a scan. gaps: the first ones. gap_count: the number of all."""

    versions: Versions
    scope: EvaluatedScope
    gaps: tuple[GapEntry, ...]
    gap_count: int


def store_evaluation(connection: Connection, submission: Submission) -> bytes:
    """Store the evaluation of a submission, and return its digest."""
    gaps = submission.gaps
    value = Evaluation(submission.versions, submission.scope, gaps[:_MOST_GAPS], len(gaps))
    content = msgspec.msgpack.encode(value)
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
    # Most scans evaluate what the one before has.
    if connection.execute(select(evaluation.c.digest).where(evaluation.c.digest == digest)).first() is None:
        insert_missing(connection, evaluation, [{"digest": digest, "content": compress(content)}])
    return digest


def load_evaluation(connection: Connection, source: int, name: str) -> Evaluation | None:
    """Return the evaluation of a scan; None for one that was received before evaluations were stored."""
    query = (
        select(evaluation.c.content)
        .join(scan, scan.c.evaluation == evaluation.c.digest)
        .where(scan.c.source == source, scan.c.id == name)
    )
    content = connection.execute(query).scalar()
    return None if content is None else msgspec.msgpack.decode(decompress(content), type=Evaluation)


def may_hide(hidden: HiddenObjects, kind: str, namespace: str, name: str) -> bool:
    """Return True if a gap may be the reason that a subject is absent, whose group and file are not known."""
    return hidden.kind in (ANY, kind) and hidden.namespace in ("", namespace) and hidden.name in ("", name)


def remove_unused(connection: Connection, digests: Iterable[bytes]) -> None:
    """Remove those that no scan has any more."""
    is_used = exists().where(scan.c.evaluation == evaluation.c.digest)
    statement = delete(evaluation).where(is_key(evaluation.c.digest), ~is_used)
    connection.execute(statement, {"keys": sorted(digests)})
