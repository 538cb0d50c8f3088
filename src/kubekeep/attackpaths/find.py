"""Compute attack paths: build the graph, select sources and targets, and report gaps of the input. Never reads input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.attackpaths.claims import NodeVolumes
from kubekeep.attackpaths.escape import find_claim_escapes, find_escapes
from kubekeep.attackpaths.exposure import INTERNET, Exposure, VulnerableImages, get_workload_node
from kubekeep.attackpaths.grants import RoleGrants
from kubekeep.attackpaths.graph import FailedControls, Graph
from kubekeep.attackpaths.identity import add_reads, add_token, list_token_secrets
from kubekeep.attackpaths.objects import Objects, join_labels
from kubekeep.attackpaths.search import CandidatePath, EdgeKey, PathSearch, choose_cuts
from kubekeep.attackpaths.shared_nodes import ANONYMOUS, AUTHENTICATED, SharedNodes
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.attack import ALL_PATHS, AttackNode, AttackNodeKind, AttackPath, AttackQuery, Attacks, Cut, EdgeKind
from kubekeep.model.control import Control
from kubekeep.model.resource import Resource
from kubekeep.model.similar_names import find_similar
from kubekeep.posture.isolation import CILIUM_CLUSTERWIDE, CILIUM_POLICY, NETWORK_POLICY, OTHER_POLICIES
from kubekeep.posture.roles import FILES, RoleCoverage
from kubekeep.posture.select import UnknownNameError

_MAX_CUTS: Final = 5
_BREAKABLE: Final = frozenset(
    {EdgeKind.VULNERABILITY, EdgeKind.ESCAPE, EdgeKind.IDENTITY, EdgeKind.BINDING, EdgeKind.PERMISSION}
)
"""Kinds of edges that can be removed without removing the purpose of the workload."""
_SOURCES: Final = {"internet": INTERNET, "anonymous": ANONYMOUS, "authenticated": AUTHENTICATED}
_TARGETS: Final[Mapping[str, tuple[AttackNodeKind, ...]]] = {
    "cluster-admin": (AttackNodeKind.CLUSTER_ADMIN,),
    "node": (AttackNodeKind.HOST,),
    "secrets": (AttackNodeKind.SECRETS, AttackNodeKind.SECRET),
}
_DEFAULT_TARGETS: Final = (
    (AttackNodeKind.CLUSTER_ADMIN,),
    (AttackNodeKind.HOST,),
    (AttackNodeKind.SECRETS,),
    (AttackNodeKind.SECRET,),
)
"""Targets if the query names none, one path each."""


def compute_attack_paths(
    resources: Iterable[Resource],
    results: Sequence[SubjectResult],
    controls: Mapping[str, Control],
    query: AttackQuery = ALL_PATHS,
    roles: RoleCoverage = FILES,
    images: VulnerableImages | None = None,
) -> Attacks:
    """Compute the attack paths through `resources`, with the failed controls along them (`controls` are by slug).

    Roles in gaps of `roles` have unknown permissions, also in namespaces that were not selected. images: the vulnerable
    ones by container, through which paths from the internet have to lead; None for paths through all exposed workloads.
    Raises UnknownNameError if a source or target of the query matches no node.
    """
    objects = Objects(resources)
    refused = _remove_refused_workloads(objects)
    gaps = [msgspec.structs.replace(gap, is_outside_selection=False) for gap in roles.gaps]
    roles = RoleCoverage(roles.is_whole_cluster, gaps)
    graph = _build_graph(objects, FailedControls(results, controls), roles, images=images)
    search = PathSearch(graph, _find_targets(query.targets, graph))
    paths = search.find_paths(_find_sources(query.sources, graph))
    listed = paths[: query.limit]
    edges = {step: graph.build_edge(*step) for path in listed for step in path.steps}
    return Attacks(
        paths=tuple(AttackPath(tuple(edges[step] for step in path.steps), path.severity) for path in listed),
        unlisted_path_count=len(paths) - len(listed),
        cuts=tuple(_list_cuts(graph, search, paths, len(listed))),
        is_from_outside=not query.sources,
        escaping=() if paths or query.sources else tuple(_list_escaping_workloads(graph)),
        notes=(*graph.notes, *refused, *_list_gaps(objects)),
    )


def build_graph(resources: Iterable[Resource], roles: RoleCoverage = FILES) -> Graph:
    """Return the attack graph of resources, without failed controls, and without data that leads nowhere."""
    objects = Objects(resources)
    _remove_refused_workloads(objects)
    has_tokens = any(True for _ in list_token_secrets(objects))
    return _build_graph(objects, FailedControls((), {}), roles, reads_data=has_tokens)


def fails_gate(attacks: Attacks, query: AttackQuery) -> bool:
    """Return True if a path without assumptions leads from outside to cluster-admin.

    If the query names sources or targets, any path without assumptions counts.
    """
    certain_paths = [path for path in attacks.paths if not path.assumptions]
    if query.sources or query.targets:
        return bool(certain_paths)
    return any(
        path.source.id in (INTERNET, ANONYMOUS) and path.target.kind is AttackNodeKind.CLUSTER_ADMIN
        for path in certain_paths
    )


def _remove_refused_workloads(objects: Objects) -> list[str]:
    """Remove workloads with pods that Pod Security refuses, which never run; return notes about them."""
    refused = [
        workload
        for workload in objects.workloads
        if objects.blocks_privileged_pods(workload.resource.namespace)
        and not workload.is_running
        and any(True for _ in find_escapes(workload))
    ]
    objects.remove_workloads(refused)
    if not refused:
        return []
    return [f"Pod Security rejects the pods of {join_labels(workload.resource.label for workload in refused)}"]


def _build_graph(
    objects: Objects,
    failed_controls: FailedControls,
    roles: RoleCoverage,
    *,
    reads_data: bool = True,
    images: VulnerableImages | None = None,
) -> Graph:
    """Return the graph. reads_data: False leaves out the edges to data, which go on only from Secrets with a token."""
    graph = Graph(failed_controls)
    nodes = SharedNodes(objects, graph)
    node_volumes = NodeVolumes(objects)
    for workload in objects.workloads:
        node = get_workload_node(graph, workload)
        add_token(graph, objects, workload, node)
        if reads_data:
            add_reads(graph, objects, workload, node)
        for draft in (*find_escapes(workload), *find_claim_escapes(workload, node_volumes)):
            graph.add(node, nodes.host, EdgeKind.ESCAPE, draft)
    RoleGrants(objects, graph, nodes, roles).add()
    nodes.connect()
    # Last, because only these edges can be many more than the objects.
    Exposure(objects, graph, images).add()
    return graph


def _list_escaping_workloads(graph: Graph) -> Iterator[str]:
    """Yield the names of the workloads that do not isolate their processes from the node."""
    for source, target, _ in graph.iterate_edges():
        if graph.get_kind(source, target) is EdgeKind.ESCAPE:
            yield _list_names(graph.nodes[source])[:2][-1]


def _find_sources(words: Sequence[str], graph: Graph) -> list[str]:
    if words:
        return [name for word in words for name in _match_nodes(word, graph, _SOURCES)]
    return [name for name in _SOURCES.values() if name in graph.nodes]


def _find_targets(words: Sequence[str], graph: Graph) -> list[set[str]]:
    if words:
        return [{*_match_nodes(word, graph, {})} for word in words]
    return [{name for name, node in graph.nodes.items() if node.kind in kinds} for kinds in _DEFAULT_TARGETS]


def _match_nodes(word: str, graph: Graph, keywords: Mapping[str, str]) -> list[str]:
    """Return the ids of the nodes that `word` names, as in `AttackQuery`. Raises UnknownNameError.

    `keywords` are the keywords of sources; if empty, `word` is a target with the keywords of `_TARGETS`.
    """
    text = word.strip().lower()
    if text in keywords:
        return [keywords[text]] if keywords[text] in graph.nodes else []
    if not keywords and text in _TARGETS:
        return [name for name, node in graph.nodes.items() if node.kind in _TARGETS[text]]
    matches = [name for name, node in graph.nodes.items() if text in _list_names(node)]
    if not matches:
        words = [*(keywords or _TARGETS), *(name for node in graph.nodes.values() for name in _list_names(node))]
        similar = find_similar(text, dict.fromkeys(words), cutoff=0.5)
        hint = f"; did you mean {similar}?" if similar else ""
        raise UnknownNameError(f"no resource on an attack path has the name {word!r}{hint}")
    return matches


def _list_names(node: AttackNode) -> tuple[str, ...]:
    """Return the names that users may give for a node: `deployment/web` and `shop/deployment/web`."""
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


def _list_cuts(graph: Graph, search: PathSearch, paths: Sequence[CandidatePath], listed: int) -> Iterable[Cut]:
    steps = dict.fromkeys(step for path in paths for step in path.steps)
    breakable = {step for step in steps if _is_breakable(graph, *step)}
    removed: set[EdgeKey] = set()
    for step, broken in choose_cuts(paths, breakable, _MAX_CUTS):
        removed.add(step)
        listed_positions = tuple(position for position in broken if position < listed)
        detours = search.count_detours([paths[position] for position in broken], removed)
        yield Cut(graph.build_edge(*step), listed_positions, len(broken) - len(listed_positions), detours)


def _is_breakable(graph: Graph, source: str, target: str) -> bool:
    """Return True if the edge can be removed; permissions of built-in roles cannot."""
    kind = graph.get_kind(source, target)
    return kind in _BREAKABLE and (kind is not EdgeKind.PERMISSION or source in graph.resources)


def _list_gaps(objects: Objects) -> Iterable[str]:
    """Yield notes about missing or ambiguous parts of the input that affect the paths."""
    if not objects.workloads:
        yield "the input contains no workload"
    if not (objects.list_kind("RoleBinding") or objects.list_kind("ClusterRoleBinding")):
        yield "the input contains no bindings: paths through permissions of service accounts and users cannot be found"
    if not (
        objects.list_kind(NETWORK_POLICY) or objects.list_kind(CILIUM_POLICY) or objects.list_kind(CILIUM_CLUSTERWIDE)
    ):
        yield "the input contains no network policies: policies outside the input may block paths"
    if any(map(objects.list_kind, OTHER_POLICIES)):
        yield "network policies of Calico, Antrea and administrators are not evaluated: they may block paths"
    if objects.malformed_resources:
        yield f"excluded, because their pod templates are invalid: {join_labels(resource.label for resource in objects.malformed_resources)}"
    if objects.unplaced_count:
        yield f"without a namespace, treated as in one namespace: {_format_object_count(objects.unplaced_count)}"
    if objects.repeated_labels:
        names = join_labels(objects.repeated_labels)
        yield f"several times in the input, so that paths may combine resources that are never installed together: {names}"


def _format_object_count(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'}"
