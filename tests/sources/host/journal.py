"""A real journald of systemd with its own journal below a folder; it cannot see the journal of this machine."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_PROGRAM: Final = next(
    (path for path in ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald") if Path(path).exists()), ""
)
_SCRIPT: Final = """\
mount -t tmpfs none /run && mount -t tmpfs none /var/log && mkdir -p /run/log/journal /run/systemd &&
mount --bind "$1" /run/log/journal && exec "$2"
"""
_PATIENCE: Final = 5.0
installed = bool(_PROGRAM and shutil.which("journalctl") and shutil.which("unshare"))
"""True if journald and the tools to isolate it are installed."""


@contextlib.contextmanager
def journald(folder: Path) -> Iterator[Path]:
    """Run a journald that stores its journal in `folder`; provides the socket for the output of services."""
    folder.mkdir(parents=True)
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _SCRIPT, "sh", str(folder), _PROGRAM]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        address = Path(f"/proc/{process.pid}/root/run/systemd/journal/stdout")
        deadline = time.monotonic() + _PATIENCE
        while not _is_listening(address):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.skip("this system lets nobody run journald")
            time.sleep(0.01)
        try:
            yield address
        finally:
            process.terminate()


def _is_listening(address: Path) -> bool:
    """Return True if the socket accepts connections; the file exists a moment earlier."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        return stream.connect_ex(str(address)) == 0


def connect_service(address: Path) -> socket.socket:
    """Return the standard error of a systemd service (sd_journal_stream_fd(3)): the name, and five options."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(str(address))
    stream.sendall(b"k3s\n\n6\n0\n0\n0\n0\n")
    return stream
