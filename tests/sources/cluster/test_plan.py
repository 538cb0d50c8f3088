"""Kinds of which only the metadata is listed: no control of the library sees a difference."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.library.cases import Case, cases_of, objects
from kubekeep.library.load import builtin
from kubekeep.sources.cluster.plan import METADATA_ONLY
from kubekeep.usecases.control import judge


def slim(thing: dict[str, Any]) -> dict[str, Any]:
    """The object as the API server gives it when only its metadata is asked for."""
    return {key: thing[key] for key in ("apiVersion", "kind", "metadata") if key in thing}


def is_slim(thing: dict[str, Any]) -> bool:
    group = str(thing.get("apiVersion")).rpartition("/")[0]
    return thing.get("kind") in METADATA_ONLY and ("." not in group or group.endswith(".k8s.io"))


CONCERNED = [
    control
    for control in builtin().controls.values()
    if METADATA_ONLY & {kind.rpartition("/")[2] for kind in (*control.targets, *control.relates)}
]
CASES = [
    case
    for case in cases_of(builtin(), [builtin().controls[control.rule_name] for control in CONCERNED])
    if any(is_slim(thing) and slim(thing) != thing for thing in objects(case))
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_metadata_is_enough(case: Case) -> None:
    documents = objects(case)
    reduced = [slim(thing) if is_slim(thing) else thing for thing in documents]
    assert reduced != documents
    whole, part = (
        [(item.resource.identity, item.verdicts) for item in judge(case, found, builtin())]
        for found in (documents, reduced)
    )
    assert part == whole


def test_there_are_controls_and_cases_of_that() -> None:
    assert {control.slug for control in CONCERNED} >= {"secret-mounted", "default-namespace-unused"}
    assert CASES


def test_no_rule_looks_further_into_a_kind_whose_metadata_is_all_there_is() -> None:
    """Of Secrets above all: a rule that reads their values would always find them empty."""
    for control in CONCERNED:
        source = builtin().rule(control).source
        assert "input.object.data" not in source, control.slug
        assert ".stringData" not in source, control.slug
