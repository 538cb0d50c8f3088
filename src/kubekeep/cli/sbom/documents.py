"""`kubekeep sbom show`, `diff` and `merge`. Parses and prints; reads no image."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

import click

from kubekeep.cli.console import arguments
from kubekeep.cli.console.atomic_files import open_binary, open_text
from kubekeep.cli.settings import get_width, settings
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms import diff as diff_report
from kubekeep.reports.sboms import json as json_report
from kubekeep.reports.sboms import show as show_report
from kubekeep.usecases import sbom as usecase
from kubekeep.usecases.sbom_formats import format_document, list_formats

_GATE_FAILED: Final = 1
_FORMATS: Final = list_formats()
_DOCUMENT: Final = click.Path(dir_okay=False, exists=True, allow_dash=True)
_OUTPUT: Final = click.Path(path_type=Path, dir_okay=False)


class UnreadableSbomError(click.ClickException):
    """A file is no SBOM."""

    exit_code = 3


@click.command(short_help="Show the content of an SBOM.")
@click.argument("file", type=_DOCUMENT)
@click.option("--packages", "has_table", is_flag=True, help="Print a table of the packages.")
@click.option(
    "--type",
    "types",
    multiple=True,
    callback=arguments.parse_names,
    help="Print only packages of this type, such as deb or npm; repeatable. Implies --packages.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    callback=arguments.parse_names,
    help="Print only packages with this name, such as 'lib*'; repeatable. Implies --packages.",
)
@arguments.layout_option("pretty", "json")
def show(file: str, types: tuple[str, ...], names: tuple[str, ...], layout: str, *, has_table: bool) -> None:
    """Show subject, distribution, packages by type, licences and gaps of the SBOM in FILE; - reads standard input.

    \b
    kubekeep sbom show image.cdx.json
    kubekeep sbom show image.cdx.json --packages --type deb --name 'lib*'
    """  # noqa: D301 - click takes the character itself
    with _convert_errors():
        sbom, packages = usecase.read_packages(file, sys.stdin.buffer, types, names)
    if layout == "json":
        json_report.write_sbom(sbom, packages, _stdout())
        return
    if not (has_table or types or names):
        show_report.write_summary(sbom, _stdout(), _options())
        return
    if not packages:
        click.echo("no package meets all of these conditions", err=True)
        return
    show_report.write_packages(packages, _stdout(), _options())


@click.command(short_help="Compare two SBOMs.")
@click.argument("old", type=_DOCUMENT)
@click.argument("new", type=_DOCUMENT)
@arguments.layout_option("pretty", "json", "markdown")
@click.option("-o", "--output", type=_OUTPUT, help="Write the comparison to this file.")
@click.option("--fail-on-change", is_flag=True, help="Exit with 1 if a package or a licence differs.")
def diff(old: str, new: str, layout: str, output: Path | None, *, fail_on_change: bool) -> None:
    """Compare the packages of the SBOMs in OLD and NEW: added, removed, other version, other licences.

    The documents may be of different formats and tools.

    \b
    kubekeep sbom diff old.cdx.json new.cdx.json
    kubekeep sbom diff old.spdx.json new.cdx.json -f markdown -o comment.md
    """  # noqa: D301 - click takes the character itself
    with _convert_errors():
        comparison = usecase.compare_documents(old, new, sys.stdin.buffer)
    if output is None:
        diff_report.write_comparison(comparison, (old, new), layout, _stdout(), _options())
    else:
        with open_text(output) as stream:
            diff_report.write_comparison(comparison, (old, new), layout, stream, ReportOptions())
        click.echo(f"{layout}: {visible(str(output))}", err=True)
    if fail_on_change and comparison.changes:
        click.echo(f"gate FAILED: {len(comparison.changes)} differences, limit 0", err=True)
        sys.exit(_GATE_FAILED)


@click.command(short_help="Merge SBOMs, or convert one.")
@click.argument("files", type=_DOCUMENT, nargs=-1, required=True)
@click.option(
    "-f",
    "--format",
    "name",
    type=click.Choice(_FORMATS),
    default=_FORMATS[0],
    show_default=True,
    help="Write this format.",
)
@click.option("-o", "--output", type=_OUTPUT, help="Write the SBOM to this file.")
@click.option(
    "--name", "title", default="merged", show_default=True, help="Name of the whole if the files have several subjects."
)
def merge(files: tuple[str, ...], name: str, output: Path | None, title: str) -> None:
    """Write one SBOM of those in all FILES: each package once, with the subjects that contain it.

    Files about the same subject are joined. One file is converted to the format.

    \b
    kubekeep sbom merge web.cdx.json db.spdx.json --name shop -o shop.cdx.json
    kubekeep sbom merge image.cdx.json -f spdx -o image.spdx.json
    """  # noqa: D301 - click takes the character itself
    with _convert_errors():
        sbom, messages = usecase.merge_documents(files, title, sys.stdin.buffer)
    for message in messages:
        click.echo(visible(message), err=True)
    content = format_document(sbom, name)
    if output is None:
        _stdout().write(content.decode())
        return
    with open_binary(output) as stream:
        stream.write(content)
    click.echo(f"{name}: {visible(str(output))}", err=True)


@contextlib.contextmanager
def _convert_errors() -> Iterator[None]:
    try:
        yield
    except KubekeepError as error:
        raise UnreadableSbomError(str(error)) from error


def _stdout() -> TextIO:
    """Return standard output with UTF-8 encoding, for any locale."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def _options() -> ReportOptions:
    return ReportOptions(colour=sys.stdout.isatty() and settings().colour, width=get_width(sys.stdout))
