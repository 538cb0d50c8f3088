"""Limits of child processes, tested with programs that try to exceed them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import msgspec
import pytest

from kubekeep.sources.helm.limits import ChartLimits
from kubekeep.sources.helm.process import ChildProcess, EndedError, LimitError

LIMITS: Final = ChartLimits(seconds=3, wall_seconds=300, memory=300 * 2**20, output=100_000)
LINUX: Final = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits that only Linux has")


def start_python(code: str, folder: Path, *arguments: str, limits: ChartLimits = LIMITS) -> ChildProcess:
    """Start a Python program as a child process."""
    return ChildProcess(
        (sys.executable, "-ISc", code, *arguments), str(folder), {"ONLY": "this"}, limits, limits.seconds
    )


def test_output_and_status(tmp_path: Path) -> None:
    with start_python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path) as process:
        assert process.receive(None) == b"out\n"
        assert process.wait() == 3
        assert process.errors == "err\n"


def test_child_folder_and_environment(tmp_path: Path) -> None:
    code = "import json, os; print(json.dumps([os.getcwd(), sorted(os.environ)]))"
    with start_python(code, tmp_path) as process:
        folder, names = json.loads(process.receive(None))

    assert Path(folder) == tmp_path.resolve()
    assert set(names) <= {"ONLY", "LC_CTYPE"}


@pytest.mark.parametrize(
    ("code", "wall_seconds", "message"),
    [
        ("while True: pass", 300, "took longer than 3 seconds"),
        ("import time; time.sleep(600)", 5, "took longer than 5 seconds"),
        ("while True: print('x' * 1000)", 300, "printed more than 100000 bytes"),
        ("import os, time; os.close(1); time.sleep(600)", 5, "took longer than 5 seconds"),
    ],
)
def test_limits_kill_child(code: str, wall_seconds: float, message: str, tmp_path: Path) -> None:
    started = time.monotonic()
    limits = msgspec.structs.replace(LIMITS, wall_seconds=wall_seconds)

    with start_python(code, tmp_path, limits=limits) as process, pytest.raises(LimitError, match=message):
        _wait_for_end(process)

    assert time.monotonic() - started < 300, "the child is killed"


@LINUX
def test_time_that_a_child_waits_is_not_counted(tmp_path: Path) -> None:
    # A stopped process is like one that never gets the processor.
    limits = ChartLimits(seconds=0.5)
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP); print('done')"
    with ChildProcess((sys.executable, "-ISc", code), str(tmp_path), {}, limits, limits.seconds) as process:
        resume = threading.Timer(2, os.kill, (process.pid, signal.SIGCONT))
        resume.start()
        assert process.receive(None) == b"done\n"
        assert process.wait() == 0
        resume.join()


def _wait_for_end(process: ChildProcess) -> None:
    process.receive(None)
    process.wait()


@LINUX
def test_memory_limit(tmp_path: Path) -> None:
    with start_python("input(); x = bytearray(400 * 2**20); print(len(x))", tmp_path) as process:
        # Limits are set after the start: a program that needs less time than that is not limited.
        process.send(b"\n")
        assert process.receive(None) == b""
        assert process.wait() != 0


@LINUX
def test_file_size_limit(tmp_path: Path) -> None:
    with start_python("input(); open('large', 'wb').write(b'x' * 10**6)", tmp_path) as process:
        process.send(b"\n")
        process.receive(None)
        assert process.wait() != 0

    assert (tmp_path / "large").stat().st_size <= 65536


@LINUX
def test_no_network(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "try: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2); print('reached')\n"
        "except OSError as error: print('not reached')\n"
    )
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rn", "true"], check=False).returncode != 0:
        pytest.skip("this kernel gives no network namespace")
    with (
        socket.create_server(("127.0.0.1", 0)) as service,
        start_python(code, tmp_path, str(_port(service))) as process,
    ):
        assert process.receive(None) == b"not reached\n"


def _port(service: socket.socket) -> int:
    port: int = service.getsockname()[1]
    return port


def test_descendants_are_killed(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-ISc', 'import time; time.sleep(600)'], stdout=subprocess.DEVNULL)\n"
        "print(f'{p.pid:10}', flush=True); p.wait()\n"
    )
    with start_python(code, tmp_path) as process:
        descendant = int(process.receive(10))

    listing = subprocess.run(["ps", "-o", "args=", "-p", str(descendant)], capture_output=True, text=True, check=False)
    assert "time.sleep(600)" not in listing.stdout


def test_early_end_is_an_error(tmp_path: Path) -> None:
    with start_python("import sys; print('abc', end=''); print('why', file=sys.stderr)", tmp_path) as process:
        assert process.receive(2) == b"ab"
        with pytest.raises(EndedError, match="why"):
            process.receive(2)


def test_requests_are_answered_in_turn(tmp_path: Path) -> None:
    code = "import sys\nfor line in sys.stdin: print(line.strip() * 2, flush=True)"
    with start_python(code, tmp_path) as process:
        for word in (b"ab", b"cd"):
            process.send(word + b"\n")
            assert process.receive(5) == word * 2 + b"\n"


def test_missing_program_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises((OSError, EndedError)),
        ChildProcess((str(tmp_path / "no"),), str(tmp_path), {}, LIMITS, 1) as process,
    ):
        process.receive(1)
