"""Controls of an opening: those with unexcepted failures on its resource, or on a binding with its role."""

from __future__ import annotations

from typing import Any

from kubekeep.attackpaths.graph import Draft, FailedControls, Graph
from kubekeep.attackpaths.objects import PlacedResource
from kubekeep.library.load import builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.attack import AttackNodeKind, EdgeKind
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import PASSED, Evidence, Status, Verdict

UNEXCEPTED = Evidence("spec", exists=True)
EXCEPTED = Evidence("spec", exists=True, exception=AppliedException(name="w", source=ExceptionSource.COMMENT))
SLUGS = ("privileged-container", "host-path", "reading-secrets")


def place_resource(name: str = "web", **fields: Any) -> PlacedResource:
    resource = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **fields})
    return PlacedResource(resource, resource, "default", name)


def list_failed(draft: Draft, *results: SubjectResult) -> list[str]:
    return [control.slug for control in FailedControls(results, builtin().controls).list_failed(draft)]


def test_unexcepted_failures_are_listed() -> None:
    web = place_resource()
    verdicts = {
        "privileged-container": Verdict(Status.FAILED, (UNEXCEPTED, EXCEPTED)),
        "host-path": Verdict(Status.FAILED, (EXCEPTED,)),
        "reading-secrets": PASSED,
        "host-port": Verdict(Status.FAILED, (UNEXCEPTED,)),
    }
    assert list_failed(Draft("", web, slugs=SLUGS), SubjectResult(web.original, verdicts)) == ["privileged-container"]
    assert list_failed(Draft("", place_resource(), slugs=SLUGS), SubjectResult(web.original, verdicts)) == []
    assert list_failed(Draft("", slugs=SLUGS), SubjectResult(web.original, verdicts)) == []


def test_failure_of_joined_subject_counts_for_its_binding_and_role() -> None:
    binding, role, other = place_resource("binding"), place_resource("role"), place_resource("other")
    subject = Resource({"kind": "User", "name": "jane"}, related=(binding.original, role.original))
    result = SubjectResult(subject, {"reading-secrets": Verdict(Status.FAILED, (UNEXCEPTED,))})
    assert list_failed(Draft("", binding, slugs=SLUGS, also_evaluated=(binding, role)), result) == ["reading-secrets"]
    assert list_failed(Draft("", binding, slugs=SLUGS, also_evaluated=(binding, other)), result) == []
    assert list_failed(Draft("", role, slugs=SLUGS, also_evaluated=(role,)), result) == ["reading-secrets"]


def test_openings_without_assumption_come_first() -> None:
    graph = Graph(FailedControls((), {}))
    a, b = (graph.ensure_node(name, AttackNodeKind.WORKLOAD, name) for name in "ab")
    graph.add(a, b, EdgeKind.ESCAPE, Draft("perhaps", assumes="it rains"))
    assert [*graph.iterate_edges()] == [("a", "b", True)]
    assert graph.build_edge("a", "b").assumes == "it rains"
    graph.add(a, b, EdgeKind.ESCAPE, Draft("surely"))
    graph.add(a, b, EdgeKind.ESCAPE, Draft("surely"))
    graph.add(a, a, EdgeKind.ESCAPE, Draft("nowhere"))
    assert [*graph.iterate_edges()] == [("a", "b", False)]
    edge = graph.build_edge("a", "b")
    assert [opening.text for opening in edge.openings] == ["surely", "perhaps"]
    assert edge.assumes == ""
