"""PostgreSQL servers of Debian on the loopback address. The process of this module owns the one that all workers of a run share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.cluster.cluster import eventually
from tests.oracles.program import lock_file
from tests.ports import check_port, run_on_free_port, select_port

USER: Final = "postgres"
_INSTALLED: Final = Path("/usr/lib/postgresql")
_ROOT: Final = Path(__file__).parents[2]
_USERS: Final = "users.lock"
_CONNECTIONS: Final = 400
"""Connections of all workers."""
_PARENT: Final = "/tmp"  # noqa: S108 - other folders for temporary files may be closed to the user of the server


class PostgresServer:
    """A server with an empty database, which can be stopped and started again at the same address.

    host: address and port. url: without the name of the database.
    """

    def __init__(self, folder: Path, port: int, primary: PostgresServer | None = None) -> None:
        """Make the database in a folder, or a replica of a server that runs. The server is not started."""
        programs = max(_INSTALLED.glob("*/bin"), key=lambda path: int(path.parent.name))
        # The server refuses to run as root.
        self._command: list[str | Path] = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        self._folder = folder
        if self._command:
            shutil.chown(folder, USER)
        self.host = f"127.0.0.1:{port}"
        self.url = f"postgresql://{USER}@{self.host}"
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
        options += f" -c max_connections={_CONNECTIONS}"
        self._control = (programs / "pg_ctl", "-D", folder / "data", "-w", "-t", "120")
        self._start = (*self._control, "-l", folder / "log", "-o", options, "start")
        if primary is None:
            self._run(programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        else:
            address = f"{primary.url}/postgres"
            self._run(programs / "pg_basebackup", "-d", address, "-D", folder / "data", "-R", "-c", "fast", "--no-sync")

    def start(self) -> None:
        """Start, and recover the database after a stop. Raises PortTakenError."""
        try:
            self._run(*self._start)
        except subprocess.CalledProcessError:
            check_port((self._folder / "log").read_text())
            raise

    def stop(self) -> None:
        """Stop at once, like a crash."""
        self._run(*self._control, "-m", "immediate", "stop", check=False)

    def promote(self) -> None:
        """Make a replica the server that writes."""
        self._run(*self._control, "promote")

    def _run(self, *arguments: str | Path, check: bool = True) -> None:
        subprocess.run([*self._command, *arguments], check=check, capture_output=True, cwd=self._folder)


@contextlib.contextmanager
def create_postgres(primary: PostgresServer | None = None, *, port: int | None = None) -> Iterator[PostgresServer]:
    """Yield a server that is not started, and stop it at the end.

    primary: a server that runs, of which it is a replica. port: None for one that is free now.
    """
    folder = Path(tempfile.mkdtemp(prefix="kubekeep-postgres-", dir=_PARENT))
    server = PostgresServer(folder, port or select_port(), primary)
    try:
        yield server
    finally:
        server.stop()
        # Its last sessions may write for a moment after the stop.
        eventually(lambda: _remove(folder))


def _remove(folder: Path) -> bool:
    """Remove a folder. Return False if files came meanwhile."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


@contextlib.contextmanager
def use_postgres(folder: Path) -> Iterator[str]:
    """Use the server of a folder, started if necessary; the last user ends it. Yield its URL without the name of a database."""
    folder.mkdir(exist_ok=True)
    url, log = folder / "url", folder / "log"
    with (folder / _USERS).open("ab") as users:
        with lock_file(folder / "start.lock"):
            # Waits for the end of a server whose users have gone.
            fcntl.flock(users, fcntl.LOCK_SH)
            if not url.exists():
                command = [sys.executable, "-m", "tests.server.postgres", str(folder)]
                with log.open("wb") as errors:
                    # Ends when the server is ready, or the process that owns it has ended.
                    subprocess.run(
                        command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=errors, check=False, start_new_session=True
                    )
            if not url.exists():
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")
        yield url.read_text()


def main(folder: Path) -> None:
    """Run a server in the background until no process locks the file of its users any more; the system releases these locks."""
    if os.fork():
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with (folder / _USERS).open("ab") as users, run_on_free_port(_run) as server:
        partial, url = folder / "url.partial", folder / "url"
        partial.write_text(server)
        partial.rename(url)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        try:
            fcntl.flock(users, fcntl.LOCK_EX)
        finally:
            url.unlink()


@contextlib.contextmanager
def _run(port: int) -> Iterator[str]:
    with create_postgres(port=port) as server:
        server.start()
        yield server.url


if __name__ == "__main__":
    main(Path(sys.argv[1]))
