"""Images of workloads: the references in their pod specs, each once. Never opens an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubekeep.images.options import ImageOptions
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.resource import Resource
from kubekeep.model.workload import list_pod_paths, value_at_or
from kubekeep.sources.images.read import read_registry_images
from kubekeep.vulnerabilities.options import VulnerabilityOptions

_LISTS = ("containers", "initContainers", "ephemeralContainers")


def list_images(resource: Resource) -> Iterator[str]:
    """Yield the references to images in a resource, including image volumes; empty ones and templates are left out."""
    for at in list_pod_paths(resource):
        spec = as_mapping(value_at_or(resource.object, (*at, "spec"), None))
        containers = (container for field in _LISTS for container in as_list(spec.get(field)))
        volumes = (as_mapping(volume).get("image") for volume in as_list(spec.get("volumes")))
        for owner in (*containers, *volumes):
            reference = as_mapping(owner).get("image") or as_mapping(owner).get("reference")
            if isinstance(reference, str) and reference.strip():
                yield reference.strip()


def follow_images(
    resources: Iterable[Resource | UnreadInput],
    options: ImageOptions,
    vulnerabilities: VulnerabilityOptions | None = None,
) -> Iterator[Resource | UnreadInput]:
    """Yield the resources, then those of the images that they use, each image once."""
    references: dict[str, None] = {}
    for resource in resources:
        if isinstance(resource, Resource):
            references |= dict.fromkeys(list_images(resource))
        yield resource
    yield from read_registry_images(references, options, vulnerabilities)
