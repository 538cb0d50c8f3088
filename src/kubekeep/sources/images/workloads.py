"""Images of workloads: the references in their pod specs, each once. Never opens an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubekeep.images.options import ImageOptions
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.workload import list_used_images
from kubekeep.sources.images.read import read_registry_images
from kubekeep.vulnerabilities.options import VulnerabilityOptions


def follow_images(
    resources: Iterable[Resource | UnreadInput],
    options: ImageOptions,
    vulnerabilities: VulnerabilityOptions | None = None,
) -> Iterator[Resource | UnreadInput]:
    """Yield the resources, then those of the images that they use, each image once."""
    references: dict[str, None] = {}
    for resource in resources:
        if isinstance(resource, Resource):
            references |= dict.fromkeys(image.reference for image in list_used_images(resource))
        yield resource
    yield from read_registry_images(references, options, vulnerabilities)
