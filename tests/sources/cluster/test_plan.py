"""Kinds listed by metadata only: the verdicts of the library do not change."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.library.cases import Case, list_cases, read_objects
from kubekeep.library.load import builtin
from kubekeep.sources.cluster.plan import METADATA_ONLY
from kubekeep.usecases.control import evaluate_case


def strip_to_metadata(resource_object: dict[str, Any]) -> dict[str, Any]:
    """Return the object with metadata only, as the API server does on request."""
    return {key: resource_object[key] for key in ("apiVersion", "kind", "metadata") if key in resource_object}


def is_listed_by_metadata(resource_object: dict[str, Any]) -> bool:
    group = str(resource_object.get("apiVersion")).rpartition("/")[0]
    return resource_object.get("kind") in METADATA_ONLY and ("." not in group or group.endswith(".k8s.io"))


CONTROLS = [
    control
    for control in builtin().controls.values()
    if METADATA_ONLY & {kind.rpartition("/")[2] for kind in (*control.targets, *control.relates)}
]
CASES = [
    case
    for case in list_cases(builtin(), [builtin().controls[control.rule_name] for control in CONTROLS])
    if any(
        is_listed_by_metadata(resource_object) and strip_to_metadata(resource_object) != resource_object
        for resource_object in read_objects(case)
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_metadata_is_sufficient(case: Case) -> None:
    documents = read_objects(case)
    stripped = [
        strip_to_metadata(resource_object) if is_listed_by_metadata(resource_object) else resource_object
        for resource_object in documents
    ]
    assert stripped != documents
    verdicts, stripped_verdicts = (
        [(result.subject.identity, result.verdicts) for result in evaluate_case(case, input_objects, builtin())]
        for input_objects in (documents, stripped)
    )
    assert stripped_verdicts == verdicts


def test_controls_and_cases_exist() -> None:
    assert {control.slug for control in CONTROLS} >= {"secret-mounted", "default-namespace-unused"}
    assert CASES


def test_no_rule_reads_more_than_metadata() -> None:
    """A rule on the values of Secrets would find them empty."""
    for control in CONTROLS:
        source = builtin().get_rule(control).source
        assert "input.object.data" not in source, control.slug
        assert ".stringData" not in source, control.slug
