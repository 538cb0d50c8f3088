"""A PostgreSQL server of Debian on the loopback address, for the tests of one process."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

USER: Final = "postgres"
_INSTALLED: Final = Path("/usr/lib/postgresql")
_PARENT: Final = "/tmp"  # noqa: S108 - other folders for temporary files may be closed to the user of the server


class PostgresServer:
    """A server with an empty database, which can be stopped and started again at the same address.

    host: address and port. url: without the name of the database.
    """

    def __init__(self, folder: Path, primary: PostgresServer | None = None) -> None:
        """Make the database in a folder, or a replica of a server that runs. The server is not started."""
        programs = max(_INSTALLED.glob("*/bin"), key=lambda path: int(path.parent.name))
        # The server refuses to run as root.
        self._command: list[str | Path] = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        self._folder = folder
        if self._command:
            shutil.chown(folder, USER)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        self.url = f"postgresql://{USER}@{self.host}"
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
        self._control = (programs / "pg_ctl", "-D", folder / "data", "-w", "-t", "120")
        self._start = (*self._control, "-l", folder / "log", "-o", options, "start")
        if primary is None:
            self._run(programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        else:
            address = f"{primary.url}/postgres"
            self._run(programs / "pg_basebackup", "-d", address, "-D", folder / "data", "-R", "-c", "fast", "--no-sync")

    def start(self) -> None:
        """Start, and recover the database after a stop."""
        self._run(*self._start)

    def stop(self) -> None:
        """Stop at once, like a crash."""
        self._run(*self._control, "-m", "immediate", "stop", check=False)

    def promote(self) -> None:
        """Make a replica the server that writes."""
        self._run(*self._control, "promote")

    def _run(self, *arguments: str | Path, check: bool = True) -> None:
        subprocess.run([*self._command, *arguments], check=check, capture_output=True, cwd=self._folder)


@contextlib.contextmanager
def create_postgres(primary: PostgresServer | None = None) -> Iterator[PostgresServer]:
    """Yield a server that is not started, and stop it at the end. primary: a server that runs, of which it is a replica."""
    folder = Path(tempfile.mkdtemp(prefix="kubekeep-postgres-", dir=_PARENT))
    server = PostgresServer(folder, primary)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def run_postgres() -> Iterator[str]:
    """Run a server with an empty database and yield its URL without the name of the database."""
    with create_postgres() as server:
        server.start()
        yield server.url
