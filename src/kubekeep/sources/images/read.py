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
from kubekeep.model.text import visible
from kubekeep.registry.reference import hide_login
from kubekeep.sources.images.address import REGISTRY
from kubekeep.sources.images.assessment import PackageScanner, list_advisory_problems, list_unassessed, open_scanner
from kubekeep.sources.images.document import create_resource
from kubekeep.vulnerabilities.options import VulnerabilityOptions


def read_images(
    references: Iterable[str], options: ImageOptions, vulnerabilities: VulnerabilityOptions | None = None
) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of each image, then the parts of it that could not be read or assessed."""
    with open_scanner(vulnerabilities) as scanner:
        for reference in references:
            yield from _read_image(reference, reference, options, scanner)
        yield from list_advisory_problems(scanner)


def read_registry_images(
    names: Iterable[str], options: ImageOptions, vulnerabilities: VulnerabilityOptions | None = None
) -> Iterator[Resource | UnreadInput]:
    """Yield the same for names of images in registries; a name never leads to a file or to another store."""
    with open_scanner(vulnerabilities) as scanner:
        for name in names:
            yield from _read_image(f"{REGISTRY}{name}", name, options, scanner)
        yield from list_advisory_problems(scanner)


def _read_image(
    reference: str, name: str, options: ImageOptions, scanner: PackageScanner | None
) -> Iterator[Resource | UnreadInput]:
    shown_name = visible(hide_login(name))
    try:
        image = inspect_image(reference, options, secrets=True)
    except KubekeepError as error:
        yield UnreadInput(Location(shown_name), str(error).removeprefix(f"{visible(hide_login(reference))}: "))
        return
    yield from describe_image(image, shown_name, options, scanner)


def describe_image(
    image: InspectedImage,
    name: str,
    options: ImageOptions,
    scanner: PackageScanner | None,
    compared: Sequence[Package] | None = None,
) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of an image under a name, then the parts of it that could not be read or assessed.

    compared: the packages to compare with advisories, if no advisory affects the others; None for all.
    """
    description = ImageDescription()
    if options.describe is not None:
        created = image.configuration.created if image.configuration else None
        identity = ImageIdentity(image.reference, image.digest, image.index_digest, image.platform, created or "")
        description = options.describe(identity)
    report = None if scanner is None else scanner.assess_image(image, description.statements, compared)
    # The working folder is shown to users, not traversed.
    today, base = dt.datetime.now(dt.UTC).date(), os.getcwd()  # noqa: PTH109
    resource = create_resource(
        msgspec.structs.replace(image, reference=name), base, today, report, keeps_packages=options.keeps_packages
    )
    resource.object.update(description.fields)
    yield resource
    yield from (UnreadInput(Location(name), problem) for problem in description.problems)
    if report is not None:
        yield from list_unassessed(report, name)
    for problem in image.content.problems:
        yield UnreadInput(Location(f"{name}!/{problem.path}"), problem.message)
