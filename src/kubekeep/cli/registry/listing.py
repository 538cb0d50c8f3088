"""`kubekeep registry list`: the images that a scan of registries would read. Parses and prints."""

from __future__ import annotations

import sys

import click
import msgspec

from kubekeep.cli.console.arguments import layout_option, without_options
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.image import image_options
from kubekeep.cli.options.registry import pattern_argument, selection_options
from kubekeep.cli.registry import PATTERN_HELP
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import json_text, visible
from kubekeep.reports.registries.selection import describe_image, list_rows, list_totals
from kubekeep.usecases.package_request import PackageRequest


@click.command(short_help="List the images that a scan would read.", epilog=PATTERN_HELP)
@without_options("containerd_root", "containerd_namespace", "max_in_flight", "max_bytes", "max_duration")
@pattern_argument
@image_options
@selection_options
@layout_option("text", "json")
def command(patterns: tuple[str, ...], packages: PackageRequest, layout: str) -> None:
    """List the images that `kubekeep registry scan` would read: names, digests, compressed sizes, time of creation.

    \b
    kubekeep registry list 'registry.example/team/*'
    kubekeep registry list 'registry.example/app:1.*' --newest 3 --format json
    """  # noqa: D301 - click takes the character itself
    from kubekeep.usecases.registry import list_images  # noqa: PLC0415 - the help needs none of it

    try:
        selection = list_images(patterns, packages.registries, packages.images)
    except KubekeepError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)
    listed = [describe_image(image) for image in selection.images]
    if layout == "json":
        click.echo(msgspec.json.format(json_text(listed), indent=2))
    elif listed:
        for line in list_rows(listed):
            click.echo(line)
    for line in list_totals(selection):
        click.echo(line, err=True)
    sys.exit(INCOMPLETE if selection.problems else 0)
