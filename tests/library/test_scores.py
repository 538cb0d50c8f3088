"""Scores of two public projects, compared with Kubescape's formulas applied to Kubescape's verdicts.

This module implements the formulas a second time, from their description. It is skipped without Kubescape's verdicts
beside the checkout. The tests compare controls with equal verdicts for equal resources, and frameworks by their
evaluated controls: our mean leaves out a control that was not evaluated, while Kubescape counts it as 0. The number of
equal controls must not fall.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from typing import Any, Final, TypeAlias

import pytest

from kubekeep.library.load import builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.control import Control
from kubekeep.posture.select import select
from kubekeep.posture.summary import Totals, summarise
from tests.library.kubescape import FACTS
from tests.library.test_corpora import CORPORA, VERDICTS, Key, ours, theirs

AGREEING: Final = {"kubernetes-goat": 52, "microservices-demo": 37}
"""Minimum number of controls with equal verdicts for every resource."""
Rows: TypeAlias = dict[Key, str]
pytestmark = pytest.mark.skipif(not VERDICTS.is_dir(), reason=f"no facts at {VERDICTS}")


@functools.cache
def rows(corpus: str) -> dict[str, Rows]:
    """Return Kubescape's verdicts by number of the control and resource."""
    by_number: dict[str, Rows] = defaultdict(dict)
    for key, controls in theirs(corpus):
        for number, (status, *_) in controls.items():
            by_number[number][key] = status
    return by_number


@functools.cache
def numbered() -> dict[str, Control]:
    return {number: control for control in builtin().controls.values() for number in control.ids}


@functools.cache
def known(corpus: str) -> dict[Key, SubjectResult]:
    """Return our results for the resources that Kubescape reports too."""
    names = {key for key, _ in theirs(corpus)}
    return {key: result for key, result in ours(corpus).items() if key in names}


@functools.cache
def agreeing(corpus: str) -> dict[str, Rows]:
    """Return the controls with equal verdicts for equal resources, with Kubescape's verdicts."""
    words = {"passed": "passed", "failed": "failed", "notEvaluated": "skipped"}
    equal = {}
    for number, verdicts in rows(corpus).items():
        slug = numbered()[number].slug
        mine = {
            key: words[result.verdicts[slug].status] for key, result in known(corpus).items() if slug in result.verdicts
        }
        if mine == verdicts:
            equal[number] = verdicts
    return equal


@functools.cache
def totals(corpus: str, numbers: tuple[str, ...]) -> Totals:
    """Return our scores of the controls with these numbers."""
    chosen = [numbered()[number] for number in numbers]
    slugs = {control.slug for control in chosen}
    results = [
        SubjectResult(result.subject, {slug: verdict for slug, verdict in result.verdicts.items() if slug in slugs})
        for result in known(corpus).values()
    ]
    return summarise(results, select(named=chosen))


def facts() -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads((FACTS / "control-facts.json").read_text(encoding="utf-8"))
    return decoded


def compliance(statuses: Rows) -> float:
    counted = list(statuses.values())
    return 100 if set(counted) == {"passed"} else 100 * counted.count("passed") / len(counted)


def weight(key: Key, corpus: str) -> float:
    """Return the weight of a resource: 1.1 x replicas if it has several, else 1."""
    spec = known(corpus)[key].subject.object.get("spec") or {}
    replicas = spec.get("replicas", 1)
    return float(replicas * 1.1 if replicas > 1 else 1)


@pytest.mark.parametrize("corpus", CORPORA)
def test_controls(corpus: str) -> None:
    same = agreeing(corpus)
    assert len(same) >= AGREEING[corpus]
    sums = {number: summary for summary in totals(corpus, tuple(same)).summaries for number in summary.definition.ids}
    for number, statuses in same.items():
        assert sums[number].compliance == pytest.approx(compliance(statuses), abs=0.005), number
        failed = sum(weight(key, corpus) for key, status in statuses.items() if status == "failed")
        whole = sum(weight(key, corpus) for key in statuses)
        assert sums[number].score == pytest.approx(100 * failed / whole, abs=0.005), number


@pytest.mark.parametrize("corpus", CORPORA)
def test_frameworks(corpus: str) -> None:
    same = agreeing(corpus)
    severities = {fact["id"]: fact["baseScore"] for fact in facts()["controls"]}
    evaluated = {number for number, statuses in same.items() if set(statuses.values()) != {"skipped"}}
    compared = 0
    for name, listed in facts()["frameworks"].items():
        members = tuple(fact["id"] for fact in listed if fact["id"] in evaluated)
        if not members:
            continue
        compared += 1
        mine = totals(corpus, members)
        assert mine.compliance == pytest.approx(sum(compliance(same[n]) for n in members) / len(members), abs=0.005)
        pairs = [
            (severities[number] * weight(key, corpus), status)
            for number in members
            for key, status in same[number].items()
        ]
        risk = 100 * sum(size for size, status in pairs if status == "failed") / sum(size for size, _ in pairs)
        assert mine.score == pytest.approx(risk, abs=0.005), name
    assert compared >= 10
