"""Saved views of the demo, which its teams share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from kubekeep_server.demo.decisions import PLATFORM, SECURITY
from kubekeep_server.store.saved_views import save_view

_VIEWS: Final = (
    (SECURITY, "Reachable and urgent", "/findings?priority=critical&priority=high&exposed=true"),
    (SECURITY, "Known to be exploited", "/vulnerabilities?exploited=true"),
    (PLATFORM, "Images to rebuild first", "/images?exposed=true&fixable=true"),
    (PLATFORM, "Silent sources", "/sources?order=silent"),
)


def add_views(connection: Connection, accounts: Mapping[str, int], now: dt.datetime) -> None:
    """Save the views. accounts: numbers by name."""
    for author, name, address in _VIEWS:
        save_view(connection, accounts[author], name, address, now, is_shared=True)
