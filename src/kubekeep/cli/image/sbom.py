"""`kubekeep image sbom`: the packages of an image as an SBOM.

Parses and prints; never opens an image itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kubekeep.cli import progress
from kubekeep.cli.image import REFERENCE_HELP
from kubekeep.cli.image_options import image_options
from kubekeep.cli.standard_output import INCOMPLETE
from kubekeep.images.access.options import AccessOptions
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible


@click.command(short_help="Write the packages of an image as an SBOM.", epilog=REFERENCE_HELP)
@click.argument("reference", metavar="REFERENCE")
@click.option(
    "-f",
    "--format",
    "layout",
    type=click.Choice(["cyclonedx", "spdx"]),
    default="cyclonedx",
    show_default=True,
    help="Write this format.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@image_options
def command(reference: str, layout: str, output: Path | None, access: AccessOptions) -> None:
    """Write the packages of an image as an SBOM (software bill of materials).

    The same image gives the same bytes. Exits with 3 if a part of the image could not be read.

    \b
    kubekeep image sbom nginx:1.29 -o nginx.cdx.json
    kubekeep image sbom oci:build/ -f spdx -o build.spdx.json
    """  # noqa: D301 - click takes the character itself
    from kubekeep.usecases.image import describe_image, encode_sbom  # noqa: PLC0415 - the help needs none of it

    try:
        with progress.download() as on_progress:
            document = describe_image(reference, images, on_progress)
    except KubekeepError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)
    content = encode_sbom(document, layout)
    if output is None:
        sys.stdout.buffer.write(content)
    else:
        from kubekeep.cli.atomic_files import open_binary  # noqa: PLC0415

        with open_binary(output) as stream:
            stream.write(content)
    for problem in document.problems:
        click.echo(f"not read: {visible(problem.path)}: {visible(problem.message)}", err=True)
    sys.exit(INCOMPLETE if document.problems else 0)
