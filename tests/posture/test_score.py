"""Scores and coverage, compared with figures calculated by hand from docs/scores.md."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.assessment import Counts, DefinitionSummary
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Reason, Status
from kubekeep.posture import score
from kubekeep.posture.select import find_controls


def summary(passed: int, failed: int, not_evaluated: int = 0, cause: Cause | None = None) -> DefinitionSummary:
    counts = Counts(passed, failed, not_evaluated)
    return DefinitionSummary(
        definition=find_controls(["C-0057"])[0],
        status=score.status(counts),
        counts=counts,
        score=0,
        compliance=score.compliance(counts),
        reason=None if cause is None else Reason(cause, ""),
    )


@pytest.mark.parametrize(
    ("spec", "weight"),
    [({}, 1), ({"replicas": 1}, 1), ({"replicas": 3}, 3.3), ({"replicas": True}, 1), ({"replicas": "3"}, 1), (None, 1)],
)
def test_weight(spec: Any, weight: float) -> None:
    assert score.weight(Resource({"spec": spec})) == pytest.approx(weight)


def test_subject_has_weight_of_its_heaviest_relation() -> None:
    related = (Resource({"spec": {"replicas": 5}}), Resource({}))
    assert score.weight(Resource({"kind": "User"}, related=related)) == pytest.approx(5.5)


def test_risk() -> None:
    assert score.risk(2, 8) == 25
    assert score.risk(0, 0) == 0
    assert score.risk(4.3, 5.3) == pytest.approx(81.13, abs=0.005)
    assert score.risk(8 * 4.3 + 3 * 1, 8 * 5.3 + 3 * 5.3) == pytest.approx(64.15, abs=0.005)


def test_compliance_denominator_includes_not_evaluated() -> None:
    assert score.compliance(Counts(passed=1, failed=1, not_evaluated=2)) == 25
    assert score.compliance(Counts()) is None


def test_mean_compliance_covers_evaluated_controls() -> None:
    controls = [summary(1, 2), summary(3, 0), summary(0, 0, cause=Cause.IRRELEVANT), summary(0, 0, 4)]
    assert score.mean_compliance(controls) == pytest.approx((100 / 3 + 100) / 2)
    assert score.mean_compliance([summary(0, 0)]) is None


def test_coverage_counts_relevant_controls_only() -> None:
    aside = summary(0, 0, cause=Cause.NEEDS_CLUSTER)
    irrelevant = summary(0, 0, cause=Cause.IRRELEVANT)
    assert score.coverage([summary(1, 0), summary(0, 1), aside, irrelevant]) == pytest.approx(200 / 3)
    assert score.coverage([irrelevant]) == 100
    assert score.coverage([]) == 0


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        (Counts(1, 0, 0), Status.PASSED),
        (Counts(1, 1, 1), Status.FAILED),
        (Counts(1, 0, 1), Status.NOT_EVALUATED),
        (Counts(), Status.NOT_EVALUATED),
    ],
)
def test_status(counts: Counts, status: Status) -> None:
    assert score.status(counts) is status
