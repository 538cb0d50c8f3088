"""Find attack paths: build the graph, choose where they start and end, and say what the input lacks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kubekeep.attackpaths.escape import escapes
from kubekeep.attackpaths.exposure import INTERNET, Exposure, workload_node
from kubekeep.attackpaths.grants import Granted
from kubekeep.attackpaths.graph import Failing, Graph
from kubekeep.attackpaths.identity import join
from kubekeep.attackpaths.objects import Objects, few
from kubekeep.attackpaths.places import ANONYMOUS, AUTHENTICATED, Places
from kubekeep.attackpaths.search import Roads, Step, Way, cuts
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.attack import ALL_PATHS, AttackNode, AttackNodeKind, AttackPath, AttackQuery, Attacks, Cut, EdgeKind
from kubekeep.model.control import Control
from kubekeep.model.resource import Resource
from kubekeep.posture.isolation import CILIUM_CLUSTERWIDE, CILIUM_POLICY, NETWORK_POLICY, OTHER_POLICIES
from kubekeep.posture.select import UnknownNameError

_CUTS: Final = 5
_BREAKABLE: Final = frozenset({EdgeKind.ESCAPE, EdgeKind.IDENTITY, EdgeKind.BINDING, EdgeKind.PERMISSION})
"""What can be taken away without taking away what the thing is for."""
_SOURCES: Final = {"internet": INTERNET, "anonymous": ANONYMOUS, "authenticated": AUTHENTICATED}
_TARGETS: Final[Mapping[str, tuple[AttackNodeKind, ...]]] = {
    "cluster-admin": (AttackNodeKind.CLUSTER_ADMIN,),
    "node": (AttackNodeKind.HOST,),
    "secrets": (AttackNodeKind.SECRETS, AttackNodeKind.SECRET),
}
_WANTED: Final = (
    (AttackNodeKind.CLUSTER_ADMIN,),
    (AttackNodeKind.HOST,),
    (AttackNodeKind.SECRETS,),
    (AttackNodeKind.SECRET,),
)
"""What attackers want where nobody says what, one path each."""


def find(
    resources: Iterable[Resource],
    results: Sequence[ResourceResult],
    controls: Mapping[str, Control],
    question: AttackQuery = ALL_PATHS,
) -> Attacks:
    """The attack paths through `resources`, with the controls, by slug, that fail along them.

    Raises UnknownNameError for a source or target that nothing is called.
    """
    objects = Objects(resources)
    refused = _leave_out_refused(objects)
    graph = _build(objects, Failing(results, controls))
    roads = Roads(graph, _targets(question.targets, graph))
    found = roads.ways(_sources(question.sources, graph))
    listed = found[: question.limit]
    edges = {step: graph.edge(*step) for way in listed for step in way.steps}
    return Attacks(
        paths=tuple(AttackPath(tuple(edges[step] for step in way.steps), way.severity) for way in listed),
        left_out=len(found) - len(listed),
        cuts=tuple(_cuts(graph, roads, found, len(listed))),
        notes=(*graph.notes, *refused, *_lacking(objects)),
    )


def _leave_out_refused(objects: Objects) -> list[str]:
    """Leave out the workloads whose pods Pod Security refuses, so that none ever runs; notes that say which."""
    refused = [
        workload
        for workload in objects.workloads
        if objects.keeps_privileged_pods_out(workload.item.namespace)
        and not workload.is_running
        and any(True for _ in escapes(workload))
    ]
    objects.leave_out(refused)
    return [f"Pod Security refuses the pods of {few(item.item.label for item in refused)}"] if refused else []


def _build(objects: Objects, failing: Failing) -> Graph:
    graph = Graph(failing)
    places = Places(objects, graph)
    for workload in objects.workloads:
        node = workload_node(graph, workload)
        join(graph, objects, workload, node)
        for draft in escapes(workload):
            graph.add(node, places.host, EdgeKind.ESCAPE, draft)
    Granted(objects, graph, places).add()
    places.join()
    # Last, as only these edges can be many more than there are objects.
    Exposure(objects, graph).add()
    return graph


def _sources(words: Sequence[str], graph: Graph) -> list[str]:
    if words:
        return [name for word in words for name in _ends(word, graph, _SOURCES)]
    return [name for name in _SOURCES.values() if name in graph.nodes]


def _targets(words: Sequence[str], graph: Graph) -> list[set[str]]:
    if words:
        return [{*_ends(word, graph, {})} for word in words]
    return [{name for name, node in graph.nodes.items() if node.kind in kinds} for kinds in _WANTED]


def _ends(word: str, graph: Graph, known: Mapping[str, str]) -> list[str]:
    """The nodes that `word` means, as `Question` has it; of the words for many, those in `known` if it is for sources.

    Raises UnknownNameError.
    """
    text = word.strip().lower()
    if text in known:
        return [known[text]] if known[text] in graph.nodes else []
    if not known and text in _TARGETS:
        return [name for name, node in graph.nodes.items() if node.kind in _TARGETS[text]]
    found = [name for name, node in graph.nodes.items() if text in _spelled(node)]
    if not found:
        words = [*(known or _TARGETS), *(item for node in graph.nodes.values() for item in _spelled(node))]
        near = difflib.get_close_matches(text, dict.fromkeys(words), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownNameError(f"nothing on the ways of an attacker is called {word!r}{hint}")
    return found


def _spelled(node: AttackNode) -> tuple[str, ...]:
    """How people may name a node: `deployment/web` and `shop/deployment/web`."""
    kind, _, rest = node.label.lower().partition(" ")
    namespace, _, name = rest.rpartition("/")
    if not rest or node.kind in (
        AttackNodeKind.PODS,
        AttackNodeKind.ACCOUNTS,
        AttackNodeKind.SECRETS,
        AttackNodeKind.HOST,
        AttackNodeKind.ROLE,
    ):
        return (node.label.lower(),)
    return (f"{kind}/{rest}", f"{namespace}/{kind}/{name}", f"{kind}/{name}") if namespace else (f"{kind}/{rest}",)


def _cuts(graph: Graph, roads: Roads, found: Sequence[Way], listed: int) -> Iterable[Cut]:
    steps = dict.fromkeys(step for way in found for step in way.steps)
    breakable = {step for step in steps if _is_breakable(graph, *step)}
    removed: set[Step] = set()
    for step, ended in cuts(found, breakable, _CUTS):
        removed.add(step)
        shown = tuple(place for place in ended if place < listed)
        detours = roads.detours([found[place] for place in ended], removed)
        yield Cut(graph.edge(*step), shown, len(ended) - len(shown), detours)


def _is_breakable(graph: Graph, source: str, target: str) -> bool:
    """Whether the edge can be taken away: what a role allows that every cluster has cannot."""
    kind = graph.kind(source, target)
    return kind in _BREAKABLE and (kind is not EdgeKind.PERMISSION or source in graph.items)


def _lacking(objects: Objects) -> Iterable[str]:
    """What an input does not hold or leaves open, so that nobody can tell about it."""
    if not objects.workloads:
        yield "the input holds no workload"
    if not (objects.of("RoleBinding") or objects.of("ClusterRoleBinding")):
        yield "the input holds no bindings: paths through what service accounts and users may do cannot be seen"
    if not (objects.of(NETWORK_POLICY) or objects.of(CILIUM_POLICY) or objects.of(CILIUM_CLUSTERWIDE)):
        yield "the input holds no network policies: those that it leaves out may end paths"
    if any(map(objects.of, OTHER_POLICIES)):
        yield "network policies of Calico and of administrators are not looked at: they may end paths"
    if objects.malformed:
        yield f"left out, as no API server takes what they say of pods: {few(item.label for item in objects.malformed)}"
    if objects.unplaced:
        yield f"taken to go to one namespace, as they name none: {_counted(objects.unplaced)}"
    if objects.repeated:
        names = few(objects.repeated)
        yield f"several times in the input, so that paths may mix what is never installed together: {names}"


def _counted(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'}"
