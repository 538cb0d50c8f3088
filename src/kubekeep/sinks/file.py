"""Files that are there whole or not at all. Never creates folders, never leaves half a report behind."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TextIO

_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""With O_EXCL: nobody can have put a file or a link there for us to write into. Windows has only some of these."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text stream that becomes the file `path` when the block ends well, as `atomic_bytes` does."""
    with atomic_bytes(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
        yield text
        text.detach()


@contextlib.contextmanager
def atomic_bytes(path: Path) -> Iterator[BinaryIO]:
    """A stream of bytes that becomes the file `path` when the block ends well, and leaves no trace otherwise.

    It is written beside the file under another name, synced to the disk and renamed (POSIX rename is atomic).
    Links are followed to the file they name; an existing file keeps its mode, and its owner where the system lets it,
    a new one gets what the umask allows. Devices and pipes (`/dev/stdout`, `/dev/null`, a FIFO) are written to
    directly, as they must not be replaced. Raises OSError as the file system does.
    """
    before = _found(path)
    mode = before.st_mode if before else stat.S_IFREG
    if path.is_relative_to("/dev") or path.is_relative_to("/proc") or not stat.S_ISREG(mode):
        with path.open("wb") as stream:
            yield stream
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".kubekeep-{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o666)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            yield stream
            stream.flush()
            os.fsync(descriptor)
        if before is not None:
            _take_over(temporary, before)
        temporary.replace(target)
    finally:
        # Only a file that did not become the report is still there.
        temporary.unlink(missing_ok=True)
    _sync(target.parent)


def _found(path: Path) -> os.stat_result | None:
    """What the system knows of the file that `path` leads to; None when nothing is there."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _take_over(path: Path, before: os.stat_result) -> None:
    """Give a file the owner and the mode of another. Giving away the owner takes away special bits of the mode."""
    with contextlib.suppress(PermissionError):
        if hasattr(os, "chown") and (path.stat().st_uid, path.stat().st_gid) != (before.st_uid, before.st_gid):
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))


def _sync(folder: Path) -> None:
    """Let the new name reach the disk too; without it a power cut may bring the old file back."""
    if os.name == "nt":  # folders cannot be opened there, and names are durable without it
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
