"""`kubekeep image scan`: a scan of images for vulnerabilities, secrets, configuration and licences.

Parses; never opens an image itself.
"""

from __future__ import annotations

import functools
from typing import Any

import click

from kubekeep.cli import reported_scan
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import Command, Use
from kubekeep.cli.image import REFERENCE_HELP
from kubekeep.cli.options.image import image_options
from kubekeep.cli.options.layer_cache import layer_cache_options
from kubekeep.cli.options.request import request_options
from kubekeep.cli.options.signature_scan import signature_scan_options
from kubekeep.cli.options.submit import SubmissionSettings, submit_options
from kubekeep.cli.options.vulnerability import no_vulnerabilities_option, vulnerability_options
from kubekeep.cli.presentation import Presentation, presentation_options
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.package_scan import PackageSource, request_packages
from kubekeep.usecases.request import ScanRequest


def _image_options(function: Command) -> Command:
    """Add the options for images; they are applied to the argument `request`."""

    @functools.wraps(function)
    def wrapper(request: ScanRequest, packages: PackageRequest, **others: Any) -> None:
        if not request.input.paths:
            raise click.UsageError("no REFERENCE: name an image, such as nginx:1.29")
        function(request=request_packages(request, packages, PackageSource.IMAGE), **others)

    return image_options(layer_cache_options(vulnerability_options(no_vulnerabilities_option(wrapper))))


@click.command(
    short_help="Scan images for vulnerabilities, secrets, configuration and licences.",
    cls=ConfiguredCommand,
    target=lambda _: ".",
    epilog=REFERENCE_HELP,
)
@request_options("image scan", "[framework NAMES | control IDS] REFERENCE...", Use.IMAGES)
@presentation_options
@submit_options
@_image_options
@signature_scan_options
def command(request: ScanRequest, presentation: Presentation, submission: SubmissionSettings) -> None:
    """Scan images for known vulnerabilities, secrets, insecure configuration and licences.

    \b
    kubekeep image scan nginx:1.29
    kubekeep image scan nginx:1.29 --fail-on critical --only-fixed
    kubekeep image scan oci:build/ --format sarif --output image.sarif
    """  # noqa: D301 - click takes the character itself
    reported_scan.run(request, presentation, submission)
