"""Changes of a database folder: one process at a time, in a private folder beside the files, then renamed.

Readers need no lock: they keep the files that they opened.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database.errors import DatabaseError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCK: Final = ".lock"
_STAGING: Final = ".new-"
_POLL_SECONDS: Final = 0.1


@contextlib.contextmanager
def change_folder(folder: Path, patience: float = 600) -> Iterator[Path]:
    """Yield a private folder for new files, while no other process changes the database in `folder`.

    patience: seconds to wait for another process. Raises DatabaseError if the folder cannot be written or is in use.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("ab")
    except OSError as error:
        raise DatabaseError(f"{visible(str(folder))} cannot be written: {error.strerror}") from error
    with lock:
        _wait(lock, folder, patience)
        for path in folder.glob(f"{_STAGING}*"):
            # Another process that held the lock was killed.
            shutil.rmtree(path, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def publish(path: Path, target: Path) -> None:
    """Replace `target` by the complete file at `path`. Raises DatabaseError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync(path)
        path.replace(target)
        if os.name != "nt":
            _sync(target.parent)
    except OSError as error:
        raise DatabaseError(f"{visible(str(target))} cannot be written: {error.strerror}") from error


def _wait(lock: IO[bytes], folder: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            if sys.platform == "win32":
                msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                raise DatabaseError(f"another process changes {visible(str(folder))}: try again later") from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
