"""Agents that have to access their node, such as network plugins, and the access that each of them documents.

An agent is recognised by the repository of its publisher, where nobody else can put an image; mirrors are not recognised,
and neither is an image that is started with a shell. This lowers priorities, and never changes a verdict. The list is in
`node_agents.json`.
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
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "busybox", "env", "nsenter", "chroot"})
"""Commands that run another program than that of the image."""
_IPC: Final = "hostIPC"
"""A field that no agent of the list needs, of a control with a field that some need."""


class NodeAgent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that runs on each node and needs access to it.

    `images` are repositories with their registry; `controls` those that fail because of the access it needs.
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


_NamedAgent = tuple[str, NodeAgent]
"""The repository of an agent's image without its registry, and the agent."""


def _find_agents(workload: Resource) -> dict[str, _NamedAgent | None]:
    """Return the agent of each container by the container's path; None for other programs. Empty without an agent."""
    annotations = as_mapping(as_mapping(workload.object.get("metadata")).get("annotations"))
    is_static = workload.kind == _STATIC and _MIRROR in annotations
    agents: dict[str, _NamedAgent | None] = {}
    for at in list_pod_paths(workload):
        spec = as_mapping(value_at_or(workload.object, (*at, "spec"), None))
        for field in _CONTAINER_LISTS:
            for number, container in enumerate(map(as_mapping, as_list(spec.get(field)))):
                agent = _find_agent(container)
                is_expected = agent is not None and (is_static or workload.kind in agent[1].kinds)
                agents[format_path((*at, "spec", field, number))] = agent if is_expected else None
    return agents if any(agents.values()) else {}


def _explain(
    slug: str, evidence: Sequence[Evidence], agents: Mapping[str, _NamedAgent | None], steps: AbstractSet[str]
) -> str:
    """Return the reason why the failure of a control is needed; empty if not all of its evidence is."""
    names: dict[str, None] = {}
    for entry in evidence:
        needing = {
            name: None
            for name, agent in _list_responsible(entry.path, agents)
            if slug in agent.controls and (agent.controls_node or slug not in steps)
        }
        if not needing or entry.path.endswith(_IPC):
            return ""
        names |= needing
    ending = "is a node agent that needs" if len(names) == 1 else "are node agents that need"
    return f"{' and '.join(names)} {ending} this access" if names else ""


def _list_responsible(path: str, agents: Mapping[str, _NamedAgent | None]) -> Iterable[_NamedAgent]:
    """Return the agent in the container with a field, or all agents for a field of the pod.

    A field of the pod gives the access to all containers, so that each must be an agent.
    """
    steps = parse_path(path)
    for number, step in enumerate(steps[:-1]):
        if step in (*_CONTAINER_LISTS, "ephemeralContainers"):
            agent = agents.get(format_path(steps[: number + 2]))
            return [] if agent is None else [agent]
    known = [agent for agent in agents.values() if agent is not None]
    return known if len(known) == len(agents) else []


def _find_agent(container: Mapping[str, object]) -> _NamedAgent | None:
    """Return the agent that a container runs; None for other programs."""
    image, command = container.get("image"), as_list(container.get("command"))
    if not isinstance(image, str) or (command and str(command[0]).rpartition("/")[2] in _SHELLS):
        return None
    repository = _expand(image)
    agent = _list_by_image().get(repository)
    return None if agent is None else (repository.partition("/")[2], agent)


def _expand(image: str) -> str:
    """Return the registry and repository of an image without tag and digest; other spellings than usual are not listed."""
    name = image.strip().partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = f"{folder}{slash}{last.partition(':')[0]}"
    host, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in host or ":" in host or host == "localhost" else f"docker.io/{name}"
