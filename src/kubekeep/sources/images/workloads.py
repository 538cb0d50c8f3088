"""Images of workloads: the references in their pod specs, each image once. Never opens an image itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubekeep.images.options import ImageOptions
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.image import Image
from kubekeep.model.resource import Resource
from kubekeep.model.workload import list_used_images
from kubekeep.registry.reference import get_image_key
from kubekeep.sources.images.names import list_image_keys
from kubekeep.sources.images.read import read_registry_images
from kubekeep.vulnerabilities.options import VulnerabilityOptions


def follow_images(
    resources: Iterable[Resource | UnreadInput],
    options: ImageOptions,
    vulnerabilities: VulnerabilityOptions | None = None,
) -> Iterator[Resource | UnreadInput]:
    """Yield the resources, then those of the images that they use, each image once.

    An image among the resources is not read again: an archive or a layout may stand for a registry that is out of reach.
    """
    references: dict[str, str] = {}
    known: set[str] = set()
    for resource in resources:
        if isinstance(resource, Image):
            known.update(list_image_keys(resource))
        elif isinstance(resource, Resource):
            for image in list_used_images(resource):
                references.setdefault(get_image_key(image.reference), image.reference)
        yield resource
    missing = [reference for key, reference in references.items() if key not in known]
    yield from read_registry_images(missing, options, vulnerabilities)
