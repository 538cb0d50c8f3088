"""Temporary files for archives that need random access: limited by the free space, deleted when the image is closed.

Never holds an archive in memory.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Final

from kubekeep.confinement import open_descriptor
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible

_CHUNK: Final = 1 << 20
_LARGEST: Final = 64 << 30


class SpillFile:
    """A temporary file that only this user can read. It may take half of the free space, and 64 GiB."""

    def __init__(self) -> None:
        """Create the empty file. Raises ImageAccessError."""
        try:
            descriptor, self.path = tempfile.mkstemp(prefix="kubekeep-image-", suffix=".tar")
            self._limit = min(_LARGEST, shutil.disk_usage(self.path).free // 2)
        except OSError as error:
            raise ImageAccessError(f"cannot create a temporary file: {error.strerror}; set TMPDIR") from error
        self._stream = os.fdopen(descriptor, "wb")
        self._size = 0

    def write(self, content: bytes) -> None:
        """Append content. Raises ImageAccessError beyond the limit."""
        self._size += len(content)
        if self._size > self._limit:
            raise ImageAccessError(
                f"the archive needs more than {self._limit:,} bytes in {visible(str(Path(self.path).parent))}, "
                "half of the free space: set TMPDIR to a folder with more"
            )
        try:
            self._stream.write(content)
        except OSError as error:
            raise ImageAccessError(f"{visible(self.path)}: {error.strerror}; set TMPDIR") from error

    def write_gzip(self, path: str) -> None:
        """Append the decompressed content of a file with one or several gzip members. Raises ImageAccessError."""
        try:
            with open(path, "rb", opener=open_descriptor) as file, gzip.GzipFile(fileobj=file) as stream:
                while chunk := stream.read(_CHUNK):
                    self.write(chunk)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ImageAccessError(f"{visible(path)} is damaged or incomplete: {error}") from error
        except OSError as error:
            raise ImageAccessError(f"{visible(path)}: {error.strerror}") from error
        self.finish()

    def finish(self) -> None:
        """Write buffered content to the file."""
        self._stream.close()

    def close(self) -> None:
        """Delete the file."""
        with contextlib.suppress(OSError):
            self._stream.close()
            Path(self.path).unlink()
