"""Agents that have to access their node, such as network plugins, and the access that each of them documents.

An agent is recognised by the name of its image, which anyone can choose: this lowers priorities, and never changes a
verdict. The list is in `node_agents.json`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.assessment import SubjectResult
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import format_path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Evidence, Status
from kubekeep.model.workload import list_pod_paths, value_at_or

_KINDS: Final = ("DaemonSet",)
_MIRROR: Final = "kubernetes.io/config.mirror"
"""The annotation of the mirror pod of a static pod."""
_STATIC: Final = "Pod"
_CONTAINER_LISTS: Final = ("containers", "initContainers")
_IPC: Final = "hostIPC"
"""A field that no agent of the list needs, of a control with a field that some need."""


class NodeAgent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that runs on each node and needs access to it.

    `images` are the last parts of image repositories; `controls` those that fail because of the access it needs.
    `controls_node` is true if this access includes control of the node. `kinds` are the kinds that it runs as.
    """

    images: tuple[str, ...]
    purpose: str
    controls: tuple[str, ...]
    controls_node: bool
    kinds: tuple[str, ...] = _KINDS


@functools.cache
def load_node_agents() -> tuple[NodeAgent, ...]:
    """Return the agents of the list."""
    text = Path(__file__).with_name("node_agents.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[NodeAgent, ...])


@functools.cache
def _list_kinds() -> frozenset[str]:
    return frozenset(kind for agent in load_node_agents() for kind in (*agent.kinds, _STATIC))


@functools.cache
def _list_controls() -> tuple[str, ...]:
    return tuple(dict.fromkeys(slug for agent in load_node_agents() for slug in agent.controls))


@functools.cache
def _list_by_image() -> Mapping[str, NodeAgent]:
    return {image: agent for agent in load_node_agents() for image in agent.images}


def find_needed_access(result: SubjectResult, steps: AbstractSet[str]) -> dict[str, str]:
    """Return why node agents in a workload need the failures of controls, by slug; failures that none needs are absent.

    steps: slugs of failed controls that give control of the node.
    """
    workload = result.subject
    if workload.kind not in _list_kinds() or not isinstance(workload, Resource) or workload.related:
        return {}
    verdicts = ((slug, result.verdicts.get(slug)) for slug in _list_controls())
    failed = {slug: verdict.evidence for slug, verdict in verdicts if verdict and verdict.status is Status.FAILED}
    agents = _find_agents(workload) if failed else {}
    if not agents:
        return {}
    reasons = ((slug, _explain(slug, evidence, agents, steps)) for slug, evidence in failed.items())
    return {slug: reason for slug, reason in reasons if reason}


def _find_agents(workload: Resource) -> dict[str, tuple[str, NodeAgent]]:
    """Return the image and agent of containers by their path."""
    annotations = as_mapping(as_mapping(workload.object.get("metadata")).get("annotations"))
    is_static = workload.kind == _STATIC and _MIRROR in annotations
    agents: dict[str, tuple[str, NodeAgent]] = {}
    for at in list_pod_paths(workload):
        spec = as_mapping(value_at_or(workload.object, (*at, "spec"), None))
        for field in _CONTAINER_LISTS:
            for number, container in enumerate(map(as_mapping, as_list(spec.get(field)))):
                image, agent = _find_agent(container.get("image"))
                if agent is not None and (is_static or workload.kind in agent.kinds):
                    agents[format_path((*at, "spec", field, number))] = image, agent
    return agents


def _explain(
    slug: str, evidence: Sequence[Evidence], agents: Mapping[str, tuple[str, NodeAgent]], steps: AbstractSet[str]
) -> str:
    """Return the reason why the failure of a control is needed; empty if not all of its evidence is."""
    images: dict[str, None] = {}
    for entry in evidence:
        needing = {
            image: None
            for image, agent in _list_responsible(entry.path, agents)
            if slug in agent.controls and (agent.controls_node or slug not in steps)
        }
        if not needing or entry.path.endswith(_IPC):
            return ""
        images |= needing
    ending = "is a node agent that needs" if len(images) == 1 else "are node agents that need"
    return f"{' and '.join(images)} {ending} this access" if images else ""


def _list_responsible(path: str, agents: Mapping[str, tuple[str, NodeAgent]]) -> Iterable[tuple[str, NodeAgent]]:
    """Return the agent in the container with a field, or all agents for a field of the pod."""
    steps = parse_path(path)
    for number, step in enumerate(steps[:-1]):
        if step in (*_CONTAINER_LISTS, "ephemeralContainers"):
            container = format_path(steps[: number + 2])
            return [agents[container]] if container in agents else []
    return agents.values()


def _find_agent(image: object) -> tuple[str, NodeAgent | None]:
    """Return the name by which the list has an image, and the agent; None for other images."""
    if not isinstance(image, str):
        return "", None
    *folders, last = image.strip().partition("@")[0].split("/")
    last = last.partition(":")[0]
    for name in (f"{folders[-1]}/{last}" if folders else last, last):
        if name in _list_by_image():
            return last if name == last else name, _list_by_image()[name]
    return "", None
