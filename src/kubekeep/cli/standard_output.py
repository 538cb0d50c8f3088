"""Reliable standard output: complete writes, and an exit without a message for a closed pipe. Never prints."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Final

READER_GONE: Final = 141
"""Exit code of shells for a program terminated by SIGPIPE: its output, and so its own code, is incomplete."""


@contextlib.contextmanager
def standard_output() -> Iterator[None]:
    """Run a program with buffered output; exit quietly with READER_GONE if the reader closes the pipe."""
    _buffer()
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # The remaining buffers cannot be written.
        sys.stdout = None
        sys.exit(READER_GONE)


def _buffer() -> None:
    """Add a buffer to an unbuffered output (`PYTHONUNBUFFERED`, which many container images set).

    A write to a pipe that a signal interrupts is partial. Only buffers write the rest: a text stream on a raw file
    drops it.
    """
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(stream.buffer, io.RawIOBase):
        return
    encoding, errors, at_terminal = stream.encoding, stream.errors, stream.isatty()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(stream.detach()), encoding=encoding, errors=errors, line_buffering=at_terminal
    )
