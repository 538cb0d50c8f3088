"""Programs in a child that can do no harm: limits on time, memory and output, an empty environment, no network.

The network is a namespace of its own where the kernel allows one (Linux), and memory is limited on Linux; elsewhere
time and output still are. A child and all it started are killed together. Never runs a shell.
"""

# ruff: noqa: S603 - argv lists of our own, without a shell

from __future__ import annotations

import contextlib
import functools
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, Final, Self

from kubekeep.sources.helm.limits import ChartLimits

_KEPT_ERRORS: Final = 32 * 1024
"""Bytes of the beginning and of the end: Go says first why it gives up, Helm last."""
_CHUNK: Final = 256 * 1024
_CPU_SECONDS: Final = 2
"""Seconds of processor time for a second of wall clock: a child whose parent died ends by itself."""
_MOST_WRITTEN: Final = 64 * 1024
_OUT_OF_MEMORY: Final = re.compile("out of memory|cannot allocate memory|stack exceeds")
"""How the Go runtime gives up."""


class LimitError(Exception):
    """A child that went beyond a limit and was killed; the text names the limit."""


class EndedError(Exception):
    """A child that ended before it said what it should."""


class Child:
    """A running program. Leaving the context kills it and everything it started."""

    def __init__(
        self, argv: Sequence[str], folder: str, environment: Mapping[str, str], limits: ChartLimits, cpu_seconds: float
    ) -> None:
        """Start `argv` in `folder`; raises OSError where that is impossible."""
        self._limits = limits
        self._process = subprocess.Popen(
            [*_without_network(), *argv],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        _limit(self._process.pid, limits.memory, int(cpu_seconds * _CPU_SECONDS) + 1)
        self._stdin, self._stdout, self._stderr = (
            _present(self._process.stdin),
            _present(self._process.stdout),
            _present(self._process.stderr),
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

    def stop(self) -> None:
        """Kill it while another thread may be reading from it: that thread sees its output end."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill it, if it still runs."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._selector.close()
        for stream in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                stream.close()
        self._process.wait()

    @property
    def errors(self) -> str:
        """What it wrote to its standard error so far, without the middle of very much."""
        return self._errors.decode("utf-8", "replace")

    def send(self, data: bytes) -> None:
        """Write to its standard input; raises EndedError if it does not listen."""
        try:
            self._stdin.write(data)
            self._stdin.flush()
        except OSError as error:
            raise EndedError(self.errors) from error

    def end_input(self) -> None:
        """Close its standard input."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def receive(self, size: int | None) -> bytes:
        """`size` bytes of its standard output, or all to its end. Raises LimitError, and EndedError for fewer."""
        deadline = time.monotonic() + self._limits.seconds
        received = bytearray()
        while size is None or len(received) < size:
            chunk = self._chunk(deadline, _CHUNK if size is None else size - len(received))
            if not chunk:
                break
            received += chunk
            if len(received) > self._limits.output:
                raise LimitError(f"printed more than {self._limits.output} bytes")
        if size is not None and len(received) < size:
            raise self._end()
        return bytes(received)

    def status(self) -> int:
        """Its exit status, after its output has ended. Raises LimitError if a limit ended it, or if it does not end."""
        try:
            code = self._process.wait(self._limits.seconds)
        except subprocess.TimeoutExpired as error:
            raise self._late() from error
        if code != 0 and _OUT_OF_MEMORY.search(self.errors):
            raise self._large()
        if code == -signal.SIGXCPU:
            raise self._late()
        return code

    def _chunk(self, deadline: float, most: int) -> bytes:
        """Some of its output, empty at the end."""
        while True:
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self._late()
            streams = [key.fileobj for key, _ in ready]
            if self._stderr in streams:
                errors = os.read(self._stderr.fileno(), _CHUNK)
                self._errors += errors
                del self._errors[_KEPT_ERRORS:-_KEPT_ERRORS]
                if not errors:
                    self._selector.unregister(self._stderr)
            if self._stdout in streams:
                return os.read(self._stdout.fileno(), most)

    def _late(self) -> LimitError:
        return LimitError(f"took longer than {self._limits.seconds:g} seconds")

    def _large(self) -> LimitError:
        return LimitError(f"needed more than {self._limits.memory // 2**20} MiB of memory")

    def _end(self) -> LimitError | EndedError:
        try:
            self.status()
        except LimitError as error:
            return error
        return EndedError(self.errors)


def output(
    argv: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    limits: ChartLimits,
    started: Callable[[Child], None] = lambda _: None,
) -> tuple[int, str, str]:
    """The status, standard output and standard error of a program that gets no input. Raises LimitError, OSError.

    `started` gets the child while it runs.
    """
    with Child(argv, folder, environment, limits, limits.seconds) as child:
        started(child)
        child.end_input()
        text = child.receive(None).decode("utf-8", "replace")
        return child.status(), text, child.errors


def _present(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise OSError("a child without pipes")
    return stream


@functools.cache
def _without_network() -> tuple[str, ...]:
    """What stands before a command so that it runs without a network; nothing where that is impossible."""
    unshare = shutil.which("unshare", path=os.defpath)
    if not sys.platform.startswith("linux") or unshare is None:
        return ()
    command = (unshare, "--map-root-user", "--net", "--")
    try:
        tried = subprocess.run(
            [*command, sys.executable, "-ISc", ""], capture_output=True, timeout=10, env={}, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return command if tried.returncode == 0 else ()


def _limit(pid: int, memory: int, cpu_seconds: int) -> None:
    """Limit a child from outside, before it can have done much: nothing of ours runs between fork and exec."""
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - Unix only

    limits = (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _MOST_WRITTEN),
    )
    for kind, most in limits:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(pid, kind, (most, most))
