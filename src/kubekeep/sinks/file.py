"""Atomically written files. Never creates folders and never leaves a partial file."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TextIO

_OPEN_FLAGS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""With O_EXCL, prevents writing to a file or link that another user created. Windows has only some of these flags."""
_BUFFER: Final = 1 << 18
"""Bytes per call of the system: reports have many megabytes."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text stream that replaces the file `path` when the block succeeds, as `atomic_bytes` does."""
    with atomic_bytes(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
        yield text
        text.detach()


@contextlib.contextmanager
def atomic_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a binary stream that replaces the file `path` when the block succeeds, and leaves no trace otherwise.

    The file is written beside the target under a temporary name, synced to disk and renamed (POSIX rename is atomic).
    Links are followed to their target. An existing file keeps its mode, and its owner if the system permits it; a new
    file gets the mode of the umask. Devices and pipes (`/dev/stdout`, `/dev/null`, a FIFO) are written directly, because
    they must not be replaced. Raises OSError as the file system does.
    """
    before = _stat(path)
    mode = before.st_mode if before else stat.S_IFREG
    if path.is_relative_to("/dev") or path.is_relative_to("/proc") or not stat.S_ISREG(mode):
        with path.open("wb") as stream:
            yield stream
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".kubekeep-{os.urandom(8).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN_FLAGS, 0o666)
    try:
        with open(descriptor, "wb", buffering=_BUFFER) as stream:  # noqa: PTH123 - a descriptor has no path
            yield stream
            stream.flush()
            os.fsync(descriptor)
        if before is not None:
            _copy_ownership(temporary, before)
        temporary.replace(target)
    finally:
        # Exists only if the file has not replaced the target.
        temporary.unlink(missing_ok=True)
    _sync(target.parent)


def _stat(path: Path) -> os.stat_result | None:
    """Return the status of the file that `path` resolves to, or None if it does not exist."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _copy_ownership(path: Path, before: os.stat_result) -> None:
    """Copy owner and mode to a file; the owner first, because changing it clears special bits of the mode."""
    with contextlib.suppress(PermissionError):
        if hasattr(os, "chown") and (path.stat().st_uid, path.stat().st_gid) != (before.st_uid, before.st_gid):
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))


def _sync(folder: Path) -> None:
    """Sync `folder` to disk: without this, a power failure may restore the old file."""
    if os.name == "nt":  # Windows cannot open folders, and renames are durable there
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
