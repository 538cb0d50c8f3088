"""Files that people name: opened without waiting for the writer of a pipe, and decoded. Interprets no content."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH116

from __future__ import annotations

import codecs
import os
import stat
from typing import BinaryIO

from kubekeep.confinement import open_descriptor


def is_pipe(path: str) -> bool:
    """Return True if a path is a file descriptor passed by the shell, which can be read only once."""
    return path == "/dev/stdin" or path.startswith("/dev/fd/")


def open_file(path: str) -> BinaryIO:
    """Open a regular file. Raises OSError for other files, without waiting for the writer of a pipe.

    A file descriptor passed by the shell, as in `kubekeep scan <(kustomize build)`, is opened in any case.
    """
    if is_pipe(path):
        return open(path, "rb", opener=open_descriptor)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("not a regular file")
    descriptor = open_descriptor(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    # The file may have been replaced by a pipe.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return os.fdopen(descriptor, "rb")


def decode_text(content: bytes | None) -> str | None:
    """Decode a file in UTF-8, or in UTF-16 if it has a byte order mark. Return None for None and for other bytes."""
    if content is None:
        return None
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in content and not is_utf16:
        return None
    try:
        return content.decode("UTF-16" if is_utf16 else "UTF-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None
