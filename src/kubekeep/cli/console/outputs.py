"""Destinations of reports: the terminal, or a file by format. Never mixes two reports in one stream."""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import sys
from pathlib import Path
from typing import Final, TextIO

import click
import msgspec

from kubekeep import reports
from kubekeep.cli.console.arguments import Names
from kubekeep.cli.settings import get_width, settings
from kubekeep.model.assessment import Assessment
from kubekeep.model.text import visible
from kubekeep.reports import Extra, ReportFormat, ReportOptions

_logger: Final = logging.getLogger(__name__)


class Output(msgspec.Struct, frozen=True):
    """One report to write: its format and file; None for standard output."""

    format: ReportFormat
    path: Path | None


def plan(names: Names, output: Path | None, *, unnamed_files: bool = True) -> list[Output]:
    """Return the destinations of the formats in `names`; pretty without names.

    `output` is the file, `-` standard output. Without names, its extension selects the format. A format's extension is
    added if it is missing, with its name if the extension is that of another format (`report.json`,
    `report.gitlab-sast.json`). Without it, a format that is not for terminals goes to `report` with its extension, if
    `unnamed_files` is set. Raises click.UsageError for unknown formats, missing libraries, binary output on a terminal,
    and several reports for one stream or file.
    """
    formats = _load_formats(names or _select_format(output) or ("pretty",))
    outputs = _separate([Output(report_format, _path(output, report_format)) for report_format in formats])
    if sum(report_output.path is None for report_output in outputs) > 1:
        raise click.UsageError("several formats require --output: each is written to a file with its own extension")
    if len({report_output.path for report_output in outputs}) < len(outputs):
        raise click.UsageError("two formats have the same file: write them one at a time")
    if output is None and not unnamed_files and any(report_output.path for report_output in outputs):
        raise click.BadParameter("the format is written to a file: name it with --output", param_hint="--format")
    _refuse_binary_text(outputs)
    return outputs


def _refuse_binary_text(outputs: list[Output]) -> None:
    for report_output in outputs:
        if report_output.format.binary and (report_output.path is None or _is_terminal(report_output.path)):
            raise click.UsageError(f"{report_output.format.name} is not text for a terminal: name a file with --output")


def _separate(outputs: list[Output]) -> list[Output]:
    """Return `outputs` with distinct files; devices are not renamed."""
    distinct: list[Output] = []
    for report_output in outputs:
        path = report_output.path
        if (
            path in {other.path for other in distinct}
            and path is not None
            and path.suffix == report_output.format.extension
        ):
            path = path.with_name(f"{path.stem}.{report_output.format.name}{path.suffix}")
        distinct.append(Output(report_output.format, path))
    return distinct


def _select_format(output: Path | None) -> Names:
    """Return the name of the format with the extension of a file; () if there is none."""
    if output is None or not output.suffix or _is_device(output):
        return ()
    matches = [entry for entry in reports.formats().values() if entry.extension == output.suffix.lower()]
    return tuple(entry.name for entry in matches if entry.owns_extension or len(matches) == 1)[:1]


def _load_formats(names: Names) -> list[ReportFormat]:
    """Return the formats in `names`, without duplicates."""
    try:
        formats = list({report_format.name: report_format for report_format in map(reports.load, names)}.values())
    except LookupError as error:
        raise click.BadParameter(str(error).strip("'\""), param_hint="--format") from error
    for report_format in formats:
        if report_format.library and importlib.util.find_spec(report_format.library) is None:
            raise click.UsageError(
                f"{report_format.library} is not installed: pip install 'kubekeep[{report_format.name}]'"
            )
    return formats


def _path(output: Path | None, report_format: ReportFormat) -> Path | None:
    """Return the file of a report in the format `report_format`; None for standard output."""
    if output == Path("-"):
        return None
    if output is None:
        return Path(f"report{report_format.extension}") if report_format.to_file_by_default else None
    if _is_device(output) or output.suffix == report_format.extension:
        return output
    name = "" if report_format.owns_extension else f".{report_format.name}"
    return output.with_name(f"{output.name}{name}{report_format.extension}")


def _is_device(path: Path) -> bool:
    """Return True for a device, a pipe or a folder, which keep their names."""
    return os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113 - False for invalid paths


def _is_terminal(path: Path) -> bool:
    """Return True if `path` is a terminal."""
    try:
        if not path.is_char_device():
            return False
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    except OSError:  # the later write reports the error
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def list_extras(outputs: list[Output], options: ReportOptions) -> frozenset[Extra]:
    """Return the optional parts of the assessment that the reports need."""
    return frozenset[Extra]().union(*(report_output.format.select_extras(options) for report_output in outputs))


def write(assessment: Assessment, outputs: list[Output], options: ReportOptions, *, colour: bool | None = None) -> None:
    """Write every report; a file is written completely or not at all. Raises UnwritableError for a failed write.

    The terminal settings in `options` are replaced by those of standard output; `colour` overrides its colours.
    """
    for report_output in outputs:
        _logger.debug("writing report %s", report_output.format.name)
        if report_output.path is None:
            report_output.format.render(assessment, _utf8(sys.stdout), _for_terminal(sys.stdout, options, colour))
            sys.stdout.flush()
            continue
        from kubekeep.cli.console.atomic_files import open_binary, open_text  # noqa: PLC0415 - only for files

        with (
            open_binary(report_output.path) if report_output.format.binary else open_text(report_output.path) as stream
        ):
            report_output.format.render(assessment, stream, options)
        click.echo(f"{report_output.format.name}: {visible(str(report_output.path))}", err=True)


def _utf8(stream: TextIO) -> TextIO:
    """Return the stream with UTF-8 encoding, for any locale."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")
    return stream


def _for_terminal(stream: TextIO, options: ReportOptions, colour: bool | None) -> ReportOptions:  # noqa: FBT001
    terminal, preferences = stream.isatty(), settings()
    return msgspec.structs.replace(
        options,
        colour=terminal and preferences.colour if colour is None else colour,
        width=get_width(stream),
        links=terminal and preferences.links,
    )
