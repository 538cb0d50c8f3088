"""Images of workloads: those that their pods run, else those of the references in their pod specs, each once.

Never opens an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kubekeep.images.options import ImageOptions
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.running_images import RunningImages
from kubekeep.model.workload import list_used_images
from kubekeep.registry.reference import get_image_key
from kubekeep.sources.images.names import list_image_keys
from kubekeep.sources.images.read import read_workload_images
from kubekeep.vulnerabilities.options import VulnerabilityOptions


def follow_images(
    resources: Iterable[Resource | UnreadInput],
    options: ImageOptions,
    vulnerabilities: VulnerabilityOptions | None = None,
    running_images: RunningImages | None = None,
    in_scope: Callable[[Resource], bool] | None = None,
) -> Iterator[Resource | UnreadInput]:
    """Yield the resources, then those of the images that they use, each image once.

    running_images: those of pods that are not among the resources; complete after the last resource. An image among the
    resources is not read again: an archive or a layout may stand for a registry that is out of reach. If facts beyond the
    content are requested, such as signatures, each reference is read: policies depend on the repository that it names.
    in_scope: accepts the resources whose images are read; None for all.
    """
    running = RunningImages()
    names: dict[str, None] = {}
    known: set[str] = set()
    for resource in resources:
        if isinstance(resource, UnreadInput):
            pass
        elif resource.runs_in_containers:
            known.update(list_image_keys(resource))
        else:
            if in_scope is None or in_scope(resource):
                names |= dict.fromkeys(image.reference for image in list_used_images(resource))
            running.add(resource)
        yield resource
    if running_images is not None:
        running.update(running_images)
    missing = []
    for name in names:
        # What pods run counts, not what the tag names by now.
        keys = {get_image_key(reference) for reference in running.list_references(name) or (name,)}
        if options.describe is not None or not keys <= known:
            missing.append(name)
            known |= keys
    yield from read_workload_images(missing, running, options, vulnerabilities)
