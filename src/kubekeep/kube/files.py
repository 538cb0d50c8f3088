"""Files that a kubeconfig or a mounted service account names: certificates, keys and tokens. Never waits for the writer of a pipe."""

from __future__ import annotations

import os
import stat
from typing import Final

MAX_KUBECONFIG_FILE: Final = 8 << 20
"""Maximum size of a kubeconfig, and of a certificate or key that it names, in bytes."""


def read_regular_file(path: str, size: int) -> bytes:
    """Return at most `size` bytes of a regular file. Raises OSError for other files, and ValueError for no path."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(size)
