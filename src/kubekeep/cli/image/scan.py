"""`kubekeep image scan`: a scan of images for vulnerabilities, secrets, configuration and licences.

Parses; never opens an image itself.
"""

from __future__ import annotations

import click
import msgspec

from kubekeep.cli import scan
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import Use
from kubekeep.cli.image import REFERENCE_HELP
from kubekeep.cli.options.exception import ExceptionSettings
from kubekeep.cli.options.gate import BaselineOptions, gate_options
from kubekeep.cli.options.image import image_options
from kubekeep.cli.options.layer_cache import layer_cache_options
from kubekeep.cli.options.privacy import PrivacyOptions, privacy_options
from kubekeep.cli.options.report import OutputOptions, report_options
from kubekeep.cli.options.request import request_options
from kubekeep.cli.options.signature_scan import signature_scan_options
from kubekeep.cli.options.vulnerability import no_vulnerabilities_option, vulnerability_options
from kubekeep.images.options import ImageOptions
from kubekeep.posture.gate import Gates
from kubekeep.sources.images.address import to_address
from kubekeep.usecases.request import ScanRequest
from kubekeep.vulnerabilities.options import VulnerabilityOptions


@click.command(
    short_help="Scan images for vulnerabilities, secrets, configuration and licences.",
    cls=ConfiguredCommand,
    target=lambda _: ".",
    epilog=REFERENCE_HELP,
)
@request_options("image scan", "[framework NAMES | control IDS] REFERENCE...", Use.IMAGES)
@privacy_options
@gate_options
@report_options
@image_options
@layer_cache_options
@vulnerability_options
@no_vulnerabilities_option
@signature_scan_options
def command(
    request: ScanRequest,
    exception_settings: ExceptionSettings,
    gates: Gates,
    baseline: BaselineOptions | None,
    privacy: PrivacyOptions,
    output_options: OutputOptions,
    images: ImageOptions,
    vulnerabilities: VulnerabilityOptions | None,
) -> None:
    """Scan images for known vulnerabilities, secrets, insecure configuration and licences.

    \b
    kubekeep image scan nginx:1.29
    kubekeep image scan nginx:1.29 --fail-on critical --only-fixed
    kubekeep image scan oci:build/ --format sarif --output image.sarif
    """  # noqa: D301 - click takes the character itself
    if not request.input.paths:
        raise click.UsageError("no REFERENCE: name an image, such as nginx:1.29")
    source = msgspec.structs.replace(request.input, paths=tuple(map(to_address, request.input.paths)))
    request = scan.request_images(msgspec.structs.replace(request, input=source), images, vulnerabilities)
    scan.run(request, exception_settings, gates, baseline, privacy, output_options)
