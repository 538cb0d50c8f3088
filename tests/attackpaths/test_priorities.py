"""Priorities: complete paths through attack tracks, and their scores."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from kubekeep.attackpaths.priorities import MAX_VECTORS, prioritise_resources
from kubekeep.attackpaths.tracks import Step, Track, TrackMembership, Tracks, load_tracks
from kubekeep.library.load import builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.attack import PrioritisedResource
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import PASSED, Evidence, Status, Verdict

FAILED = Verdict(Status.FAILED, (Evidence("spec", exists=True),))
EXCEPTED = Verdict(
    Status.FAILED, (Evidence("spec", exists=True, exception=AppliedException(name="w", source=ExceptionSource.FILE)),)
)
NUMBERS = {number: slug for slug, control in builtin().controls.items() for number in control.ids}


def result(*failed: str, kind: str = "Deployment", replicas: Any = 1, **others: Verdict) -> SubjectResult:
    spec = {"replicas": replicas, "template": {"spec": {"containers": []}}}
    workload = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}
    verdicts = {NUMBERS[number]: FAILED for number in failed}
    other_verdicts = {NUMBERS[name.replace("_", "-")]: verdict for name, verdict in others.items()}
    return SubjectResult(Resource(workload), {**verdicts, **other_verdicts})


def rank_resources(*results: SubjectResult) -> list[PrioritisedResource]:
    return [*prioritise_resources(results, builtin().controls, load_tracks())]


def list_paths(entry: PrioritisedResource) -> set[tuple[str, ...]]:
    return {(vector.track, *(step.control.id for step in vector.steps)) for vector in entry.vectors}


def test_path_needs_a_failure_at_every_step() -> None:
    assert rank_resources(result("C-0256")) == []
    assert rank_resources(result("C-0270")) == []
    assert rank_resources(result("C-0256", C_0270=PASSED)) == []
    (entry,) = rank_resources(result("C-0256", "C-0270"))
    assert list_paths(entry) == {("service-destruction", "C-0256", "C-0270")}


def test_vulnerability_steps_are_skipped() -> None:
    (entry,) = rank_resources(result("C-0256", "C-0017"))
    assert list_paths(entry) == {("workload-external-track", "C-0256", "C-0017")}


def test_score_is_sum_of_products() -> None:
    (entry,) = rank_resources(result("C-0256", "C-0266", "C-0270", "C-0271", replicas=3))
    assert len(entry.vectors) == 4
    assert all(vector.score == pytest.approx(7 * 8 * 1.3) for vector in entry.vectors)
    assert entry.score == pytest.approx(4 * 7 * 8 * 1.3)
    assert (entry.severity, entry.unlisted_vector_count) == (Severity.HIGH, 0)


@pytest.mark.parametrize(("replicas", "factor"), [(None, 1.1), (0, 1.0), (10, 2.0), ("many", 1.1), (True, 1.1)])
def test_replicas_raise_the_score(replicas: Any, factor: float) -> None:
    (entry,) = rank_resources(result("C-0256", "C-0017", replicas=replicas))
    assert entry.score == pytest.approx(7 * 3 * factor)


def test_highest_score_comes_first() -> None:
    low, high = result("C-0256", "C-0017"), result("C-0256", "C-0255")
    assert [entry.resource for entry in rank_resources(low, high)] == [high.subject, low.subject]


def test_excepted_findings_do_not_count() -> None:
    assert rank_resources(result("C-0256", C_0270=EXCEPTED)) == []


def test_resources_without_pods_are_not_ranked() -> None:
    assert rank_resources(result("C-0256", "C-0270", kind="Service")) == []


def test_paths_of_impact_controls_alone_do_not_count() -> None:
    known = Tracks((Track("t", Step("a")),), {"C-1": TrackMembership(("security-impact",), {"t": ("a",)})})
    control = msgspec.structs.replace(builtin().controls[NUMBERS["C-0256"]], slug="s", ids=("C-1",))
    ranking = result("C-0256")
    only = SubjectResult(ranking.subject, {"s": FAILED})
    assert prioritise_resources([only], {"s": control}, known) == ()
    both = {"C-1": TrackMembership(("security-impact", "security"), {"t": ("a",)})}
    assert len(prioritise_resources([only], {"s": control}, msgspec.structs.replace(known, memberships=both))) == 1


def test_excess_paths_are_counted_and_not_listed() -> None:
    steps = Step("0", sub_steps=(Step("1", sub_steps=(Step("2", sub_steps=(Step("3"),)),)),))
    members, controls, verdicts = {}, {}, {}
    template = builtin().controls[NUMBERS["C-0256"]]
    for number in range(40):
        slug = f"c{number}"
        controls[slug] = msgspec.structs.replace(template, slug=slug, ids=(slug,))
        members[slug] = TrackMembership(("security",), {"t": (str(number % 4),)})
        verdicts[slug] = FAILED
    ranking: dict[str, Control] = controls
    (entry,) = prioritise_resources(
        [SubjectResult(result().subject, verdicts)], ranking, Tracks((Track("t", steps),), members)
    )
    assert len(entry.vectors) == MAX_VECTORS
    assert entry.unlisted_vector_count == 10**4 - MAX_VECTORS
    assert math.isfinite(entry.score)
