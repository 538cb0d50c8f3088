"""Atomically written files. Never creates folders and never leaves a partial file."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from kubekeep.confinement import open_descriptor

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
        with open(path, "wb", opener=open_descriptor) as stream:
            yield stream
        return
    target = Path(os.path.realpath(path))
    with _open_folder(target.parent) as folder:
        temporary = f".kubekeep-{os.urandom(8).hex()}.tmp"
        descriptor = folder.create(temporary)
        try:
            with open(descriptor, "wb", buffering=_BUFFER) as stream:  # noqa: PTH123 - a descriptor has no path
                yield stream
                stream.flush()
                os.fsync(descriptor)
                if before is not None:
                    folder.copy_ownership(temporary, descriptor, before)
            folder.replace(temporary, target.name)
        finally:
            # Exists only if the file has not replaced the target.
            folder.remove(temporary)
        folder.sync()


def _stat(path: Path) -> os.stat_result | None:
    """Return the status of the file that `path` resolves to, or None if it does not exist."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


class _Folder:
    """A folder by its descriptor, so that a link put in its place meanwhile changes nothing; by its path on Windows."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self._path = path
        self._descriptor = descriptor

    def create(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN_FLAGS
        return os.open(self._locate(name), flags, 0o666, dir_fd=self._descriptor)

    def replace(self, name: str, target: str) -> None:
        os.replace(self._locate(name), self._locate(target), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._locate(name), dir_fd=self._descriptor)

    def copy_ownership(self, name: str, file: int, before: os.stat_result) -> None:
        """Copy owner and mode to a file; the owner first, because changing it clears special bits of the mode."""
        if self._descriptor is None:
            (self._path / name).chmod(stat.S_IMODE(before.st_mode))
            return
        status = os.fstat(file)
        with contextlib.suppress(PermissionError):
            if (status.st_uid, status.st_gid) != (before.st_uid, before.st_gid):
                os.fchown(file, before.st_uid, before.st_gid)
        os.fchmod(file, stat.S_IMODE(before.st_mode))

    def sync(self) -> None:
        """Sync the folder to disk: without this, a power failure may restore the old file."""
        if self._descriptor is not None:  # Renames are durable on Windows.
            os.fsync(self._descriptor)

    def _locate(self, name: str) -> Path | str:
        return name if self._descriptor is not None else self._path / name


@contextlib.contextmanager
def _open_folder(path: Path) -> Iterator[_Folder]:
    if os.name == "nt":  # Windows cannot open folders.
        yield _Folder(path, None)
        return
    descriptor = open_descriptor(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _Folder(path, descriptor)
    finally:
        os.close(descriptor)
