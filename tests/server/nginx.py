"""nginx of Debian with its own configuration as a proxy before a server, on the loopback address."""

from __future__ import annotations

import contextlib
import getpass
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.ports import check_port, run_on_free_port

_CONFIGURATION: Final = Path("/etc/nginx/nginx.conf")
_PROGRAM: Final = "/usr/sbin/nginx"
_FOLDERS: Final = ("client_body", "fastcgi", "proxy", "scgi", "uwsgi")
_SECONDS: Final = 120


@contextlib.contextmanager
def run_nginx(folder: Path, location: str) -> Iterator[str]:
    """Run nginx and yield its address. location: the block of the site; all other settings are those of the package."""
    with run_on_free_port(lambda port: _run(folder, location, port)) as address:
        yield address


@contextlib.contextmanager
def _run(folder: Path, location: str, port: int) -> Iterator[str]:
    text = _CONFIGURATION.read_text()
    # Files of the system, and the user of its service.
    text = re.sub(r"^user .*", f"user {getpass.getuser()};", text, flags=re.MULTILINE)
    text = re.sub(r"^pid .*", f"pid {folder}/nginx.pid;", text, flags=re.MULTILINE)
    text = text.replace("/var/log/nginx", str(folder))
    paths = "".join(f"{name}_temp_path {folder}/{name};" for name in _FOLDERS)
    site = f"{paths} server {{ listen 127.0.0.1:{port}; {location} }}"
    text, count = re.subn(r"include /etc/nginx/sites-enabled/\*;", lambda _: site, text)
    assert count == 1
    configuration = folder / "nginx.conf"
    configuration.write_text(text)
    command = [_PROGRAM, "-c", str(configuration), "-e", str(folder / "error.log"), "-g", "daemon off;"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        _wait(process, port, folder / "output")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            check_port(output.read_text())
            raise AssertionError(output.read_text())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not listen")
