"""Standard output as whoever reads it expects: nothing is lost on the way, and a reader who goes is no error.

Never decides what is printed.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Final

READER_GONE: Final = 141
"""What a shell makes of a program that SIGPIPE ends: whatever else its code would say was not told to anybody."""


@contextlib.contextmanager
def standard_output() -> Iterator[None]:
    """Run a program whose output somebody reads; when nobody does any more, it exits quietly with READER_GONE."""
    _buffer()
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffers has nowhere to go.
        sys.stdout = None
        sys.exit(READER_GONE)


def _buffer() -> None:
    """Put a buffer before an output without one (`PYTHONUNBUFFERED`, as many container images set it).

    A write to a pipe that a signal interrupts writes a part. Only buffers see to the rest: a text stream upon a raw file
    drops it.
    """
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(stream.buffer, io.RawIOBase):
        return
    encoding, errors, at_terminal = stream.encoding, stream.errors, stream.isatty()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(stream.detach()), encoding=encoding, errors=errors, line_buffering=at_terminal
    )
