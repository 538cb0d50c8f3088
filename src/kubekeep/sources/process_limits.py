"""Resource limits of child processes, enforced by the kernel even if Kubekeep is killed. Starts no process. Linux only."""

from __future__ import annotations

import contextlib
import sys


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
