"""Hostile controls of users in evaluations and watches: only their own verdicts are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.engine.compile import compile_rules
from kubekeep.engine.isolation import limits
from kubekeep.engine.isolation.limits import RuleLimits
from kubekeep.library.load import Library, builtin
from kubekeep.library.scaffold import build_files
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Status, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.select import Selection, find_frameworks, select
from tests.engine.hostile_rules import CRASH, MEMORY

RESOURCES = [
    Resource(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}", "namespace": "shop"}, "spec": {}}
    )
    for number in range(3)
]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Return a library with hostile controls, of which one compares resources, and with one that works."""
    monkeypatch.setattr(limits, "DEFAULT_LIMITS", RuleLimits(memory=128 << 20))
    conditions = {"honest": "true", "bomb": MEMORY["concat"], "crash": CRASH["stack"], "related": MEMORY["range"]}
    for slug, condition in conditions.items():
        for path, text in build_files("workload", slug).items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            hostile = text.replace(" if {", f" if {{\n\t{condition}", 1) if path.endswith(".rego") else text
            relates = "relates: [Service]\n" if slug == "related" and path.endswith("control.yaml") else ""
            file.write_text(hostile + relates)
    return Library(tmp_path, parent=builtin())


def choose(library: Library, *slugs: str) -> Selection:
    return select(
        find_frameworks(("pss-baseline",), library), [library.controls[slug] for slug in slugs], library=library
    )


def verdicts(selection: Selection) -> list[dict[str, Verdict]]:
    return [result.verdicts for result in evaluate(RESOURCES, selection, compile_rules, kubernetes_minor=34)]


def test_verdicts_of_other_controls_are_those_without_hostile_controls(library: Library) -> None:
    hostile = choose(library, "honest", "bomb", "crash", "related")
    evaluator = IncrementalEvaluator(hostile, compile_rules, kubernetes_minor=34)
    for number, resource in enumerate(RESOURCES):
        evaluator.put(str(number), resource)
    evaluator.update()
    watched = [result.verdicts for result in evaluator.results.values()]
    for found, expected in zip((*verdicts(hostile), *watched), verdicts(choose(library, "honest")) * 2, strict=True):
        assert "honest" in expected
        assert len(expected) > 5
        assert {slug: verdict for slug, verdict in found.items() if slug in expected} == expected
        for slug in ("bomb", "crash", "related"):
            reason = found[slug].reason
            assert found[slug].status is Status.NOT_EVALUATED
            assert reason is not None
            assert reason.cause is Cause.RULE_ERROR
            assert reason.text.startswith(f"{slug}: the rule {library.root}")
