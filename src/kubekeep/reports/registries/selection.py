"""The images of registries that a scan would read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.images.registries.selection import SelectedImage, SelectedImages
from kubekeep.model.text import visible

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


def describe_image(image: SelectedImage) -> ListedImage:
    """Return the facts about an image that are shown."""
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


def list_rows(images: Sequence[ListedImage]) -> Iterator[str]:
    """Yield the table of images."""
    rows = [("image", "digest", "MB", "created")]
    rows += [
        (image.name, image.digest[:_SHORT_DIGEST], f"{image.size / _MEGABYTE:,.1f}", image.created[:_DAY])
        for image in images
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for index, (name, digest, size, created) in enumerate(rows):
        yield f"{name:<{widths[0]}}  {digest:<{widths[1]}}  {size:>{widths[2]}}  {created}".rstrip()
        for other in images[index - 1].names[1:] if index else ():
            yield f"  also {other}"


def list_totals(selection: SelectedImages) -> Iterator[str]:
    """Yield the numbers of images and the problems."""
    size = sum(describe_image(image).size for image in selection.images)
    yield (
        f"{len(selection.images):,} images of {selection.tags:,} tags, {size / _MEGABYTE:,.1f} MB in all layers; "
        f"skipped: {selection.attached:,} tags of signatures, {selection.artifacts:,} artifacts, "
        f"{selection.older:,} other images"
    )
    for problem in selection.problems:
        yield f"not read: {visible(problem.name)}: {visible(problem.message)}"
