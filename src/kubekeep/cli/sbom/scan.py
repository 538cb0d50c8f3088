"""`kubekeep sbom scan`: known vulnerabilities of the packages in SBOM documents.

Parses; never reads a document itself.
"""

from __future__ import annotations

import click
import msgspec

from kubekeep.cli import scan
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import Use
from kubekeep.cli.options.exception import ExceptionSettings
from kubekeep.cli.options.gate import BaselineOptions, gate_options
from kubekeep.cli.options.privacy import PrivacyOptions, privacy_options
from kubekeep.cli.options.report import OutputOptions, report_options
from kubekeep.cli.options.request import request_options
from kubekeep.cli.options.vulnerability import vulnerability_options
from kubekeep.images.options import ImageOptions
from kubekeep.posture.gate import Gates
from kubekeep.sources.sboms.address import to_sbom_address
from kubekeep.usecases.request import ScanRequest
from kubekeep.vulnerabilities.options import VulnerabilityOptions


@click.command(
    short_help="Find known vulnerabilities of the packages in SBOMs.",
    cls=ConfiguredCommand,
    target=lambda _: ".",
)
@request_options("sbom scan", "[framework NAMES | control IDS] FILE...", Use.IMAGES)
@privacy_options
@gate_options
@report_options
@vulnerability_options
def command(
    request: ScanRequest,
    exception_settings: ExceptionSettings,
    gates: Gates,
    baseline: BaselineOptions | None,
    privacy: PrivacyOptions,
    output_options: OutputOptions,
    vulnerabilities: VulnerabilityOptions,
) -> None:
    """Find known vulnerabilities of the packages in the SBOM of each FILE; - reads standard input.

    \b
    kubekeep sbom scan image.cdx.json
    kubekeep sbom scan image.cdx.json --advisories osv/ -f json
    kubekeep sbom scan image.cdx.json --fail-on critical --only-fixed
    """  # noqa: D301 - click takes the character itself
    if not request.input.paths:
        raise click.UsageError("no FILE: name an SBOM document, such as image.cdx.json")
    source = msgspec.structs.replace(request.input, paths=tuple(map(to_sbom_address, request.input.paths)))
    request = scan.request_images(msgspec.structs.replace(request, input=source), ImageOptions(), vulnerabilities)
    scan.run(request, exception_settings, gates, baseline, privacy, output_options)
