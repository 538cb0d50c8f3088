"""Run programs in a confined child process: limits on time, memory and output, empty environment, no network.

On Linux memory is limited, and the child has its own network namespace where the kernel allows that; time and output
are limited everywhere. A child and its descendants are killed together. Never runs a shell.
"""

# ruff: noqa: S603 - argv lists of our own, without a shell

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Final, Self

from kubekeep.sources.helm.limits import ChartLimits
from kubekeep.sources.process_limits import TimeLimit, set_process_limits

_logger: Final = logging.getLogger(__name__)
_KEPT_ERROR_BYTES: Final = 32 * 1024
"""Bytes kept of the beginning and of the end of standard error: Go prints the reason first, Helm last."""
_CHUNK: Final = 256 * 1024
_CPU_SECONDS: Final = 2
"""Processor seconds of a child per second of its limit: it ends by itself after the parent died."""
_POLL_SECONDS: Final = 0.2
_MAX_FILE_SIZE: Final = 64 * 1024
_OUT_OF_MEMORY: Final = re.compile("out of memory|cannot allocate memory|stack exceeds")
"""Messages of the Go runtime for exhausted memory."""
_NO_THREAD: Final = "pthread_create failed"
"""Message of the Go runtime if a thread cannot start: no memory for its stack, or too many threads (pthread_create(3))."""


class LimitError(Exception):
    """A child that exceeded a limit and was killed; the message names the limit."""


class EndedError(Exception):
    """A child that ended before it sent a complete response."""


class ChildProcess:
    """A running program. Leaving the context kills the program and all its descendants."""

    def __init__(
        self,
        argv: Sequence[str],
        folder: str,
        environment: Mapping[str, str],
        limits: ChartLimits,
        cpu_seconds: float,
    ) -> None:
        """Start `argv` in `folder`. Raises OSError if that fails."""
        self._limits = limits
        self._process = subprocess.Popen(
            [*_network_namespace_command(), *argv],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        _logger.debug("started %s as process %d", argv[0], self._process.pid)
        set_process_limits(
            self._process.pid,
            memory=limits.memory,
            cpu_seconds=int(cpu_seconds * _CPU_SECONDS) + 1,
            file_size=_MAX_FILE_SIZE,
        )
        self._stdin, self._stdout, self._stderr = (
            _require_pipe(self._process.stdin),
            _require_pipe(self._process.stdout),
            _require_pipe(self._process.stderr),
        )
        self._errors = bytearray()
        self._selector = selectors.DefaultSelector()
        for stream in (self._stdout, self._stderr):
            self._selector.register(stream, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def kill(self) -> None:
        """Kill the child and its descendants. Safe to call while another thread waits for output."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the child if it still runs, and close its pipes."""
        self.kill()
        self._process.kill()
        self._selector.close()
        for stream in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                stream.close()
        _logger.debug("process %d ended with code %d", self._process.pid, self._process.wait())

    @property
    def pid(self) -> int:
        """Identifier of the process."""
        return self._process.pid

    @property
    def errors(self) -> str:
        """Standard error so far, with the middle of long output removed."""
        return self._errors.decode("utf-8", "replace")

    def send(self, message: bytes) -> None:
        """Write to its standard input. Raises EndedError if the child closed it."""
        try:
            self._stdin.write(message)
            self._stdin.flush()
        except OSError as error:
            raise EndedError(self.errors) from error

    def end_input(self) -> None:
        """Close its standard input."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def receive(self, size: int | None, seconds: float | None = None) -> bytes:
        """Read `size` bytes of standard output, or all output if None. Raises LimitError; EndedError for too few.

        seconds: less processor time than the limit of a chart.
        """
        time_limit = self._start_time_limit(seconds)
        received = bytearray()
        while size is None or len(received) < size:
            chunk = self._read_chunk(time_limit, _CHUNK if size is None else size - len(received))
            if not chunk:
                break
            received += chunk
            if len(received) > self._limits.output:
                raise LimitError(f"printed more than {self._limits.output} bytes")
        if size is not None and len(received) < size:
            raise self._create_end_error()
        return bytes(received)

    def wait(self) -> int:
        """Wait for the exit status after the end of output. Raises LimitError on timeout or another limit."""
        time_limit = self._start_time_limit()
        while True:
            try:
                code = self._process.wait(_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                self._check_time(time_limit)
        if code != 0 and _OUT_OF_MEMORY.search(self.errors):
            raise LimitError(f"needed more than {self._memory_limit}")
        if code != 0 and _NO_THREAD in self.errors:
            raise LimitError(f"needed more than {self._memory_limit}, or more threads than the system allows")
        if code == -signal.SIGXCPU:
            raise _create_time_error(self._limits.seconds)
        return code

    def _start_time_limit(self, seconds: float | None = None) -> TimeLimit:
        seconds = self._limits.seconds if seconds is None else seconds
        return TimeLimit(self._process.pid, seconds, self._limits.wall_seconds)

    def _read_chunk(self, time_limit: TimeLimit, limit: int) -> bytes:
        """Read some of its output; empty at the end."""
        while True:
            ready = self._selector.select(_POLL_SECONDS)
            self._check_time(time_limit)
            streams = [key.fileobj for key, _ in ready]
            if self._stderr in streams:
                errors = os.read(self._stderr.fileno(), _CHUNK)
                self._errors += errors
                del self._errors[_KEPT_ERROR_BYTES:-_KEPT_ERROR_BYTES]
                if not errors:
                    self._selector.unregister(self._stderr)
            if self._stdout in streams:
                return os.read(self._stdout.fileno(), limit)

    def _check_time(self, time_limit: TimeLimit) -> None:
        """Raise LimitError with the limit of the chart, of which the time limit may be a part."""
        exceeded = time_limit.find_exceeded()
        if exceeded:
            raise _create_time_error(max(exceeded, self._limits.seconds))

    @property
    def _memory_limit(self) -> str:
        return f"{self._limits.memory // 2**20} MiB of memory"

    def _create_end_error(self) -> LimitError | EndedError:
        try:
            self.wait()
        except LimitError as error:
            return error
        return EndedError(self.errors)


def _create_time_error(seconds: float) -> LimitError:
    return LimitError(f"took longer than {seconds:g} seconds")


def _require_pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise OSError("the process has no pipes")
    return stream


@functools.cache
def _network_namespace_command() -> tuple[str, ...]:
    """Return the command prefix that removes network access; empty if that is not possible."""
    unshare = shutil.which("unshare", path=os.defpath)
    if not sys.platform.startswith("linux") or unshare is None:
        return ()
    command = (unshare, "--map-root-user", "--net", "--")
    try:
        # Not sys.executable: in the binary that is no Python.
        result = subprocess.run([*command, unshare, "--help"], capture_output=True, timeout=10, env={}, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return command if result.returncode == 0 else ()
