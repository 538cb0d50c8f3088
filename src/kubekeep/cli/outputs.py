"""Where each report goes: the terminal or a file by format. Never mixes two reports in one stream."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

import click
import msgspec

from kubekeep import reports
from kubekeep.cli.atomic_files import to_binary, to_file
from kubekeep.cli.settings import settings
from kubekeep.model.assessment import Assessment
from kubekeep.reports import Extra, ReportFormat, ReportOptions


class Output(msgspec.Struct, frozen=True):
    """One report to write: its format, and the file it goes to or None for standard output."""

    format: ReportFormat
    path: Path | None


def plan(names: tuple[str, ...], output: Path | None, *, unnamed_files: bool = True) -> list[Output]:
    """Where the formats called `names` go, pretty when there is none.

    `output` names the file; a format's extension is added where it is missing, and its name too if an earlier format
    has the same extension (`report.json`, `report.gitlab-sast.json`). Without it a format that is of no use
    on a terminal goes to `report` with its extension, if `unnamed_files` may be written. Raises click.UsageError for
    unknown formats, for those whose library is not installed, for bytes on a terminal and for several reports on one
    stream or in one file.
    """
    formats = _loaded(names or ("pretty",))
    outputs = _apart([Output(entry, _path(output, entry)) for entry in formats])
    if sum(item.path is None for item in outputs) > 1:
        raise click.UsageError("several formats need --output: each goes to a file with its extension")
    if len({item.path for item in outputs}) < len(outputs):
        raise click.UsageError("two formats would go to the same file: write them one at a time")
    if output is None and not unnamed_files and any(item.path for item in outputs):
        raise click.BadParameter("it goes to a file: name one with --output", param_hint="--format")
    for item in outputs:
        if item.format.binary and (item.path is None or _is_terminal(item.path)):
            raise click.UsageError(f"{item.format.name} is no text for a terminal: name a file with --output")
    return outputs


def _apart(outputs: list[Output]) -> list[Output]:
    """`outputs`, each in a file of its own; devices stay what they are."""
    found: list[Output] = []
    for item in outputs:
        path = item.path
        if path in {other.path for other in found} and path is not None and path.suffix == item.format.extension:
            path = path.with_name(f"{path.stem}.{item.format.name}{path.suffix}")
        found.append(Output(item.format, path))
    return found


def _loaded(names: tuple[str, ...]) -> list[ReportFormat]:
    """The formats called `names`, each once."""
    try:
        formats = list({entry.name: entry for entry in map(reports.load, names)}.values())
    except LookupError as error:
        raise click.BadParameter(str(error).strip("'\""), param_hint="--format") from error
    for entry in formats:
        if entry.library and importlib.util.find_spec(entry.library) is None:
            raise click.UsageError(f"{entry.library} is not installed: pip install 'kubekeep[{entry.name}]'")
    return formats


def _path(output: Path | None, entry: ReportFormat) -> Path | None:
    """The file that a report in the format `entry` goes to; None for standard output."""
    if output is None:
        return Path(f"report{entry.extension}") if entry.to_file_by_default else None
    device = output.exists() and not output.is_file()
    return output if device or output.suffix == entry.extension else output.with_name(output.name + entry.extension)


def _is_terminal(path: Path) -> bool:
    """Whether what is written to `path` shows on a terminal."""
    if not path.is_char_device():
        return False
    try:
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    except OSError:  # whoever writes there will say so
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def wants(outputs: list[Output]) -> frozenset[Extra]:
    """What the scan is to find beside its verdicts, for all of the reports."""
    return frozenset[Extra]().union(*(item.format.wants for item in outputs))


def write(assessment: Assessment, outputs: list[Output], options: ReportOptions) -> None:
    """Write every report; a file appears whole or not at all. Raises UnwritableError when it cannot.

    What `options` say of a terminal is found out here.
    """
    for item in outputs:
        if item.path is None:
            item.format.render(assessment, _utf8(sys.stdout), _for_terminal(sys.stdout, options))
            sys.stdout.flush()
            continue
        with to_binary(item.path) if item.format.binary else to_file(item.path) as stream:
            item.format.render(assessment, stream, options)
        click.echo(f"{item.format.name}: {item.path}", err=True)


def _utf8(stream: TextIO) -> TextIO:
    """Reports are UTF-8 whatever the locale says."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")
    return stream


def _for_terminal(stream: TextIO, options: ReportOptions) -> ReportOptions:
    terminal, wishes = stream.isatty(), settings()
    return msgspec.structs.replace(
        options,
        colour=terminal and wishes.colour,
        width=shutil.get_terminal_size((100, 24)).columns,
        links=terminal and wishes.links,
    )
