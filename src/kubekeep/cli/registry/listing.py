"""`kubekeep registry list`: the images that a scan of registries would read. Parses and prints."""

from __future__ import annotations

import sys
from typing import Final

import click
import msgspec

from kubekeep.cli.console.arguments import layout_option, without_options
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.image import image_options
from kubekeep.cli.options.registry import pattern_argument, selection_options
from kubekeep.cli.registry import PATTERN_HELP
from kubekeep.images.registries.selection import SelectedImage, SelectedImages
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import json_text, visible
from kubekeep.usecases.package_request import PackageRequest

_MEGABYTE: Final = 1_000_000
_SHORT_DIGEST: Final = 19
"""Characters of a digest in the table: its algorithm and twelve digits."""
_DAY: Final = 10


class ListedImage(msgspec.Struct, frozen=True):
    """An image in the JSON of the list. index_digest: of the index that leads to it; empty without one."""

    name: str
    names: tuple[str, ...]
    digest: str
    index_digest: str
    platform: str
    size: int
    created: str


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
    listed = [_describe(image) for image in selection.images]
    if layout == "json":
        click.echo(msgspec.json.format(json_text(listed), indent=2))
    elif listed:
        _print(listed)
    _report(selection)
    sys.exit(INCOMPLETE if selection.problems else 0)


def _describe(image: SelectedImage) -> ListedImage:
    described = image.description.image if image.description else None
    digest = described.digest if described else image.root
    return ListedImage(
        name=visible(image.name),
        names=tuple(map(visible, image.names)),
        digest=digest,
        index_digest="" if digest == image.root else image.root,
        platform=described.platform if described else "",
        size=described.size if described else 0,
        created=visible(described.created) if described else "",
    )


def _print(images: list[ListedImage]) -> None:
    rows = [("image", "digest", "MB", "created")]
    rows += [
        (image.name, image.digest[:_SHORT_DIGEST], f"{image.size / _MEGABYTE:,.1f}", image.created[:_DAY])
        for image in images
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for index, (name, digest, size, created) in enumerate(rows):
        click.echo(f"{name:<{widths[0]}}  {digest:<{widths[1]}}  {size:>{widths[2]}}  {created}".rstrip())
        for other in images[index - 1].names[1:] if index else ():
            click.echo(f"  also {other}")


def _report(selection: SelectedImages) -> None:
    size = sum(_describe(image).size for image in selection.images)
    click.echo(
        f"{len(selection.images):,} images of {selection.tags:,} tags, {size / _MEGABYTE:,.1f} MB in all layers; "
        f"skipped: {selection.attached:,} tags of signatures, {selection.artifacts:,} artifacts, "
        f"{selection.older:,} other images",
        err=True,
    )
    for problem in selection.problems:
        click.echo(f"not read: {visible(problem.name)}: {visible(problem.message)}", err=True)
