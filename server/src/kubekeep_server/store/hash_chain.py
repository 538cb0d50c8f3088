"""Logs whose entries are chained: each has the digest of the entry before and its own text, so that a gap is detected."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple


class ChainedEntry(NamedTuple):
    """An entry of a log. number: from 1."""

    number: int
    entry: str
    digest: bytes


def chain_entry(last: Any, *values: Any) -> ChainedEntry:
    """Return the entry with values, as JSON, after the last row of a log; None without one."""
    number, previous = (last.number + 1, last.digest) if last else (1, b"")
    entry = json.dumps([number, *values], sort_keys=True)
    return ChainedEntry(number, entry, compute_digest(previous, entry))


def compute_digest(previous: bytes, entry: str) -> bytes:
    """Return the digest of an entry. previous: that of the entry before; empty for the first one."""
    return hashlib.sha256(previous + entry.encode()).digest()
