"""Writes the submissions of the demo into an empty store, through its ingest."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, Engine

from kubekeep.model.text import encode_json
from kubekeep_server.demo.decisions import SECURITY, Event, add_teams, list_events
from kubekeep_server.demo.service_levels import SERVICE_LEVELS
from kubekeep_server.demo.submissions import Demo
from kubekeep_server.demo.views import add_views
from kubekeep_server.store.accounts import list_accounts
from kubekeep_server.store.control_states import end_silent
from kubekeep_server.store.engine import open_file_engine, upgrade
from kubekeep_server.store.ingest import ingest
from kubekeep_server.store.service_levels import set_service_levels

_YEAR: Final = 365


def fill(url: str, now: dt.datetime, prepare: Callable[[Connection], None]) -> int:
    """Write the demo that ends at a time, and return the number of submissions.

    url: of a SQLite file without tables. prepare: stores the library, as a server does at its start.
    """
    engine = open_file_engine(url)
    number = 0
    try:
        with engine.begin() as connection:
            upgrade(connection)
            prepare(connection)
            add_teams(connection, now - dt.timedelta(days=_YEAR))
            accounts = {row.name: row.id for row, _ in list_accounts(connection)}
            add_views(connection, accounts, now)
            set_service_levels(connection, SERVICE_LEVELS, SECURITY, now - dt.timedelta(days=_YEAR))
        events = collections.deque(list_events(accounts, now))
        for submission in Demo(now).list_submissions():
            while events and events[0].moment <= submission.finished:
                _run(engine, events.popleft())
            with engine.begin() as connection:
                ingest(connection, encode_json(submission).encode(), submission.finished)
            number += 1
        for event in events:
            _run(engine, event)
        with engine.begin() as connection:
            end_silent(connection, now)
    finally:
        engine.dispose()
    return number


def _run(engine: Engine, event: Event) -> None:
    with engine.begin() as connection:
        event.run(connection, event.moment)
