"""Atomic writes of files by commands, with click errors for failures. Knows no format."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO

import click

from kubekeep.model.text import visible
from kubekeep.sinks import file


class UnwritableError(click.ClickException):
    """A file could not be written."""

    exit_code = 3


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Yield a text stream for the file at `path`. Raises UnwritableError."""
    with _convert_errors(path), file.atomic(path) as stream:
        yield stream


@contextlib.contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Yield a byte stream for the file at `path`. Raises UnwritableError."""
    with _convert_errors(path), file.atomic_bytes(path) as stream:
        yield stream


def write_text(text: str, path: Path | None) -> None:
    """Write `text` to the file at `path`, or print it. Raises UnwritableError."""
    if path is None:
        click.echo(text, nl=False)
        return
    with open_text(path) as stream:
        stream.write(text)


@contextlib.contextmanager
def _convert_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableError(f"{visible(str(path))}: {error.strerror}") from error
