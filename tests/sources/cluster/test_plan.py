"""Kinds listed by metadata only: the verdicts of the library do not change."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.library.cases import Case, cases_of, objects
from kubekeep.library.load import builtin
from kubekeep.sources.cluster.plan import METADATA_ONLY
from kubekeep.usecases.control import evaluate_case


def slim(resource_object: dict[str, Any]) -> dict[str, Any]:
    """Return the object with metadata only, as the API server does on request."""
    return {key: resource_object[key] for key in ("apiVersion", "kind", "metadata") if key in resource_object}


def is_slim(resource_object: dict[str, Any]) -> bool:
    group = str(resource_object.get("apiVersion")).rpartition("/")[0]
    return resource_object.get("kind") in METADATA_ONLY and ("." not in group or group.endswith(".k8s.io"))


CONCERNED = [
    control
    for control in builtin().controls.values()
    if METADATA_ONLY & {kind.rpartition("/")[2] for kind in (*control.targets, *control.relates)}
]
CASES = [
    case
    for case in cases_of(builtin(), [builtin().controls[control.rule_name] for control in CONCERNED])
    if any(is_slim(resource_object) and slim(resource_object) != resource_object for resource_object in objects(case))
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_metadata_is_sufficient(case: Case) -> None:
    documents = objects(case)
    reduced = [slim(resource_object) if is_slim(resource_object) else resource_object for resource_object in documents]
    assert reduced != documents
    whole, part = (
        [(result.resource.identity, result.verdicts) for result in evaluate_case(case, input_objects, builtin())]
        for input_objects in (documents, reduced)
    )
    assert part == whole


def test_controls_and_cases_exist() -> None:
    assert {control.slug for control in CONCERNED} >= {"secret-mounted", "default-namespace-unused"}
    assert CASES


def test_no_rule_reads_more_than_metadata() -> None:
    """Secrets above all: a rule on their values would find them empty."""
    for control in CONCERNED:
        source = builtin().rule(control).source
        assert "input.object.data" not in source, control.slug
        assert ".stringData" not in source, control.slug
