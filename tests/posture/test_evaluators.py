"""Evaluators in addition to the library's rules: their verdicts are added, none is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.control import Control
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import PASSED, Evidence, Status, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import Selection, find_controls, select
from kubekeep.posture.summary import summarise

NAMED_WELL = Control(
    slug="named-well", title="Named well", severity=5, asks="x", why="x", fix="x", targets=("ConfigMap",)
)


class Names:
    """Evaluator that fails ConfigMaps called `bad`."""

    controls = (NAMED_WELL,)

    def evaluate(
        self,
        resources: Sequence[Resource],
        *,
        kubernetes_minor: int,  # noqa: ARG002 - the rule is the same in every version
    ) -> Iterator[tuple[int, str, Verdict]]:
        for place, resource in enumerate(resources):
            if resource.kind == "ConfigMap":
                failed = Verdict(Status.FAILED, (Evidence("metadata.name", exists=True),))
                yield place, NAMED_WELL.slug, failed if resource.name == "bad" else PASSED


def create_resource(kind: str, name: str) -> Resource:
    return Resource({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": {"containers": []}})


def evaluate_all(*resources: Resource) -> tuple[Selection, list[SubjectResult]]:
    selection = select(named=find_controls(["C-0057"]), evaluators=[Names()])
    return selection, evaluate(resources, selection, RegoPolicySet, kubernetes_minor=37)


def test_verdicts_of_evaluators_and_library_are_joined() -> None:
    _, results = evaluate_all(
        create_resource("ConfigMap", "bad"), create_resource("Pod", "web"), create_resource("Service", "web")
    )
    statuses = [
        (result.subject.kind, {slug: verdict.status for slug, verdict in result.verdicts.items()}) for result in results
    ]
    assert statuses == [
        ("ConfigMap", {"named-well": Status.FAILED}),
        ("Pod", {"privileged-container": Status.PASSED}),
    ]


def test_controls_of_evaluators_are_summarised() -> None:
    selection, results = evaluate_all(create_resource("ConfigMap", "bad"), create_resource("ConfigMap", "good"))
    (summary,) = [entry for entry in summarise(results, selection).summaries if entry.definition is NAMED_WELL]
    assert (summary.counts.passed, summary.counts.failed, summary.compliance) == (1, 1, 50)
