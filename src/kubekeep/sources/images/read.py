"""Images as resources, read one after the other. Never evaluates controls."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.inspection import inspect_image
from kubekeep.images.options import ImageDescription, ImageIdentity, ImageOptions
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.errors import KubekeepError
from kubekeep.model.location import Location
from kubekeep.model.package import Package
from kubekeep.model.resource import Resource
from kubekeep.model.running_images import RunningImages
from kubekeep.model.text import visible
from kubekeep.registry.reference import hide_login
from kubekeep.sources.images.address import REGISTRY
from kubekeep.sources.images.assessment import PackageScanner, list_advisory_problems, list_unassessed, open_scanner
from kubekeep.sources.images.document import create_resource
from kubekeep.vulnerabilities.options import VulnerabilityOptions


class RequestedImage(msgspec.Struct, frozen=True):
    """An image to read: its name and its location in the report, the reference as written, and the one that is opened.

    The opened reference is another one for an image that pods run: it has its digest.
    """

    name: str
    location: str
    written: str
    opened: str


def read_images(
    references: Iterable[str], options: ImageOptions, vulnerabilities: VulnerabilityOptions | None = None
) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of each image, then the parts of it that could not be read or assessed."""
    images = (RequestedImage(reference, reference, reference, reference) for reference in references)
    yield from _read_images(images, options, vulnerabilities)


def read_workload_images(
    names: Iterable[str],
    running_images: RunningImages,
    options: ImageOptions,
    vulnerabilities: VulnerabilityOptions | None = None,
) -> Iterator[Resource | UnreadInput]:
    """Yield the same for the names of images in workloads; a name never leads to a file or to another store.

    A name that pods run is read by their digests, as its tag may lead to another image by now.
    """
    images = (image for name in names for image in _list_images(name, running_images.list_references(name)))
    yield from _read_images(images, options, vulnerabilities)


def _list_images(name: str, running_references: Sequence[str]) -> Iterator[RequestedImage]:
    """Yield the images of a name; if pods run several, the location of each has its digest."""
    for reference in running_references or (name,):
        location = name if len(running_references) < 2 else f"{name}@{reference.rpartition('@')[2]}"
        yield RequestedImage(name, location, f"{REGISTRY}{name}", f"{REGISTRY}{reference}")


def _read_images(
    images: Iterable[RequestedImage], options: ImageOptions, vulnerabilities: VulnerabilityOptions | None
) -> Iterator[Resource | UnreadInput]:
    with open_scanner(vulnerabilities) as scanner:
        for image in images:
            yield from _read_image(image, options, scanner)
        yield from list_advisory_problems(scanner)


def _read_image(
    requested: RequestedImage, options: ImageOptions, scanner: PackageScanner | None
) -> Iterator[Resource | UnreadInput]:
    location = visible(hide_login(requested.location))
    try:
        image = inspect_image(requested.opened, options, secrets=True)
    except KubekeepError as error:
        message = str(error).removeprefix(f"{visible(hide_login(requested.opened))}: ")
        if requested.opened != requested.written:
            message = f"the running image {requested.opened.rpartition('@')[2]}: {message}"
        yield UnreadInput(Location(location), message)
        return
    if requested.opened != requested.written:
        # Policies for names of images apply to the name as written.
        image = msgspec.structs.replace(image, reference=requested.written)
    yield from describe_image(image, visible(hide_login(requested.name)), options, scanner, location=location)


def describe_image(
    image: InspectedImage,
    name: str,
    options: ImageOptions,
    scanner: PackageScanner | None,
    compared: Sequence[Package] | None = None,
    location: str = "",
) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of an image under a name, then the parts of it that could not be read or assessed.

    compared: the packages to compare with advisories, if no advisory affects the others; None for all. location: of the
    image in reports, by default its name.
    """
    location = location or name
    description = ImageDescription()
    if options.describe is not None:
        created = image.configuration.created if image.configuration else None
        identity = ImageIdentity(image.reference, image.digest, image.index_digest, image.platform, created or "")
        description = options.describe(identity)
    report = None if scanner is None else scanner.assess_image(image, description.statements, compared)
    # The working folder is shown to users, not traversed.
    today, base = dt.datetime.now(dt.UTC).date(), os.getcwd()  # noqa: PTH109
    resource = create_resource(
        msgspec.structs.replace(image, reference=name),
        base,
        today,
        report,
        keeps_packages=options.keeps_packages,
        location=location,
    )
    resource.object.update(description.fields)
    yield resource
    yield from (UnreadInput(Location(location), problem) for problem in description.problems)
    if report is not None:
        yield from list_unassessed(report, location)
    for problem in image.content.problems:
        yield UnreadInput(Location(f"{location}!/{problem.path}"), problem.message)
