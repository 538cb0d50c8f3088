"""`kubekeep image diff`: packages and vulnerabilities of two images compared.

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
from kubekeep.model.severity import Severity
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms.image_diff import write_image_comparison, write_image_comparison_json
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.vulnerabilities import compare_images

_GATE_FAILED = 1


@click.command(short_help="Compare packages and vulnerabilities of two images.")
@click.argument("old")
@click.argument("new")
@arguments.layout_option("pretty", "json")
@click.option(
    "--fail-on-new",
    type=arguments.SEVERITIES,
    callback=arguments.parse_severity,
    help="Exit with 1 if NEW has a vulnerability of this severity or above that OLD does not have.",
)
@image_options
@vulnerability_options
def command(
    old: str,
    new: str,
    layout: str,
    fail_on_new: Severity | None,
    packages: PackageRequest,
) -> None:
    """Compare the packages and vulnerabilities of OLD and NEW: images, or sbom:FILE for SBOM documents.

    Exits with 3 if packages were not assessed.

    \b
    kubekeep image diff nginx:1.28 nginx:1.29
    kubekeep image diff sbom:old.cdx.json oci:build/ --fail-on-new high
    """  # noqa: D301 - click takes the character itself
    with open_images(packages) as request:
        comparison = compare_images(old, new, request, sys.stdin.buffer)
    if layout == "json":
        write_image_comparison_json(comparison, sys.stdout)
    else:
        is_coloured = sys.stdout.isatty() and settings().colour
        write_image_comparison(comparison, sys.stdout, ReportOptions(colour=is_coloured, width=get_width(sys.stdout)))
    if fail_on_new is not None:
        count = sum(change.vulnerability.rating.level >= fail_on_new for change in comparison.added)
        outcome = "FAILED" if count else "passed"
        click.echo(f"gate {outcome}: {count} new of {fail_on_new.label} or above, limit 0", err=True)
        if count:
            sys.exit(_GATE_FAILED)
    sys.exit(INCOMPLETE if any(gap.is_incomplete for gap in comparison.not_assessed) else 0)
