"""Serves the demo from a database in a temporary folder, which is removed at the end. Touches no other database."""

from __future__ import annotations

import datetime as dt
import signal
import tempfile

import click
import msgspec

from kubekeep_server.demo.filling import fill
from kubekeep_server.process.library_definitions import load_library, store_library
from kubekeep_server.process.serving import ServerProcess
from kubekeep_server.settings import Settings


def serve_demo(settings: Settings) -> bool:
    """Write the demo and serve it until a signal. Return False if the tables could not be made. Raises SettingsError."""
    with tempfile.TemporaryDirectory(prefix="kubekeep-demo-") as folder:
        settings = msgspec.structs.replace(settings, data=folder, database="")
        # An address that is in use is reported before the work.
        process = ServerProcess(settings)
        signal.signal(signal.SIGTERM, _end)
        # Windows has no SIGHUP.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            # A terminal was closed: the folder is removed then, too.
            signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        click.echo(f"Demo: writes a year of scans to {folder}, which takes about half a minute.")
        click.echo(f"Demo: {write_demo(settings)} scans are written. The folder is removed when the server ends.")
        return process.run()


def write_demo(settings: Settings) -> int:
    """Write the demo into the empty database of the settings, and return the number of scans."""
    now, content = dt.datetime.now(dt.UTC), load_library()
    return fill(settings.database_url, now, lambda connection: store_library(connection, content, now))


def _end(number: int, frame: object) -> None:
    """End as after SIGINT, so that the folder is removed."""
    del number, frame
    raise SystemExit(0)
