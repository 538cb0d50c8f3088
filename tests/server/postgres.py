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


@contextlib.contextmanager
def run_postgres() -> Iterator[str]:
    """Run a server with an empty database and yield its URL without the name of the database."""
    programs = max(_INSTALLED.glob("*/bin"), key=lambda path: int(path.parent.name))
    folder = Path(tempfile.mkdtemp(prefix="kubekeep-postgres-", dir=_PARENT))
    # The server refuses to run as root.
    command: list[str | Path] = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    if command:
        shutil.chown(folder, USER)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    initialise = (programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
    subprocess.run([*command, *initialise], check=True, capture_output=True, cwd=folder)
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
    control = [*command, programs / "pg_ctl", "-D", folder / "data", "-w", "-t", "120"]
    try:
        log = folder / "log"
        subprocess.run([*control, "-l", log, "-o", options, "start"], check=True, capture_output=True, cwd=folder)
        yield f"postgresql://{USER}@127.0.0.1:{port}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, cwd=folder)
        shutil.rmtree(folder, ignore_errors=True)
