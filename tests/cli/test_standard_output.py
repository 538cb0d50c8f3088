"""Complete standard output, and a quiet exit for a closed pipe."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"
SCAN = ("scan", str(SHOP), "--format", "json")


def start_program(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a program with unbuffered output to a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def fill(output: int) -> int:
    """Wait until a pipe is full and its writer blocks; return the number of bytes in the pipe."""
    until = time.monotonic() + 60
    before = 0
    while time.monotonic() < until:
        time.sleep(0.2)
        (byte_count,) = struct.unpack("i", fcntl.ioctl(output, termios.FIONREAD, struct.pack("i", 0)))
        if byte_count and byte_count == before:
            return before
        before = byte_count
    raise TimeoutError("nothing was written")


@pytest.mark.parametrize("program", [("kubekeep",), ("kubekeep", "kubescape")], ids=" ".join)
def test_interrupted_write_loses_no_output(program: tuple[str, ...]) -> None:
    with start_program(*program, *SCAN) as process:
        assert process.stdout is not None
        byte_count = fill(process.stdout.fileno())
        for interrupt in (signal.SIGSTOP, signal.SIGCONT):
            process.send_signal(interrupt)
        text = process.stdout.read()
    assert len(text) > byte_count
    assert json.loads(text)["summaryDetails"]


@pytest.mark.parametrize(("program", "code"), [(("kubekeep",), 141), (("kubekeep", "kubescape"), 1)], ids=str)
def test_closed_pipe_is_a_quiet_exit(program: tuple[str, ...], code: int) -> None:
    with start_program(*program, *SCAN) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        fill(process.stdout.fileno())
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.wait(), errors) == (code, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has /dev/full")
@pytest.mark.parametrize("layout", ["json", "pretty"])
def test_full_disk_is_an_error_of_its_own(layout: str) -> None:
    command = [sys.executable, "-m", "kubekeep", *SCAN[:2], "--format", layout]
    with Path("/dev/full").open("wb") as output:
        result = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 3
    assert result.stderr.count("No space left on device") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="the shell closes streams by number")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_stream_does_not_change_the_exit_code(closed: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    scan = f'"{sys.executable}" -m kubekeep scan "{SHOP}" -o "{report}" {closed}'
    result = subprocess.run(["bash", "-c", scan], capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert result.stderr.splitlines() in ([], [f"json: {report}"])
    assert json.loads(report.read_text())["summaryDetails"]
