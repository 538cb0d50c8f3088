"""`kubekeep image explain`: the records behind a vulnerability of an image. Parses and prints; matches nothing itself."""

from __future__ import annotations

import sys

import click

from kubekeep.cli.console import arguments
from kubekeep.cli.options.image import image_options, open_images
from kubekeep.cli.options.vulnerability import vulnerability_options
from kubekeep.cli.settings import get_width, settings
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms.explanation import write_explanation, write_explanation_json
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.vulnerabilities import explain

_UNKNOWN = 1


@click.command(short_help="Explain why a vulnerability affects an image or not.")
@click.argument("reference", metavar="REFERENCE")
@click.argument("name", metavar="VULNERABILITY")
@arguments.layout_option("pretty", "json")
@image_options
@vulnerability_options
def command(reference: str, name: str, layout: str, packages: PackageRequest) -> None:
    """Show the advisory records about a vulnerability, the versions they compare, and the file and layer of the package.

    REFERENCE is an image, or sbom:FILE for an SBOM document. VULNERABILITY is a CVE or the id of a record. Exits with 1 if
    no record about it names a package of the image.

    \b
    kubekeep image explain nginx:1.29 CVE-2024-3094
    kubekeep image explain sbom:image.cdx.json GHSA-jfh8-c2jp-5v3q
    """  # noqa: D301 - click takes the character itself
    with open_images(packages) as request:
        explanation = explain(reference, name, request, sys.stdin.buffer)
    if layout == "json":
        write_explanation_json(explanation, sys.stdout)
    else:
        is_coloured = sys.stdout.isatty() and settings().colour
        write_explanation(explanation, sys.stdout, ReportOptions(colour=is_coloured, width=get_width(sys.stdout)))
    sys.exit(0 if explanation.packages else _UNKNOWN)
