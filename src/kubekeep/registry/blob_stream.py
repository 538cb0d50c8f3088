"""The content of a blob as a stream: resumed after a broken connection, verified at its end.

Never holds more than one chunk in memory, and never returns more bytes than the blob has.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from typing import Final

import httpx2

from kubekeep.model.text import visible
from kubekeep.registry.connection import RegistryConnection
from kubekeep.registry.errors import RegistryError, RejectedArtifactError, UnreachableRegistryError

_CHUNK: Final = 512 << 10
"""Bytes that `read` waits for, if they are requested; connections deliver smaller parts."""
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:[0-9]{1,19}|\*)")
_INTERRUPTIONS: Final = 8
_FRUITLESS_INTERRUPTIONS: Final = 2
"""Interruptions of one blob after which it is given up: in total, and without any byte between them."""
_SLOWEST: Final = 1024
"""Minimum speed in bytes per second, while `read` waits."""


class BlobStream:
    """A blob of `size` bytes. `read` raises RegistryError, and RejectedArtifactError for other content."""

    def __init__(self, connection: RegistryConnection, digest: str, size: int) -> None:
        """Send the request."""
        self._connection = connection
        self._digest = digest
        self._size = size
        self._hash = hashlib.sha256()
        self._received = 0
        self._rest = b""
        self._is_complete = False
        self._interruptions = 0
        self._fruitless_interruptions = 0
        self._window_seconds = 0.0
        self._window_bytes = 0
        self._response: httpx2.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._open()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; empty bytes at the end, after the digest has been verified."""
        expected = min(size, _CHUNK)
        parts = [self._rest] if self._rest else []
        available = len(self._rest)
        while available < expected and not self._is_complete:
            part = self._receive()
            parts.append(part)
            available += len(part)
        content = b"".join(parts)
        self._rest = content[size:]
        return content[:size]

    def close(self) -> None:
        """Close the response."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _open(self) -> None:
        """Request the bytes that are missing."""
        headers = {"Range": f"bytes={self._received}-"} if self._received else {}
        response = self._connection.open(f"blobs/{self._digest}", headers)
        self._response, self._chunks = response, response.iter_raw()
        try:
            self._check_head(response)
            if response.status_code != httpx2.codes.PARTIAL_CONTENT:
                self._skip(self._received)
        except (RegistryError, RejectedArtifactError):
            self.close()
            raise

    def _check_head(self, response: httpx2.Response) -> None:
        """Raise RejectedArtifactError if the response has another part or size than requested."""
        start = 0
        if response.status_code == httpx2.codes.PARTIAL_CONTENT:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            start = int(match[1]) if match else -1
            if start != self._received or match is None or int(match[2]) >= self._size:
                raise RejectedArtifactError(f"{self._connection.registry} returned another part of {self._digest}")
        length = response.headers.get("content-length", "")
        if length.isdecimal() and start + int(length) != self._size:
            raise RejectedArtifactError(
                f"{self._connection.registry} has {int(length):,} bytes for {self._digest}; the manifest says {self._size:,}"
            )

    def _skip(self, size: int) -> None:
        """Discard bytes that have been received before: the registry ignores ranges."""
        while size > 0:
            chunk = self._receive_chunk()
            if not chunk:
                raise RegistryError(f"{self._connection.registry} cannot resume {self._digest}")
            size -= len(chunk)
            if size < 0:
                self._chunks = _prepend(chunk[size:], self._chunks)

    def _receive(self) -> bytes:
        """Return new bytes, empty after an interruption. The last ones have been verified with all before them."""
        try:
            chunk = self._receive_chunk()
        except UnreachableRegistryError as error:
            self._resume(error)
            return b""
        if not chunk and self._received < self._size:
            self._resume(UnreachableRegistryError(f"{self._connection.registry} returned only a part of the blob"))
            return b""
        self._fruitless_interruptions = 0
        self._received += len(chunk)
        self._hash.update(chunk)
        if self._received >= self._size:
            self._finish()
        return chunk

    def _receive_chunk(self) -> bytes:
        start = time.monotonic()
        try:
            chunk = next(self._chunks, b"")
        except httpx2.HTTPError as error:
            raise UnreachableRegistryError(f"{self._connection.registry}: {visible(str(error))}") from error
        self._window_seconds += time.monotonic() - start
        self._window_bytes += len(chunk)
        if self._window_seconds > self._connection.settings.pause:
            if self._window_bytes < _SLOWEST * self._window_seconds:
                self.close()
                raise RegistryError(
                    f"{self._connection.registry} sent {self._window_bytes:,} bytes of {self._digest} "
                    f"in {self._window_seconds:.0f} seconds: too slow"
                )
            self._window_seconds, self._window_bytes = 0.0, 0
        return chunk

    def _resume(self, error: RegistryError) -> None:
        """Request the rest after an interruption. Raises RegistryError after too many of them."""
        while True:
            self.close()
            self._interruptions += 1
            self._fruitless_interruptions += 1
            if self._interruptions > _INTERRUPTIONS or self._fruitless_interruptions > _FRUITLESS_INTERRUPTIONS:
                raise UnreachableRegistryError(
                    f"{error}; {self._received:,} of {self._size:,} bytes of {self._digest} were received"
                ) from error
            try:
                self._open()
            except UnreachableRegistryError as next_error:
                error = next_error
            else:
                return

    def _finish(self) -> None:
        """Verify that the response ends, and its digest."""
        try:
            excess = self._received > self._size or bool(self._receive_chunk())
        except UnreachableRegistryError:
            # All bytes are there; their digest decides.
            excess = False
        self.close()
        if excess:
            raise RejectedArtifactError(
                f"{self._connection.registry} returned more than {self._size:,} bytes for {self._digest}"
            )
        digest = f"sha256:{self._hash.hexdigest()}"
        if digest != self._digest:
            raise RejectedArtifactError(
                f"{self._connection.registry} returned different content for {self._digest}: {digest}"
            )
        self._is_complete = True


def _prepend(chunk: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield chunk
    yield from chunks
