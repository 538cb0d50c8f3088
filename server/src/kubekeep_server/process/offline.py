"""Changes of the command line: one transaction on the database of the settings, with or without a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import click
from sqlalchemy import Connection

from kubekeep_server.process.data_folder import create_data_folder
from kubekeep_server.settings import Settings
from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import upgrade
from kubekeep_server.store.errors import StoreUnavailableError, translate_errors

T = TypeVar("T")


def run_offline(settings: Settings, function: Callable[[Connection], T]) -> T:
    """Return the result of a function in a transaction on current tables. Raises click.ClickException, SettingsError."""
    create_data_folder(settings)
    try:
        return asyncio.run(_run(settings.database_url, function))
    except (StoreUnavailableError, ValueError) as error:
        raise click.ClickException(f"{error}; check --database and --data") from error


async def _run(url: str, function: Callable[[Connection], T]) -> T:
    database = open_database(url)
    try:
        with translate_errors():
            await database.run(upgrade)
            return await database.run(function)
    finally:
        await database.close()
