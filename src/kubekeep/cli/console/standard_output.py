"""Reliable standard streams: complete writes, a quiet exit for a closed pipe, an error for a full disk."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Final

READER_GONE: Final = 141
"""Exit code of shells for a program terminated by SIGPIPE: its output, and so its own code, is incomplete."""
INCOMPLETE: Final = 3
"""Exit code if something could not be read, evaluated or written."""


@contextlib.contextmanager
def standard_output() -> Iterator[None]:
    """Run a program with buffered output.

    Exits quietly with READER_GONE if the reader closes the pipe, and with INCOMPLETE if the output cannot be written.
    """
    _open_closed_streams()
    _buffer()
    try:
        try:
            yield
        finally:
            _flush()
    except BrokenPipeError:
        # The remaining buffers cannot be written.
        sys.stdout = None
        sys.exit(READER_GONE)


def _flush() -> None:
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would try again at the exit, and fail with a code of its own.
        sys.stdout = None
        is_reported = isinstance(error.__context__, SystemExit) and error.__context__.code == INCOMPLETE
        if not is_reported:
            print(f"standard output could not be written: {error.strerror}", file=sys.stderr)  # noqa: T201
        sys.exit(INCOMPLETE)


def _open_closed_streams() -> None:
    """Open the null device for streams that the caller has closed; Python sets them to None."""
    # In the order of their numbers, so that no report is opened with the number of a standard stream.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - until the end of the program
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


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
