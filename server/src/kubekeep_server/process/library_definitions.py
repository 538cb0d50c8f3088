"""Definitions of the built-in controls: the server stores its own, so that no source changes what others read about them. Evaluates nothing."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection

from kubekeep.library.load import builtin
from kubekeep.model.definition_entry import describe_definition
from kubekeep.model.text import encode_json
from kubekeep.posture.priority import prioritise
from kubekeep_server.store.definitions import LIBRARY, DefinitionChanges, store_definitions
from kubekeep_server.store.numbers import to_number


def load_definitions() -> dict[str, bytes]:
    """Return the JSON of the definitions of all controls of the library by key, as scans submit them."""
    entries = [describe_definition(control, prioritise(control)) for control in builtin().controls.values()]
    # The library is large, and not read again.
    builtin.cache_clear()
    return {entry.key: encode_json(entry).encode() for entry in entries}


def store_library(connection: Connection, documents: dict[str, bytes], now: dt.datetime) -> None:
    """Store the definitions of the library; the caller commits."""
    store_definitions(connection, DefinitionChanges(documents, to_number(now), LIBRARY), ())
