"""`kubekeep image advise`: upgrades and base images that remove most vulnerabilities.

Parses and prints; never opens an image itself.
"""

from __future__ import annotations

import sys

import click

from kubekeep.cli.console import arguments
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.image import image_options, open_images
from kubekeep.cli.options.vulnerability import vulnerability_options
from kubekeep.cli.settings import get_width, settings
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms.advice import write_advice, write_advice_json
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.vulnerabilities import advise_image


@click.command(short_help="Show the upgrades and base images that remove most vulnerabilities.")
@click.argument("reference", metavar="REFERENCE")
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="REFERENCE",
    help="Compare this base image; the one that the layers of the image begin with is its present base. Repeatable.",
)
@click.option(
    "--newer-bases",
    is_flag=True,
    help="Also compare newer tags of the repository of the present base image, which its registry lists.",
)
@arguments.layout_option("pretty", "json")
@image_options
@vulnerability_options
def command(
    reference: str,
    bases: tuple[str, ...],
    layout: str,
    packages: PackageRequest,
    *,
    newer_bases: bool,
) -> None:
    """Show which upgrades of packages, and which other base image, remove most vulnerabilities of an image.

    For sbom:FILE, show the upgrades of packages. Exits with 3 if packages of the image were not assessed.

    \b
    kubekeep image advise registry.example.com/shop/web:1.4
    kubekeep image advise registry.example.com/shop/web:1.4 --base debian:12 --base debian:13
    kubekeep image advise registry.example.com/shop/web:1.4 --newer-bases
    """  # noqa: D301 - click takes the character itself
    with open_images(packages) as request:
        advice = advise_image(reference, bases, request, sys.stdin.buffer, newer_bases=newer_bases)
    if layout == "json":
        write_advice_json(advice, sys.stdout)
    else:
        is_coloured = sys.stdout.isatty() and settings().colour
        write_advice(advice, sys.stdout, ReportOptions(colour=is_coloured, width=get_width(sys.stdout)))
    sys.exit(INCOMPLETE if any(gap.is_incomplete for gap in advice.not_assessed) else 0)
