"""`kubekeep sbom scan`: known vulnerabilities of the packages in SBOM documents.

Parses; never reads a document itself.
"""

from __future__ import annotations

import click

from kubekeep.cli import reported_scan
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import Use
from kubekeep.cli.options.request import request_options
from kubekeep.cli.options.submit import SubmissionSettings, submit_options
from kubekeep.cli.options.vulnerability import vulnerability_options
from kubekeep.cli.presentation import Presentation, presentation_options
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.package_scan import PackageSource, request_packages
from kubekeep.usecases.request import ScanRequest


@click.command(
    short_help="Find known vulnerabilities of the packages in SBOMs.",
    cls=ConfiguredCommand,
    target=lambda _: ".",
)
@request_options("sbom scan", "[framework NAMES | control IDS] FILE...", Use.IMAGES)
@presentation_options
@submit_options
@vulnerability_options
def command(
    request: ScanRequest,
    presentation: Presentation,
    submission: SubmissionSettings,
    packages: PackageRequest,
) -> None:
    """Find known vulnerabilities of the packages in the SBOM of each FILE; - reads standard input.

    \b
    kubekeep sbom scan image.cdx.json
    kubekeep sbom scan image.cdx.json --advisories osv/ -f json
    kubekeep sbom scan image.cdx.json --fail-on critical --only-fixed
    """  # noqa: D301 - click takes the character itself
    if not request.input.paths:
        raise click.UsageError("no FILE: name an SBOM document, such as image.cdx.json")
    reported_scan.run(request_packages(request, packages, PackageSource.SBOM), presentation, submission)
