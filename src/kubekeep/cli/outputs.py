"""Where each report goes: the terminal or a file by format. Never mixes two reports in one stream."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import TextIO

import click
import msgspec

from kubekeep import reports
from kubekeep.cli.settings import settings
from kubekeep.model.assessment import Assessment
from kubekeep.reports import Extra, Format, Options
from kubekeep.sinks import file


class UnwritableError(click.ClickException):
    """A report could not be written: the scan has not told what it found."""

    exit_code = 3


class Output(msgspec.Struct, frozen=True):
    """One report to write: its format, and the file it goes to or None for standard output."""

    format: Format
    path: Path | None


def plan(names: tuple[str, ...], output: Path | None) -> list[Output]:
    """Where the formats called `names` go, pretty when there is none.

    `output` names the file; a format's extension is added where it is missing. Raises click.UsageError for
    unknown formats and for several reports on one stream or in one file.
    """
    try:
        formats = list({entry.name: entry for entry in map(reports.load, names or ("pretty",))}.values())
    except LookupError as error:
        raise click.BadParameter(str(error).strip("'\""), param_hint="--format") from error
    if output is None:
        if len(formats) > 1:
            raise click.UsageError("several formats need --output: each goes to a file with its extension")
        return [Output(formats[0], None)]
    outputs = [Output(entry, _named(output, entry)) for entry in formats]
    if len({item.path for item in outputs}) < len(outputs):
        raise click.UsageError("two formats have the same extension: write them one at a time")
    return outputs


def _named(output: Path, entry: Format) -> Path:
    device = output.exists() and not output.is_file()
    return output if device or output.suffix == entry.extension else output.with_name(output.name + entry.extension)


def wants(outputs: list[Output]) -> frozenset[Extra]:
    """What the scan is to find beside its verdicts, for all of the reports."""
    return frozenset[Extra]().union(*(item.format.wants for item in outputs))


def write(assessment: Assessment, outputs: list[Output], *, verbose: bool) -> None:
    """Write every report; a file appears whole or not at all. Raises UnwritableError when it cannot."""
    for item in outputs:
        if item.path is None:
            item.format.render(assessment, _utf8(sys.stdout), _options(sys.stdout, verbose=verbose))
            sys.stdout.flush()
            continue
        try:
            with file.atomic(item.path) as stream:
                item.format.render(assessment, stream, Options(verbose=verbose))
        except OSError as error:
            raise UnwritableError(f"{item.path}: {error.strerror}") from error
        click.echo(f"{item.format.name}: {item.path}", err=True)


def _utf8(stream: TextIO) -> TextIO:
    """Reports are UTF-8 whatever the locale says."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")
    return stream


def _options(stream: TextIO, *, verbose: bool) -> Options:
    terminal, wishes = stream.isatty(), settings()
    return Options(
        colour=terminal and wishes.colour,
        width=shutil.get_terminal_size((100, 24)).columns,
        verbose=verbose,
        links=terminal and wishes.links,
    )
