"""Vulnerabilities of the images that workloads run, as steps of attack paths. Never matches a package.

Only vulnerabilities with a high or critical priority count: others rarely give control of a container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kubekeep.attackpaths.exposure import VulnerableImage
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.definition import Definition
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Status, Verdict
from kubekeep.model.workload_container import WorkloadContainer

_TEXTS: Final = 3
"""Maximum number of vulnerabilities of an image that a path names."""

ContainerKey = tuple[str, str, str, str]
"""Kind, namespace and name of a workload, and the name of a container."""


def list_vulnerable_images(
    results: Iterable[SubjectResult], definitions: Mapping[str, Definition]
) -> dict[ContainerKey, VulnerableImage]:
    """Return the vulnerable images by the containers that run them. definitions: by slug."""
    images: dict[ContainerKey, VulnerableImage] = {}
    for result in results:
        if not result.containers:
            continue
        image = _describe(result, definitions)
        if image is not None:
            images |= {_get_key(container): image for container in result.containers if container.container}
    return images


def _get_key(container: WorkloadContainer) -> ContainerKey:
    return container.kind, container.namespace, container.name, container.container


def _describe(result: SubjectResult, definitions: Mapping[str, Definition]) -> VulnerableImage | None:
    """Return the image with its most urgent vulnerabilities; None if none of them is urgent."""
    urgent: list[tuple[float, str]] = []
    for slug, verdict in result.verdicts.items():
        definition = definitions.get(slug)
        if verdict.status is not Status.FAILED or definition is None or not definition.concerns_packages:
            continue
        priority = result.priorities.get(slug) or definition.urgency or UNKNOWN_PRIORITY
        if priority.level >= Severity.HIGH:
            urgent.append((-priority.score, _describe_vulnerability(definition, verdict, priority)))
    if not urgent:
        return None
    texts = [text for _, text in sorted(urgent)]
    if len(texts) > _TEXTS:
        texts[_TEXTS:] = [f"and {len(texts) - _TEXTS:,} more vulnerabilities of high or critical priority"]
    return VulnerableImage(result.subject.name, tuple(texts))


def _describe_vulnerability(definition: Definition, verdict: Verdict, priority: Priority) -> str:
    """Return the vulnerability with its priority, its first package and the fix."""
    evidence = verdict.open_evidence[0]
    return f"{definition.id} ({priority.level.label.lower()}) in {evidence.message}"
