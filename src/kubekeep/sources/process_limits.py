"""Limits of child processes: resources of one, enforced by the kernel on Linux, and the time of all. Starts no process."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_FIRST_TIME: Final = 11
"""Number of fields between the name of a process and its times, in /proc/PID/stat (proc_pid_stat(5))."""
_TIMES: Final = 4
"""User and system time, of the process and of the children that it has waited for."""


class RenderingTimeError(Exception):
    """All charts and kustomizations of a scan together took longer than the limit."""


class RenderingTime:
    """Time that programs may take to render the charts and kustomizations of one scan. Safe to use from several threads.

    The limit grows by `each` seconds with each rendering, so that many fast ones never exceed it.
    """

    def __init__(self, seconds: float = 600.0, each: float = 1.0) -> None:
        self._seconds = seconds
        self._each = each
        self._spent = 0.0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def measure(self) -> Iterator[None]:
        """Measure one rendering. Raises RenderingTimeError if earlier ones took too long."""
        with self._lock:
            self._seconds += self._each
            if self._spent > self._seconds:
                raise RenderingTimeError(f"more than {self._seconds:.0f} seconds for all charts and kustomizations")
        started = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._spent += time.monotonic() - started


class TimeLimit:
    """Time that a process may take from now on: processor time, so that a busy machine changes no result.

    The limit is reached after `seconds`, of which the process has also had the processor for `seconds`. A process that
    only waits is ended after `wall_seconds`, as is any on a system without /proc after `seconds`.
    """

    def __init__(self, pid: int, seconds: float, wall_seconds: float) -> None:
        self._pid = pid
        self._seconds = seconds
        self._wall_seconds = wall_seconds
        self._started = time.monotonic()
        self._processor_start = _measure_processor_seconds(pid)

    def find_exceeded(self) -> float:
        """Return the exceeded limit in seconds; 0 if there is none."""
        elapsed = time.monotonic() - self._started
        if elapsed >= self._wall_seconds:
            return self._wall_seconds
        if elapsed < self._seconds:
            return 0
        spent = _measure_processor_seconds(self._pid)
        if spent is None or self._processor_start is None or spent - self._processor_start >= self._seconds:
            return self._seconds
        return 0


def _measure_processor_seconds(pid: int) -> float | None:
    """Return the processor time of a process and of its children that have ended; None on systems without /proc."""
    try:
        # The name, in brackets, may contain spaces.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        ticks = sum(map(int, fields[_FIRST_TIME : _FIRST_TIME + _TIMES]))
        return ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def set_process_limits(pid: int, *, memory: int, cpu_seconds: int | None = None, file_size: int | None = None) -> None:
    """Limit private memory and file size (bytes) and processor time (seconds) of a process and its future children.

    Call right after the start: limits are set from the parent, so that no code runs between fork and exec. Mapped files do
    not count as memory. Core dumps are disabled. Has no effect outside of Linux or on a process that has ended.
    """
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - Unix only

    limits = (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_size),
    )
    for kind, limit in limits:
        if limit is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                resource.prlimit(pid, kind, (limit, limit))
