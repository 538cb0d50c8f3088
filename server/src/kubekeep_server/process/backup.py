"""Backup of the database of the settings into a file, and its restoration into an empty database."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import io
import os
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeVar

import click
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from kubekeep_server.process.data_folder import create_data_folder
from kubekeep_server.settings import Settings
from kubekeep_server.store.backup import count_rows, restore_backup, write_backup
from kubekeep_server.store.compression import ZstdError, ZstdFile
from kubekeep_server.store.database import open_database
from kubekeep_server.store.errors import StoreUnavailableError, translate_errors

T = TypeVar("T")
_PRIVATE: Final = 0o600


class _ShownFile(io.FileIO):
    """A file that reports the bytes that were read."""

    def __init__(self, path: Path, report: Callable[[int], object]) -> None:
        super().__init__(path)
        self._report = report

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        content = super().read(size)
        self._report(len(content))
        return content


def back_up(settings: Settings, path: Path) -> int:
    """Write the database into a new file, and return the number of rows. Raises click.ClickException."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise click.ClickException(f"there is no database {url.database}; check --data")
    if path.exists():
        raise click.ClickException(f"{path} exists; choose another file")
    partial = path.with_name(f".{path.name}.partial")

    def write(connection: Connection) -> int:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        total = count_rows(connection) if sys.stderr.isatty() else 0
        with os.fdopen(handle, "wb") as file, _show_progress("Saving", total) as report:
            with ZstdFile(file, "wb") as stream:
                now = dt.datetime.now(dt.UTC)
                counts = write_backup(connection, stream, version("kubekeep"), now, report)
            file.flush()
            os.fsync(file.fileno())
        return sum(counts.values())

    try:
        rows = _run(settings.database_url, write, path, is_reading=True)
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def restore(settings: Settings, path: Path) -> int:
    """Write a backup into an empty database, and return the number of rows. Raises click.ClickException, SettingsError."""
    create_data_folder(settings)

    def read(connection: Connection) -> int:
        with (
            _show_progress("Restoring", path.stat().st_size) as report,
            _ShownFile(path, report) as file,
            ZstdFile(file) as stream,
        ):
            return sum(restore_backup(connection, stream).values())

    return _run(settings.database_url, read, path)


@contextlib.contextmanager
def _show_progress(label: str, length: int) -> Iterator[Callable[[int], object]]:
    """Show a bar on standard error if that is a terminal, and give the function that gets each number of steps."""
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def _run(url: str, function: Callable[[Connection], T], path: Path, *, is_reading: bool = False) -> T:
    """Return the result of a function in one transaction."""

    async def transact() -> T:
        database = open_database(url, is_reading=is_reading)
        try:
            with translate_errors():
                return await database.run(function)
        finally:
            await database.close()

    try:
        return asyncio.run(transact())
    except StoreUnavailableError as error:
        raise click.ClickException(f"{error}; check --database, --data and {path}") from error
    except (ValueError, EOFError, ZstdError) as error:
        raise click.ClickException(f"{path}: {error}") from error
