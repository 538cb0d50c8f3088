"""OSCAL assessment results: valid by NIST's schema, with resolvable references and correct states."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from tests.reports.excepted import add_exceptions

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.git import Commit, GitRepository
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Evidence, Reason, Status, Verdict
from kubekeep.reports import ReportOptions, load

ASSET = Path(__file__).parent / "assets" / "oscal-assessment-results-1.1.3.json"
SCHEMA = json.loads(ASSET.read_text().replace(r"\\p{L}", r"[^\\W\\d_]").replace(r"\\p{N}", r"\\d"))
"""The schema writes Unicode classes in a syntax that `re` does not support."""
NAMES = "https://kubekeep.io/ns/oscal"


def read_results(assessment: Assessment) -> dict[str, Any]:
    stream = io.StringIO()
    load("oscal").render(assessment, stream, ReportOptions())
    document = json.loads(stream.getvalue())
    checker = jsonschema.FormatChecker(["uri", "uri-reference", "date-time"])
    jsonschema.Draft7Validator(SCHEMA, format_checker=checker).validate(document)
    results: dict[str, Any] = document["assessment-results"]
    assert_references_lead_somewhere(results)
    return results


def pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield all keys and values of a document at any depth."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield key, child
            yield from pairs(child)
    elif isinstance(value, list):
        for child in value:
            yield from pairs(child)


def assert_references_lead_somewhere(document: dict[str, Any]) -> None:
    every = list(pairs(document))
    own = [value for key, value in every if key == "uuid"]
    assert len(set(own)) == len(own)
    for key, value in every:
        if key in ("observation-uuid", "risk-uuid", "subject-uuid"):
            assert value in own
    assert document["import-ap"]["href"].removeprefix("#") in own


def read_result(assessment: Assessment) -> dict[str, Any]:
    (result,) = read_results(assessment)["results"]
    first: dict[str, Any] = result
    return first


def test_document_head(assessment: Assessment) -> None:
    document = read_results(assessment)
    assert document["metadata"] == {
        "title": "Kubekeep assessment of .",
        "last-modified": "2026-11-24T10:00:01Z",
        "version": "2026-11-24T10:00:01Z",
        "oscal-version": "1.1.3",
    }
    (result,) = document["results"]
    assert (result["start"], result["end"]) == ("2026-11-24T10:00:00.250Z", "2026-11-24T10:00:01.000Z")


def test_reviewed_controls_by_framework(assessment: Assessment) -> None:
    nsa, mitre, _ = read_result(assessment)["reviewed-controls"]["control-selections"]
    assert nsa["description"] == "NSA"
    assert [entry["control-id"] for entry in nsa["include-controls"]] == [
        "C-0057",
        "host-pid",
        "C-0271",
        "C-0069",
        "C-0026",
    ]
    assert [entry["control-id"] for entry in nsa["exclude-controls"]] == ["C-0069", "C-0026"]
    assert [entry["control-id"] for entry in mitre["exclude-controls"]] == ["C-0001"]


def test_single_controls_are_one_selection(assessment: Assessment) -> None:
    (selection,) = read_result(msgspec.structs.replace(assessment, frameworks=()))["reviewed-controls"][
        "control-selections"
    ]
    assert len(selection["include-controls"]) == 10


def test_each_evaluated_control_has_a_finding(assessment: Assessment) -> None:
    findings = read_result(assessment)["findings"]
    states = {finding["target"]["target-id"]: finding["target"]["status"] for finding in findings}
    assert states["C-0057"] == {"state": "not-satisfied", "reason": "fail"}
    assert states["C-0271"] == {"state": "satisfied", "reason": "pass"}
    assert not {"C-0069", "C-0070", "C-0001", "C-0026"} & set(states)


def test_each_failure_has_an_observation(assessment: Assessment) -> None:
    result = read_result(assessment)
    seen = [observation for observation in result["observations"] if observation.get("types") == ["finding"]]
    assert len(seen) == 13
    web = next(observation for observation in seen if "default/web-0" in observation["description"])
    assert web["relevant-evidence"][0] == {
        "href": "deploy/web-0.yaml",
        "description": "`set spec.template.spec.containers[0].securityContext.privileged to false`",
        "props": [
            {"name": "start-line", "ns": NAMES, "value": "21"},
            {"name": "end-line", "ns": NAMES, "value": "21"},
        ],
    }
    (subject,) = web["subjects"]
    items = {entry["uuid"]: entry for entry in result["local-definitions"]["inventory-items"]}
    inventory_item = items[subject["subject-uuid"]]
    assert {prop["name"]: prop["value"] for prop in inventory_item["props"]} == {
        "api-version": "apps/v1",
        "kind": "Deployment",
        "namespace": "default",
        "name": "web-0",
        "file": "deploy/web-0.yaml",
    }
    finding = next(entry for entry in result["findings"] if entry["target"]["target-id"] == "C-0057")
    assert web["uuid"] in [reference["observation-uuid"] for reference in finding["related-observations"]]


def test_each_failed_control_has_an_open_risk(assessment: Assessment) -> None:
    risks = read_result(assessment)["risks"]
    assert len(risks) == 5
    assert {risk["status"] for risk in risks} == {"open"}
    worst = risks[0]
    assert {prop["name"]: prop["value"] for prop in worst["props"]} == {
        "severity": "Critical",
        "severity-score": "9.5",
    }
    assert worst["remediations"][0]["lifecycle"] == "recommendation"


def test_gaps_are_observations(assessment: Assessment) -> None:
    result = read_result(assessment)
    gaps = [observation for observation in result["observations"] if observation["methods"] == ["UNKNOWN"]]
    assert [observation["title"] for observation in gaps] == [
        "Not evaluated: C-0001: Images from registries that are not allowed",
        "Not evaluated: C-0069: Anonymous access to the kubelet",
        "Not evaluated: C-0070: Addresses of the proxy",
        "Input that was not read",
        "Input that was not read",
    ]
    assert gaps[3]["relevant-evidence"][0]["href"] == "charts/broken.yaml"
    assert "2 parts of the input could not be read" in result["description"]


def test_unevaluated_resource(assessment: Assessment) -> None:
    broken_verdict = Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, "The rule failed."))
    result = SubjectResult(assessment.results[2].subject, {"limits": broken_verdict})
    some = msgspec.structs.replace(assessment, results=(result, result), unread=())
    seen = [observation for observation in read_result(some)["observations"] if "subjects" in observation]
    assert [observation["description"] for observation in seen] == ["The rule failed."] * 2


def test_excepted_findings_are_approved_deviations(assessment: Assessment) -> None:
    result = read_result(add_exceptions(assessment))
    status = {finding["target"]["target-id"]: finding["target"]["status"] for finding in result["findings"]}
    assert status["C-0057"]["state"] == "not-satisfied"
    assert status["C-0076"] == {
        "state": "satisfied",
        "reason": "other",
        "remarks": "All failures are covered by exceptions.",
    }
    risks = Counter((risk["title"], risk["status"]) for risk in result["risks"])
    assert risks["Privileged container", "open"] == risks["Privileged container", "deviation-approved"] == 1
    assert risks["Resources without an owner", "open"] == 0
    accepted = next(risk for risk in result["risks"] if risk["status"] == "deviation-approved")
    assert "`covered by exception gateway until 2027-01-31: runs the packet filter`" in accepted["description"]
    assert len(accepted["related-observations"]) == 2


def test_uuids_are_stable(assessment: Assessment) -> None:
    later = msgspec.structs.replace(assessment, started=assessment.finished)
    before, after = read_results(assessment), read_results(later)
    assert before["uuid"] != after["uuid"]
    assert read_result(assessment)["findings"] == read_result(later)["findings"]


def test_repository_properties(assessment: Assessment) -> None:
    commit = Commit("4f2a" * 10, "Ann", "ann@example.com", assessment.started, "Open it")
    repository = GitRepository(root="/srv/shop", remote="https://example.com/shop.git", head=commit)
    props = read_result(msgspec.structs.replace(assessment, repository=repository))["props"]
    assert {prop["name"]: prop["value"] for prop in props} == {
        "coverage": "70",
        "repository": "https://example.com/shop.git",
        "commit": "4f2a" * 10,
    }
    bare = msgspec.structs.replace(assessment, repository=GitRepository(root="/srv/shop"))
    assert [prop["name"] for prop in read_result(bare)["props"]] == ["coverage"]


def test_empty_scan_is_valid(assessment: Assessment) -> None:
    empty = msgspec.structs.replace(assessment, results=(), summaries=(), frameworks=(), unread=())
    result = read_result(empty)
    assert not {"observations", "findings", "risks", "local-definitions"} & set(result)


@pytest.mark.parametrize("text", ["", " ", "a\nb", "\x00", "`", "``x` ", "<b>", "\ud800", "\u00a0"])
def test_hostile_text_is_valid(text: str, assessment: Assessment) -> None:
    metadata = {"name": text, "namespace": text}
    resource = Resource({"apiVersion": text, "kind": text, "metadata": metadata})
    evidence = Evidence(text, exists=True, message=text)
    failed = SubjectResult(resource, {"privileged": Verdict(Status.FAILED, (evidence,))})
    read_results(msgspec.structs.replace(assessment, results=(failed,)))


def test_control_ids_are_tokens(assessment: Assessment) -> None:
    summary = assessment.summaries[1]
    control = msgspec.structs.replace(summary.definition, ids=("5.2 <a>/b",))
    controls = (msgspec.structs.replace(summary, definition=control), *assessment.summaries[2:])
    some = msgspec.structs.replace(assessment, summaries=controls, frameworks=())
    targets = [finding["target"]["target-id"] for finding in read_result(some)["findings"]]
    assert targets[0] == "_5.2__a__b"
    assert re.fullmatch(r"[\w.-]+", targets[0])
