"""Files that a command writes: whole or not at all, with click's error for what cannot be written. Knows no format."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO

import click

from kubekeep.model.text import visible
from kubekeep.sinks import file


class UnwritableError(click.ClickException):
    """A report could not be written: the scan has not told what it found."""

    exit_code = 3


@contextlib.contextmanager
def to_file(path: Path) -> Iterator[TextIO]:
    """The text of the file at `path`. Raises UnwritableError."""
    with _told(path), file.atomic(path) as stream:
        yield stream


@contextlib.contextmanager
def to_binary(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of the file at `path`. Raises UnwritableError."""
    with _told(path), file.atomic_bytes(path) as stream:
        yield stream


def put(text: str, path: Path | None) -> None:
    """Write `text` to the file at `path`, or print it. Raises UnwritableError."""
    if path is None:
        click.echo(text, nl=False)
        return
    with to_file(path) as stream:
        stream.write(text)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableError(f"{visible(str(path))}: {error.strerror}") from error
