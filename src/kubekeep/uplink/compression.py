"""Compression of submissions with Zstandard (RFC 8878). No I/O of its own."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final, TextIO

from kubekeep.model.submission import Submission
from kubekeep.model.text import encode_json

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODING: Final = "zstd"
"""Content coding of HTTP (RFC 8878 section 7.2)."""
_LEVEL: Final = 3
"""Half a million findings take a second, and higher levels save only a tenth."""


@contextlib.contextmanager
def open_compressed(file: BinaryIO) -> Iterator[TextIO]:
    """Yield a text stream that is compressed into `file`, which stays open."""
    with zstd.ZstdFile(file, "wb", level=_LEVEL) as compressed:
        text = io.TextIOWrapper(compressed, encoding="utf-8", newline="\n", write_through=False)
        yield text
        text.flush()
        text.detach()


def compress_submission(submission: Submission) -> bytes:
    """Return the compressed JSON document of a submission."""
    return zstd.compress(encode_json(submission).encode(), level=_LEVEL)
