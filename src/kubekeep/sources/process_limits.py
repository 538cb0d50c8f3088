"""Limits of child processes: resources of one, enforced by the kernel on Linux, and the time of all. Starts no process."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator


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
