"""Images of registries as resources, read in parallel. Never evaluates controls."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.layers import compute_version
from kubekeep.images.options import ImageOptions
from kubekeep.images.registries.client import RegistryClient
from kubekeep.images.registries.options import RegistryOptions
from kubekeep.images.registries.pattern import parse_pattern
from kubekeep.images.registries.reader import ReadImage, ReadState, RegistryReader
from kubekeep.images.registries.selection import ImageSelector, SelectedImage, SelectedImages
from kubekeep.images.registries.state import ImageName, RegistryState
from kubekeep.images.registries.state_file import StateError
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.registry.pace import RequestPace
from kubekeep.sources.images.assessment import PackageScanner, list_advisory_problems, open_scanner
from kubekeep.sources.images.read import describe_image
from kubekeep.sources.registries.names import add_names
from kubekeep.sources.source import ReadContext

_MOST_NOTES: Final = 10
"""Images with several names that are listed; the resources have all of them."""


def read_registries(patterns: Sequence[str], context: ReadContext) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of each selected image, and what was not read: names, images, parts of images."""
    options = context.options.registries
    try:
        parsed = [parse_pattern(pattern) for pattern in patterns]
    except ValueError as error:
        yield UnreadInput(Location("registry"), str(error))
        return
    with contextlib.ExitStack() as stack:
        pace = RequestPace(options.budget.requests_per_second)
        stack.callback(pace.stop)
        try:
            state = stack.enter_context(open_state(options)) if options.state else None
            images = add_pace(context.options.images, pace)
            client = RegistryClient(images.access, state)
            # The time of the run begins here.
            reader = RegistryReader(client, options, images, pace, state)
            selector = ImageSelector(client, options.selection, images.access.platform, state, options.budget.parallel)
            selection = selector.select(parsed)
            for problem in selection.problems:
                yield UnreadInput(Location(visible(problem.name)), visible(problem.message))
            if state is not None:
                # Before reading: another run that ends meanwhile deletes images without a name.
                state.record_names(_list_entries(selection.images))
            states: collections.Counter[ReadState] = collections.Counter()
            scanner = stack.enter_context(open_scanner(context.options.vulnerabilities))
            for image in reader.read(selection.images):
                states[image.state] += 1
                yield from _describe(image, images, scanner)
            yield from list_advisory_problems(scanner)
            if state is not None:
                state.prune()
        except StateError as error:
            yield UnreadInput(Location(visible(options.state)), str(error))
            return
    context.notes += [*_count(selection, states), *_list_names(selection.images)]


def open_state(options: RegistryOptions) -> RegistryState:
    """Open the state of a scan. Raises StateError."""
    return RegistryState(Path(options.state), compute_version())


def add_pace(images: ImageOptions, pace: RequestPace) -> ImageOptions:
    """Return the options of images with a pace of requests."""
    return msgspec.structs.replace(images, access=msgspec.structs.replace(images.access, pace=pace))


def _describe(
    image: ReadImage, images: ImageOptions, scanner: PackageScanner | None
) -> Iterator[Resource | UnreadInput]:
    name = visible(image.selected.name)
    if image.content is not None:
        yield from describe_image(add_names(image.content, image.selected), name, images, scanner)
    elif image.state in (ReadState.FAILED, ReadState.OVER_BUDGET):
        yield UnreadInput(Location(name), visible(image.message))


def _list_entries(images: Sequence[SelectedImage]) -> Iterator[ImageName]:
    """Yield the names of the images for the state."""
    for image in images:
        for name in image.names:
            repository, tag = _split_name(name)
            yield ImageName(repository, tag, image.root, image.platform, image.label)


def _split_name(name: str) -> tuple[str, str]:
    """Return the repository and the tag of a name; the tag of a digest begins with `@`."""
    repository, at, digest = name.partition("@")
    if at:
        return repository, f"@{digest}"
    repository, _, tag = name.rpartition(":")
    return repository, tag


def _count(selection: SelectedImages, states: collections.Counter[ReadState]) -> Iterator[str]:
    """Yield sentences about what was selected and skipped."""
    yield (
        f"{_format(selection.tags, 'tag')} of {_format(selection.repositories, 'repository', 'repositories')}: "
        f"{_format(len(selection.images) - states[ReadState.ARTIFACT], 'image')}"
    )
    skipped = {
        "tags of signatures and attached documents": selection.attached,
        "artifacts that are no images": selection.artifacts + states[ReadState.ARTIFACT],
        "images that --newest and --since leave out": selection.older,
        "tags and images that were deleted meanwhile": selection.deleted + states[ReadState.DELETED],
    }
    if any(skipped.values()):
        yield "skipped: " + ", ".join(f"{count:,} {text}" for text, count in skipped.items() if count)
    if states[ReadState.KNOWN]:
        yield f"{_format(states[ReadState.KNOWN], 'image')} known from earlier runs, not read again"


def _list_names(images: Sequence[SelectedImage]) -> Iterator[str]:
    """Yield a sentence for each image with several names, up to a limit."""
    several = [image for image in images if len(image.names) > 1]
    for image in several[:_MOST_NOTES]:
        yield f"{visible(image.name)} is also {', '.join(map(visible, image.names[1:_MOST_NOTES]))}"
    if len(several) > _MOST_NOTES:
        yield f"{len(several) - _MOST_NOTES:,} more images have several names, see the report"


def _format(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
