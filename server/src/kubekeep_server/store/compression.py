"""Zstandard with the settings of the store. The standard library has it since Python 3.14."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Final

if sys.version_info >= (3, 14):
    from compression.zstd import (
        CompressionParameter,
        DecompressionParameter,
        ZstdCompressor,
        ZstdDecompressor,
        ZstdDict,
        ZstdError,
        ZstdFile,
    )
    from compression.zstd import compress as _compress
    from compression.zstd import decompress as _decompress
else:
    from backports.zstd import (
        CompressionParameter,
        DecompressionParameter,
        ZstdCompressor,
        ZstdDecompressor,
        ZstdDict,
        ZstdError,
        ZstdFile,
    )
    from backports.zstd import compress as _compress
    from backports.zstd import decompress as _decompress

__all__ = ["ZstdDict", "ZstdError", "ZstdFile", "compress", "decompress", "decompress_parts"]

_LEVEL: Final = 3
_WINDOW: Final = 27
"""Logarithm of the bytes that a match may be away: a document with its dictionary."""
_OPTIONS: Final[dict[int, int]] = {
    # The matches of a difference are long ones; a higher level takes longer, and gains nothing.
    CompressionParameter.compression_level: 1,
    CompressionParameter.window_log: _WINDOW,
    CompressionParameter.enable_long_distance_matching: 1,
}
_PART: Final = 1 << 20
_threads: Final = threading.local()
_READING: Final[dict[int, int]] = {DecompressionParameter.window_log_max: _WINDOW}


def compress(content: bytes, dictionary: ZstdDict | None = None) -> bytes:
    """Return the compressed content."""
    if dictionary is None:
        return _get_compressor().compress(content, ZstdCompressor.FLUSH_FRAME)
    return _compress(content, options=_OPTIONS, zstd_dict=dictionary.as_prefix)


def decompress(content: bytes, dictionary: ZstdDict | None = None) -> bytes:
    """Return the original content. Raises ValueError for damaged content."""
    prefix = None if dictionary is None else dictionary.as_prefix
    try:
        return _decompress(content, zstd_dict=prefix, options=_READING)
    except ZstdError as error:
        raise ValueError(str(error)) from error


def decompress_parts(content: bytes, dictionary: ZstdDict | None = None) -> Iterator[bytes]:
    """Yield the original content in parts of at most 1 MiB. Raises ValueError for damaged content."""
    prefix = None if dictionary is None else dictionary.as_prefix
    try:
        decompressor = ZstdDecompressor(zstd_dict=prefix, options=_READING)
        yield decompressor.decompress(content, _PART)
        while not decompressor.eof:
            part = decompressor.decompress(b"", _PART)
            if not part and decompressor.needs_input:
                raise ValueError("the content ends too early")
            yield part
    except ZstdError as error:
        raise ValueError(str(error)) from error


def _get_compressor() -> ZstdCompressor:
    """Return the compressor of this thread: a new one for each of many short contents takes most of the time."""
    compressor: ZstdCompressor | None = getattr(_threads, "compressor", None)
    if compressor is None:
        compressor = _threads.compressor = ZstdCompressor(level=_LEVEL)
    return compressor
