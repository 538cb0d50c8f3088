"""A program run on hostile input: no standard input, an environment of its own, and limits on what it may take.

Never goes through a shell, never leaves a process behind.
"""

# ruff: noqa: PTH123 - /proc is read as text

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Final

import msgspec

from kubekeep.sources.signals import held_signals

_TICK: Final = 0.05
_CHUNK: Final = 1 << 16
_MIB: Final = 1 << 20
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_MESSAGE_BYTES: Final = 256 * 1024


class Cost(msgspec.Struct, frozen=True):
    """What a run may take: wall-clock seconds, bytes of standard output, bytes of resident memory."""

    seconds: float = 20.0
    output: int = 64 * _MIB
    memory: int = 1024 * _MIB


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended: its exit code, what it printed, and the limit that ended it, in words."""

    code: int
    output: bytes
    messages: bytes
    exceeded: str = ""


def run(argv: Sequence[str], *, environment: Mapping[str, str], folder: str, cost: Cost) -> Outcome:
    """Run `argv` in `folder` until it ends or exceeds `cost`; raises OSError if it cannot be started.

    Standard error beyond 256 KiB is dropped. The process and what it started are a session of their own, which is
    killed whole. Memory is watched where the system tells it (Linux).
    """
    with contextlib.ExitStack() as ends:
        with held_signals():
            process = subprocess.Popen(  # noqa: S603 - an argument list, from a program found on PATH
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=folder,
                start_new_session=os.name == "posix",
            )
            ends.enter_context(process)
            ends.callback(_kill, process)
        return _watched(process, cost)


class _Drain(threading.Thread):
    """Reads a stream to its end, and keeps what is within `most` bytes and a chunk."""

    def __init__(self, stream: IO[bytes] | None, most: int) -> None:
        super().__init__(daemon=True)
        assert stream is not None  # noqa: S101 - `run` asks for pipes
        self._stream = stream
        self._most = most
        self.kept = bytearray()
        self.start()

    def run(self) -> None:
        """Read until nobody writes any more."""
        while data := os.read(self._stream.fileno(), _CHUNK):
            if len(self.kept) <= self._most:
                self.kept.extend(data)


def _watched(process: subprocess.Popen[bytes], cost: Cost) -> Outcome:
    output, messages = _Drain(process.stdout, cost.output), _Drain(process.stderr, _MESSAGE_BYTES)
    deadline = time.monotonic() + cost.seconds
    exceeded = ""
    while not exceeded and (output.is_alive() or messages.is_alive() or process.poll() is None):
        # The reader that is still busy paces the loop; a process that closed its streams is waited for.
        if output.is_alive():
            output.join(_TICK)
        elif messages.is_alive():
            messages.join(_TICK)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TICK)
        exceeded = _exceeded(process.pid, len(output.kept), deadline, cost)
    _kill(process)
    code = process.wait()
    output.join()
    messages.join()
    return Outcome(code, bytes(output.kept), bytes(messages.kept), exceeded)


def _exceeded(pid: int, output: int, deadline: float, cost: Cost) -> str:
    if output > cost.output:
        return f"more than {cost.output // _MIB} MiB of output"
    if time.monotonic() > deadline:
        return f"more than {cost.seconds:g} seconds"
    if _resident(pid) > cost.memory:
        return f"more than {cost.memory // _MIB} MiB of memory"
    return ""


def _resident(pid: int) -> int:
    """Resident bytes of a process and of those it started; 0 where the system does not tell."""
    total = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            total = int(file.read().split()[1]) * _PAGE
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                total += sum(_resident(int(child)) for child in file.read().split())
    return total


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
