"""`kubekeep image sbom`: the packages of an image as an SBOM.

Parses and prints; never opens an image itself.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

import click

from kubekeep.cli.console.atomic_files import open_binary, open_text
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.image import REFERENCE_HELP
from kubekeep.cli.options.image import image_options, open_images
from kubekeep.cli.settings import get_width, settings
from kubekeep.model.text import visible
from kubekeep.reports.format import ReportOptions
from kubekeep.usecases.image import create_sbom, read_attached_sbom
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.sbom_formats import find_format, format_document, list_formats

_PRETTY: Final = "pretty"


@click.command(short_help="List the packages of an image.", epilog=REFERENCE_HELP)
@click.argument("reference", metavar="REFERENCE")
@click.option(
    "-f",
    "--format",
    "layout",
    type=click.Choice(("pretty", *list_formats())),
    default=None,
    show_default="pretty; with --output by the name of the file, else cyclonedx",
    help="Write this format.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@click.option(
    "--attached",
    is_flag=True,
    help="Take the SBOM that is attached to the image in its registry; its layers are not read.",
)
@image_options
def command(
    reference: str, layout: str | None, output: Path | None, packages: PackageRequest, *, attached: bool
) -> None:
    """List the packages of an image, or write them as an SBOM (software bill of materials).

    The same image gives the same bytes. Exits with 3 if a part of the image could not be read.

    \b
    kubekeep image sbom nginx:1.29
    kubekeep image sbom nginx:1.29 -o nginx.cdx.json
    kubekeep image sbom oci:build/ -f spdx -o build.spdx.json
    """  # noqa: D301 - click takes the character itself
    with open_images(packages) as request:
        read = read_attached_sbom if attached else create_sbom
        sbom = read(reference, request.images)
    layout = layout or (find_format(output.name) if output else _PRETTY)
    if layout == _PRETTY:
        from kubekeep.reports.sboms.show import write_summary  # noqa: PLC0415 - for people only

        _write_summary(functools.partial(write_summary, sbom), output)
    else:
        _write(format_document(sbom, layout), output)
    for problem in sbom.problems:
        click.echo(f"not read: {visible(problem.path)}: {visible(problem.message)}", err=True)
    sys.exit(INCOMPLETE if sbom.problems else 0)


def _write_summary(write: Callable[[TextIO, ReportOptions], None], output: Path | None) -> None:
    if output is not None:
        with open_text(output) as stream:
            write(stream, ReportOptions())
        return
    is_coloured = sys.stdout.isatty() and settings().colour
    write(sys.stdout, ReportOptions(colour=is_coloured, width=get_width(sys.stdout)))


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        return
    with open_binary(output) as stream:
        stream.write(content)
    click.echo(f"written: {visible(str(output))}", err=True)
