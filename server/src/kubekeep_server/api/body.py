"""Bodies of submissions: received, decompressed step by step, and limited in size, waiting time and total memory.

A body that waits for the store stays compressed. Decompression stops at the first byte above the limit, whatever a body promises.
"""

from __future__ import annotations

import asyncio
import io
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final, NamedTuple, Protocol

from fastapi import Request

from kubekeep_server.api.body_budget import BodyShare, BudgetExceededError
from kubekeep_server.api.middleware import OWN_LIMIT
from kubekeep_server.api.problems import RETRY_SECONDS, ProblemError

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

_STEP: Final = 1024 * 1024
"""Bytes of a step of decompression, after which other requests are answered."""
_SILENCE_SECONDS: Final = 60
_GZIP: Final = 16 + zlib.MAX_WBITS
_WINDOW: Final = 27
"""Logarithm of the memory that a frame of Zstandard may ask for: 128 MiB."""


class _Decoder(Protocol):
    @property
    def is_complete(self) -> bool: ...

    def decode(self, chunk: bytes) -> Iterator[bytes]: ...


class _Gzip:
    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(_GZIP)

    @property
    def is_complete(self) -> bool:
        return self._decompressor.eof

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if self._decompressor.eof:
            raise ValueError("bytes after the end")
        while chunk:
            yield self._decompressor.decompress(chunk, _STEP)
            chunk = self._decompressor.unconsumed_tail
        if self._decompressor.unused_data:
            raise ValueError("bytes after the end")


class _Zstandard:
    def __init__(self) -> None:
        self._decompressor = ZstdDecompressor(options={DecompressionParameter.window_log_max: _WINDOW})

    @property
    def is_complete(self) -> bool:
        return self._decompressor.eof

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if self._decompressor.eof:
            raise ValueError("bytes after the end")
        yield self._decompressor.decompress(chunk, _STEP)
        while not self._decompressor.eof and not self._decompressor.needs_input:
            yield self._decompressor.decompress(b"", _STEP)
        if self._decompressor.unused_data:
            raise ValueError("bytes after the end")


_DECODERS: Final[dict[str, type[_Decoder]]] = {"gzip": _Gzip, "zstd": _Zstandard}
_PLAIN: Final = "identity"
_ENCODINGS: Final = (_PLAIN, *_DECODERS)


class ReceivedBody(NamedTuple):
    """A body as it was sent. encoding: one of the names in `Content-Encoding`."""

    encoding: str
    content: bytes


async def read_body(request: Request, share: BodyShare, limit: int) -> bytes:
    """Return the decompressed body. Raises what `receive_body` and `decode_body` raise."""
    return await decode_body(await receive_body(request, share, limit), share, limit)


async def receive_body(request: Request, share: BodyShare, limit: int) -> ReceivedBody:
    """Return the body as it arrives. Raises ProblemError with status 400, 408, 413, 415 or 429.

    Raises starlette.requests.ClientDisconnect if the client ends before the body.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise ProblemError(415, f"Content-Encoding must be one of {', '.join(_ENCODINGS)}.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _refuse_size(limit)
    request.scope[OWN_LIMIT] = True
    # It gives its bytes away without a copy.
    content = io.BytesIO()
    async for chunk in _receive(request):
        _append(content, chunk, share, limit)
    return ReceivedBody(encoding, content.getvalue())


async def decode_body(body: ReceivedBody, share: BodyShare, limit: int) -> bytes:
    """Return the decompressed body, and give the bytes of the other one back. Raises ProblemError with status 400, 413 or 429."""
    if body.encoding == _PLAIN:
        return body.content
    decoder = _DECODERS[body.encoding]()
    document = io.BytesIO()
    try:
        for start in range(0, len(body.content), _STEP):
            for part in decoder.decode(body.content[start : start + _STEP]):
                _append(document, part, share, limit)
                await asyncio.sleep(0)
    except (zlib.error, ZstdError, ValueError) as error:
        raise ProblemError(400, f"The body is not valid {body.encoding}.") from error
    if not decoder.is_complete:
        raise ProblemError(400, f"The body ends before its {body.encoding} content.")
    share.shrink(len(body.content))
    return document.getvalue()


def _append(content: io.BytesIO, part: bytes, share: BodyShare, limit: int) -> None:
    if content.tell() + len(part) > limit:
        raise _refuse_size(limit)
    grow_share(share, len(part))
    content.write(part)


def grow_share(share: BodyShare, size: int) -> None:
    """Add bytes to the share of a body. Raises ProblemError with status 429 if all bodies together have too many."""
    try:
        share.grow(size)
    except BudgetExceededError as error:
        detail = "The server has too many submissions to store. Repeat the request later."
        raise ProblemError(429, detail, retry_after=RETRY_SECONDS) from error


async def _receive(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise ProblemError(408, f"No byte arrived in {_SILENCE_SECONDS} seconds.") from error
        if chunk is None:
            return
        yield chunk


def _refuse_size(limit: int) -> ProblemError:
    return ProblemError(413, f"The submission has more than {limit} bytes after decompression.", limit=limit)
