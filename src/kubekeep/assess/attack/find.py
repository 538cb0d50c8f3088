"""Find attack paths: build the graph, choose where they start and end, and say what the input lacks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kubekeep.assess.attack.escape import escapes
from kubekeep.assess.attack.exposure import INTERNET, Exposure, workload_node
from kubekeep.assess.attack.grants import Granted
from kubekeep.assess.attack.graph import Failing, Graph
from kubekeep.assess.attack.identity import join
from kubekeep.assess.attack.objects import Objects
from kubekeep.assess.attack.places import ANONYMOUS, AUTHENTICATED, Places
from kubekeep.assess.attack.search import Way, cuts, ways
from kubekeep.assess.select import UnknownNameError
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.attack import EVERYTHING, AttackPath, Attacks, Cut, EdgeKind, Node, NodeKind, Question
from kubekeep.model.control import Control
from kubekeep.model.resource import Resource

_CUTS: Final = 5
_BREAKABLE: Final = frozenset({EdgeKind.ESCAPE, EdgeKind.IDENTITY, EdgeKind.BINDING, EdgeKind.PERMISSION})
"""What can be taken away without taking away what the thing is for."""
_SOURCES: Final = {"internet": INTERNET, "anonymous": ANONYMOUS, "authenticated": AUTHENTICATED}
_TARGETS: Final[Mapping[str, tuple[NodeKind, ...]]] = {
    "cluster-admin": (NodeKind.CLUSTER_ADMIN,),
    "node": (NodeKind.HOST,),
    "secrets": (NodeKind.SECRETS, NodeKind.SECRET),
}
_WANTED: Final = (
    (NodeKind.CLUSTER_ADMIN,),
    (NodeKind.HOST,),
    (NodeKind.SECRETS,),
    (NodeKind.SECRET,),
)
"""What attackers want where nobody says what, one path each."""


def find(
    resources: Iterable[Resource],
    results: Sequence[ResourceResult],
    controls: Mapping[str, Control],
    question: Question = EVERYTHING,
) -> Attacks:
    """The attack paths through `resources`, with the controls, by slug, that fail along them.

    Raises UnknownNameError for a source or target that nothing is called.
    """
    objects = Objects(resources)
    graph = _build(objects, Failing(results, controls))
    sources = [name for word in question.sources for name in _ends(word, graph, _SOURCES)] or [
        name for name in (INTERNET, ANONYMOUS, AUTHENTICATED) if name in graph.nodes
    ]
    found = ways(graph, sources, _targets(question.targets, graph))
    listed = found[: question.most]
    edges = {step: graph.edge(*step) for way in listed for step in way.steps}
    return Attacks(
        paths=tuple(AttackPath(tuple(edges[step] for step in way.steps), way.severity) for way in listed),
        left_out=len(found) - len(listed),
        cuts=tuple(_cuts(graph, found, len(listed))),
        notes=(*graph.notes, *_lacking(objects)),
    )


def _build(objects: Objects, failing: Failing) -> Graph:
    graph = Graph(failing)
    places = Places(objects, graph)
    Exposure(objects, graph).add()
    for workload in objects.workloads:
        node = workload_node(graph, workload)
        join(graph, objects, workload, node)
        # A pod that Pod Security refuses never runs.
        if not places.keeps_privileged_pods_out(workload.item.namespace):
            for draft in escapes(workload):
                graph.add(node, places.host, EdgeKind.ESCAPE, draft)
    Granted(objects, graph, places).add()
    places.join()
    return graph


def _targets(words: Iterable[str], graph: Graph) -> list[set[str]]:
    named = [{name for word in words for name in _ends(word, graph, {})}]
    if named[0]:
        return named
    return [{name for name, node in graph.nodes.items() if node.kind in kinds} for kinds in _WANTED]


def _ends(word: str, graph: Graph, known: Mapping[str, str]) -> list[str]:
    """The nodes that `word` means: `cluster-admin`, `node`, `secrets`, `internet`, `deployment/web`, ...

    An object is named by kind and name, with its namespace before it if need be; a user or group as `group/NAME`.
    Raises UnknownNameError.
    """
    text = word.strip().lower()
    if text in known:
        return [known[text]] if known[text] in graph.nodes else []
    kinds = _TARGETS.get(text, ())
    if kinds and not known:
        return [name for name, node in graph.nodes.items() if node.kind in kinds]
    names = {name: _spelled(node) for name, node in graph.nodes.items()}
    found = [name for name, spelled in names.items() if text in spelled]
    if not found:
        words = [*known, *(() if known else _TARGETS), *(item for spelled in names.values() for item in spelled)]
        near = difflib.get_close_matches(text, dict.fromkeys(words), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownNameError(f"nothing on the ways of an attacker is called {word!r}{hint}")
    return found


def _spelled(node: Node) -> tuple[str, ...]:
    """How people may name a node: `deployment/web` and `shop/deployment/web`."""
    kind, _, rest = node.label.lower().partition(" ")
    namespace, _, name = rest.rpartition("/")
    if not rest or node.kind in (NodeKind.PODS, NodeKind.ACCOUNTS, NodeKind.SECRETS, NodeKind.HOST, NodeKind.ROLE):
        return (node.label.lower(),)
    return (f"{kind}/{rest}", f"{namespace}/{kind}/{name}", f"{kind}/{name}") if namespace else (f"{kind}/{rest}",)


def _cuts(graph: Graph, found: Sequence[Way], listed: int) -> Iterable[Cut]:
    kinds = {step: graph.kind(*step) for way in found for step in way.steps}
    breakable = {step for step, kind in kinds.items() if kind in _BREAKABLE}
    left = {*range(len(found))}
    for step, _ in cuts(found, breakable, _CUTS):
        ended = {place for place in left if step in found[place].steps}
        left -= ended
        shown = tuple(sorted(place for place in ended if place < listed))
        yield Cut(graph.edge(*step), shown, len(ended) - len(shown))


def _lacking(objects: Objects) -> Iterable[str]:
    """What an input does not hold, so that nobody can tell about it."""
    if not (objects.of("RoleBinding") or objects.of("ClusterRoleBinding")):
        yield "the input holds no bindings: paths through what service accounts and users may do cannot be seen"
    if not objects.of("NetworkPolicy"):
        yield "the input holds no NetworkPolicy: policies that it leaves out may end paths"
    if objects.malformed:
        labels = ", ".join(item.label for item in objects.malformed[:3])
        yield f"left out, as no API server takes what they say of pods: {labels}"
    if not objects.workloads:
        yield "the input holds no workload"
