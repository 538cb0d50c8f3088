"""`kubekeep registry scan`: a scan of the images of registries, as `kubekeep image scan` of each of them.

Parses; never opens an image itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
import msgspec

from kubekeep.cli import scan
from kubekeep.cli.console.arguments import without_options
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import Use, list_names
from kubekeep.cli.options.exception import ExceptionSettings
from kubekeep.cli.options.gate import BaselineOptions, gate_options
from kubekeep.cli.options.image import ImageStoreOptions, image_options
from kubekeep.cli.options.layer_cache import layer_cache_options
from kubekeep.cli.options.privacy import PrivacyOptions, privacy_options
from kubekeep.cli.options.registry import check_patterns, selection_options
from kubekeep.cli.options.report import OutputOptions, report_options
from kubekeep.cli.options.request import request_options
from kubekeep.cli.options.vulnerability import no_vulnerabilities_option, vulnerability_options
from kubekeep.cli.registry import PATTERN_HELP
from kubekeep.images.options import ImageOptions
from kubekeep.images.registries.options import RegistryOptions
from kubekeep.posture.gate import Gates
from kubekeep.sources.registries.address import to_address
from kubekeep.usecases.request import ScanRequest
from kubekeep.vulnerabilities.options import VulnerabilityOptions


def _selection_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options for the images of registries; they are applied to the argument `request`."""

    @functools.wraps(function)
    def wrapper(request: ScanRequest, registries: RegistryOptions, **others: Any) -> None:
        read = msgspec.structs.replace(request.input.read, registries=registries)
        source = msgspec.structs.replace(request.input, read=read)
        function(request=msgspec.structs.replace(request, input=source), **others)

    return selection_options(wrapper)


@click.command(
    short_help="Scan the images of registries.", cls=ConfiguredCommand, target=lambda _: ".", epilog=PATTERN_HELP
)
@without_options(*list_names(ImageStoreOptions))
@request_options("registry scan", "[framework NAMES | control IDS] PATTERN...", Use.IMAGES)
@privacy_options
@gate_options
@report_options
@image_options
@layer_cache_options
@_selection_options
@vulnerability_options
@no_vulnerabilities_option
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
    source = msgspec.structs.replace(request.input, paths=tuple(map(to_address, request.input.paths)))
    request = scan.request_images(msgspec.structs.replace(request, input=source), images, vulnerabilities)
    scan.run(request, exception_settings, gates, baseline, privacy, output_options)
