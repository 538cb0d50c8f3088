"""`kubekeep image sbom`: the packages of an image as an SBOM.

Parses and prints; never opens an image itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from kubekeep.cli.console.atomic_files import open_binary, open_text
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.image import REFERENCE_HELP
from kubekeep.cli.options.image import image_options, open_images
from kubekeep.cli.settings import get_width, settings
from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.write import DEFAULT, FORMATS, write_sbom
from kubekeep.model.text import visible
from kubekeep.usecases.image import create_sbom, read_attached_sbom
from kubekeep.usecases.package_request import PackageRequest

_PRETTY: Final = "pretty"


@click.command(short_help="List the packages of an image.", epilog=REFERENCE_HELP)
@click.argument("reference", metavar="REFERENCE")
@click.option(
    "-f",
    "--format",
    "layout",
    type=click.Choice(("pretty", *FORMATS)),
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
    layout = layout or (_find_format(output) if output else _PRETTY)
    if layout == _PRETTY:
        _print_summary(sbom, output)
    else:
        _write(write_sbom(sbom, layout), output)
    for problem in sbom.problems:
        click.echo(f"not read: {visible(problem.path)}: {visible(problem.message)}", err=True)
    sys.exit(INCOMPLETE if sbom.problems else 0)


def _find_format(output: Path) -> str:
    """Return the first format whose files have the ending of `output`, else the default."""
    return next((name for name, (_, _, ending) in FORMATS.items() if output.name.endswith(ending)), DEFAULT)


def _print_summary(sbom: Sbom, output: Path | None) -> None:
    from kubekeep.reports.format import ReportOptions  # noqa: PLC0415 - for people only
    from kubekeep.reports.sboms.show import write_summary  # noqa: PLC0415

    if output is not None:
        with open_text(output) as stream:
            write_summary(sbom, stream, ReportOptions())
        return
    is_coloured = sys.stdout.isatty() and settings().colour
    write_summary(sbom, sys.stdout, ReportOptions(colour=is_coloured, width=get_width(sys.stdout)))


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        return
    with open_binary(output) as stream:
        stream.write(content)
    click.echo(f"written: {visible(str(output))}", err=True)
