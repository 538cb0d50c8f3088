"""Workloads of images: the containers that run each scanned image, with the exposure and the power of their workloads.

A container runs an image if it refers to it by the same name and tag in any spelling, or by its digest. Never opens an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kubekeep.model.assessment import SubjectResult
from kubekeep.model.priority import NO_CONTEXT, ResourceContext
from kubekeep.model.resource import Resource
from kubekeep.model.workload import UsedImage, list_used_images
from kubekeep.model.workload_container import WorkloadContainer
from kubekeep.registry.reference import get_image_key
from kubekeep.sources.images.names import list_image_keys


def join_images(
    results: Sequence[SubjectResult], resources: Iterable[Resource], contexts: Mapping[int, ResourceContext]
) -> list[SubjectResult]:
    """Return the results, those of images with the containers that run them.

    contexts: by id() of the resource.
    """
    containers: dict[str, list[WorkloadContainer]] = {}
    for resource in resources:
        if not resource.may_contain_pods:
            continue
        context = contexts.get(id(resource), NO_CONTEXT)
        for image in list_used_images(resource):
            container = _describe_container(resource, image, context)
            containers.setdefault(get_image_key(image.reference), []).append(container)
    return [_join(result, containers) if result.subject.runs_in_containers else result for result in results]


def _join(result: SubjectResult, containers: Mapping[str, Sequence[WorkloadContainer]]) -> SubjectResult:
    keys = dict.fromkeys(list_image_keys(result.subject))
    joined = tuple(dict.fromkeys(container for key in keys for container in containers.get(key, ())))
    return msgspec.structs.replace(result, containers=joined) if joined else result


def _describe_container(resource: Resource, image: UsedImage, context: ResourceContext) -> WorkloadContainer:
    # The files of a volume run nothing, and a container that ends before the pod is ready cannot be reached.
    return WorkloadContainer(
        kind=resource.kind,
        namespace=resource.namespace,
        name=resource.name,
        container=image.container,
        location=resource.locate(image.path),
        exposure=context.exposure if image.runs_on else "",
        power=context.power if image.container else "",
        rights=context.rights if image.container else "",
    )
