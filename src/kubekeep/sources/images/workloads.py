"""Images of workloads: those that their pods run, else those of the references in their pod specs, each once.

Never opens an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubekeep.images.options import ImageOptions
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.running_images import RunningImages
from kubekeep.model.workload import list_containers
from kubekeep.sources.images.read import read_workload_images
from kubekeep.vulnerabilities.options import VulnerabilityOptions


def follow_images(
    resources: Iterable[Resource | UnreadInput],
    options: ImageOptions,
    vulnerabilities: VulnerabilityOptions | None = None,
    running_images: RunningImages | None = None,
) -> Iterator[Resource | UnreadInput]:
    """Yield the resources, then those of the images that they use, each image once.

    running_images: those of pods that are not among the resources; complete after the last resource.
    """
    running = RunningImages()
    names: dict[str, None] = {}
    for resource in resources:
        if isinstance(resource, Resource):
            names |= dict.fromkeys(image for _, image in list_containers(resource))
            running.add(resource)
        yield resource
    if running_images is not None:
        running.update(running_images)
    yield from read_workload_images(names, running, options, vulnerabilities)
