"""Workloads of images: the containers that run each scanned image, with the exposure and the power of their workloads.

A container runs an image if it refers to it by the same name and tag in any spelling, or by its digest. Never opens an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from kubekeep.model.assessment import SubjectResult
from kubekeep.model.image import Image
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.priority import NO_CONTEXT, ResourceContext
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.model.workload import UsedImage, list_used_images
from kubekeep.model.workload_container import WorkloadContainer
from kubekeep.registry.reference import hide_login, parse_image_name


def join_images(
    results: Sequence[SubjectResult], resources: Iterable[Resource], contexts: Mapping[int, ResourceContext]
) -> list[SubjectResult]:
    """Return the results, those of images with the containers that run them.

    contexts: by id() of the resource.
    """
    if not any(isinstance(result.subject, Image) for result in results):
        return list(results)
    containers: dict[str, list[WorkloadContainer]] = {}
    for resource in resources:
        if isinstance(resource, Image):
            continue
        context = contexts.get(id(resource), NO_CONTEXT)
        for image in list_used_images(resource):
            container = _describe_container(resource, image, context)
            for key in _list_keys(image.reference):
                containers.setdefault(key, []).append(container)
    return [_join(result, containers) if isinstance(result.subject, Image) else result for result in results]


def _join(result: SubjectResult, containers: Mapping[str, Sequence[WorkloadContainer]]) -> SubjectResult:
    keys = dict.fromkeys(_list_image_keys(result.subject))
    joined = tuple(dict.fromkeys(container for key in keys for container in containers.get(key, ())))
    if not joined:
        return result
    is_exposed = any(container.exposure for container in joined)
    return msgspec.structs.replace(result, containers=joined, is_exposed=is_exposed)


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


def _list_image_keys(subject: object) -> Iterator[str]:
    """Yield the names by which containers may refer to an image."""
    if not isinstance(subject, Image):
        return
    facts = as_mapping(subject.object.get("image"))
    for name in (subject.name, *map(str, as_list(facts.get("names")))):
        yield from _list_keys(name)
    yield from filter(None, (subject.digest, str(facts.get("indexDigest") or "")))


def _list_keys(reference: str) -> Iterator[str]:
    """Yield the keys of a reference: its digest alone, else name and tag in one spelling; the text if it names no image.

    The digest decides which content runs, whatever the tag beside it says.
    """
    try:
        name = parse_image_name(reference)
    except ValueError:
        yield visible(hide_login(reference))
        return
    yield name.digest or f"{name.canonical_name}:{name.version}"
