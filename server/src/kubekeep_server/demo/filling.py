"""Writes the submissions of the demo into an empty store, through its ingest."""

from __future__ import annotations

import datetime as dt

from kubekeep.model.text import encode_json
from kubekeep_server.demo.submissions import Demo
from kubekeep_server.store.engine import open_file_engine, upgrade
from kubekeep_server.store.ingest import ingest


def fill(url: str, now: dt.datetime) -> int:
    """Write the demo that ends at a time, and return the number of submissions. url: of a SQLite file without tables."""
    engine = open_file_engine(url)
    number = 0
    try:
        with engine.begin() as connection:
            upgrade(connection)
        for submission in Demo(now).list_submissions():
            with engine.begin() as connection:
                ingest(connection, encode_json(submission).encode(), submission.finished)
            number += 1
    finally:
        engine.dispose()
    return number
