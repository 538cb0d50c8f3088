"""Images in the state of registry scans as resources, without their registries. Never reads an image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.layers import compute_version
from kubekeep.images.registries.options import RegistryOptions
from kubekeep.images.registries.selection import select_known
from kubekeep.images.registries.state import RegistryState
from kubekeep.images.registries.state_file import StateError
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.sources.images.assessment import PackageScanner, list_advisory_problems, open_scanner
from kubekeep.sources.images.read import describe_image
from kubekeep.sources.registries.names import add_names
from kubekeep.sources.source import ReadContext
from kubekeep.vulnerabilities.inventory import digest_package

_OLD = (
    "another version of Kubekeep read this image, and may not have recorded all that this version compares: scan again"
)


def read_known(packages: Mapping[str, frozenset[bytes]], context: ReadContext) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of each image, with the vulnerabilities of the given packages, and what was not read of it.

    packages: digests of the packages to compare with advisories, by image; no advisory affects the others.
    """
    options = context.options.registries
    with contextlib.ExitStack() as stack:
        try:
            state = stack.enter_context(RegistryState(Path(options.state), compute_version()))
            scanner = stack.enter_context(open_scanner(context.options.vulnerabilities))
            yield from _read(state, options, packages, context, scanner)
            yield from list_advisory_problems(scanner)
        except StateError as error:
            yield UnreadInput(Location(visible(options.state)), str(error))


def _read(
    state: RegistryState,
    options: RegistryOptions,
    packages: Mapping[str, frozenset[bytes]],
    context: ReadContext,
    scanner: PackageScanner | None,
) -> Iterator[Resource | UnreadInput]:
    named = state.list_names()
    digests = {(name.root, name.platform): digest for digest, name in named}
    outdated = state.list_outdated()
    selection = select_known(name for _, name in named)
    for number, selected in enumerate(selection, 1):
        digest = digests[selected.root, selected.platform]
        name = visible(selected.name)
        image: InspectedImage | None = next(state.iterate_images([digest]), None)
        if image is None:
            yield UnreadInput(Location(name), "the state has no readable content of this image: scan again")
            continue
        affected = packages.get(digest, frozenset())
        compared = tuple(package for package in image.content.packages if digest_package(package) in affected)
        yield from describe_image(add_names(image, selected), name, context.options.images, scanner, compared)
        if digest in outdated:
            yield UnreadInput(Location(name), _OLD)
        if options.on_images is not None:
            options.on_images(number, len(selection), 0)
