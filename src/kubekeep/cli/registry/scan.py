"""`kubekeep registry scan`: a scan of the images of registries, as `kubekeep image scan` of each of them.

Parses; never opens an image itself.
"""

from __future__ import annotations

import click

from kubekeep.cli import reported_scan
from kubekeep.cli.console.arguments import without_options
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import Use, list_names
from kubekeep.cli.options.image import ImageStoreOptions, image_options
from kubekeep.cli.options.layer_cache import layer_cache_options
from kubekeep.cli.options.registry import check_patterns, selection_options
from kubekeep.cli.options.request import request_options
from kubekeep.cli.options.submit import SubmissionSettings, submit_options
from kubekeep.cli.options.vulnerability import no_vulnerabilities_option, vulnerability_options
from kubekeep.cli.presentation import Presentation, presentation_options
from kubekeep.cli.registry import PATTERN_HELP
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.package_scan import PackageSource, request_packages
from kubekeep.usecases.request import ScanRequest


@click.command(
    short_help="Scan the images of registries.", cls=ConfiguredCommand, target=lambda _: ".", epilog=PATTERN_HELP
)
@without_options(*list_names(ImageStoreOptions))
@request_options("registry scan", "[framework NAMES | control IDS] PATTERN...", Use.IMAGES)
@presentation_options
@submit_options
@image_options
@layer_cache_options
@selection_options
@vulnerability_options
@no_vulnerabilities_option
def command(
    request: ScanRequest,
    presentation: Presentation,
    submission: SubmissionSettings,
    packages: PackageRequest,
) -> None:
    """Scan the images of registries that match a PATTERN, each digest once.

    \b
    kubekeep registry scan 'registry.example/team/*' --newest 3
    kubekeep registry scan registry.example --state state --max-duration 2h
    kubekeep registry scan 'registry.example/app:1.*' --format html --output app.html
    """  # noqa: D301 - click takes the character itself
    if not request.input.paths:
        raise click.UsageError("no PATTERN: name a registry or images in it, such as 'registry.example/team/*'")
    context = click.get_current_context()
    check_patterns(context, context.command.params[0], request.input.paths)
    reported_scan.run(request_packages(request, packages, PackageSource.REGISTRY), presentation, submission)
