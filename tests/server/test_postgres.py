"""The PostgreSQL that all workers of a run share lives until its last user ends, also if a user is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from tests.cluster.cluster import eventually
from tests.cluster.control_plane import is_listening
from tests.server.live import ROOT
from tests.server.postgres import use_postgres

_USE: Final = """
import sys
from pathlib import Path
from tests.server.postgres import use_postgres
with use_postgres(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def run_user(folder: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Yield a process that uses the server of a folder until its standard input is closed, and its output."""
    arguments = [sys.executable, "-c", _USE, str(folder)]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout


def is_ended(url: str) -> bool:
    return not is_listening(f"http://{urllib.parse.urlsplit(url).netloc.rpartition('@')[2]}")


def test_server_survives_a_killed_user_and_ends_with_the_last_one(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    with run_user(folder) as (first, output):
        url = output.readline().strip()
        with use_postgres(folder) as same:
            assert same == url
            first.kill()
            first.wait()
            with run_user(folder) as (_, third):
                assert third.readline().strip() == url
            assert not is_ended(url)
    eventually(lambda: is_ended(url))
    with use_postgres(folder) as other:
        assert not is_ended(other)
    eventually(lambda: is_ended(other))
