"""OSCAL assessment results: valid by NIST's schema, every reference leads somewhere, and states are true."""

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
from tests.reports.excepted import with_exceptions

from kubekeep.model.assessment import Assessment, ResourceResult
from kubekeep.model.finding import Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.git import Commit, GitRepository
from kubekeep.model.resource import Resource
from kubekeep.reports import ReportOptions, load

ASSET = Path(__file__).parent / "assets" / "oscal-assessment-results-1.1.3.json"
SCHEMA = json.loads(ASSET.read_text().replace(r"\\p{L}", r"[^\\W\\d_]").replace(r"\\p{N}", r"\\d"))
"""The schema writes classes of Unicode as `re` does not know them."""
NAMES = "https://kubekeep.io/ns/oscal"


def results_of(assessment: Assessment) -> dict[str, Any]:
    stream = io.StringIO()
    load("oscal").render(assessment, stream, ReportOptions())
    document = json.loads(stream.getvalue())
    checker = jsonschema.FormatChecker(["uri", "uri-reference", "date-time"])
    jsonschema.Draft7Validator(SCHEMA, format_checker=checker).validate(document)
    found: dict[str, Any] = document["assessment-results"]
    assert_references_lead_somewhere(found)
    return found


def pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys and values of a document, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from pairs(item)
    elif isinstance(value, list):
        for item in value:
            yield from pairs(item)


def assert_references_lead_somewhere(document: dict[str, Any]) -> None:
    every = list(pairs(document))
    own = [item for key, item in every if key == "uuid"]
    assert len(set(own)) == len(own)
    for key, item in every:
        if key in ("observation-uuid", "risk-uuid", "subject-uuid"):
            assert item in own
    assert document["import-ap"]["href"].removeprefix("#") in own


def result_of(assessment: Assessment) -> dict[str, Any]:
    (result,) = results_of(assessment)["results"]
    found: dict[str, Any] = result
    return found


def test_the_head_of_the_document(assessment: Assessment) -> None:
    document = results_of(assessment)
    assert document["metadata"] == {
        "title": "Kubekeep assessment of .",
        "last-modified": "2026-11-24T10:00:01Z",
        "version": "2026-11-24T10:00:01Z",
        "oscal-version": "1.1.3",
    }
    (result,) = document["results"]
    assert (result["start"], result["end"]) == ("2026-11-24T10:00:00.250Z", "2026-11-24T10:00:01.000Z")


def test_controls_are_reviewed_by_framework_without_those_not_evaluated(assessment: Assessment) -> None:
    nsa, mitre, _ = result_of(assessment)["reviewed-controls"]["control-selections"]
    assert nsa["description"] == "NSA"
    assert [item["control-id"] for item in nsa["include-controls"]] == [
        "C-0057",
        "host-pid",
        "C-0271",
        "C-0069",
        "C-0026",
    ]
    assert [item["control-id"] for item in nsa["exclude-controls"]] == ["C-0069", "C-0026"]
    assert [item["control-id"] for item in mitre["exclude-controls"]] == ["C-0001"]


def test_single_controls_are_one_selection(assessment: Assessment) -> None:
    (selection,) = result_of(msgspec.structs.replace(assessment, frameworks=()))["reviewed-controls"][
        "control-selections"
    ]
    assert len(selection["include-controls"]) == 10


def test_a_finding_for_each_control_that_was_evaluated(assessment: Assessment) -> None:
    findings = result_of(assessment)["findings"]
    states = {item["target"]["target-id"]: item["target"]["status"] for item in findings}
    assert states["C-0057"] == {"state": "not-satisfied", "reason": "fail"}
    assert states["C-0271"] == {"state": "satisfied", "reason": "pass"}
    assert not {"C-0069", "C-0070", "C-0001", "C-0026"} & set(states)


def test_an_observation_for_each_failed_control_and_resource(assessment: Assessment) -> None:
    result = result_of(assessment)
    seen = [item for item in result["observations"] if item.get("types") == ["finding"]]
    assert len(seen) == 13
    web = next(item for item in seen if "default/web-0" in item["description"])
    assert web["relevant-evidence"][0] == {
        "href": "deploy/web-0.yaml",
        "description": "`set spec.template.spec.containers[0].securityContext.privileged to false`",
        "props": [
            {"name": "start-line", "ns": NAMES, "value": "21"},
            {"name": "end-line", "ns": NAMES, "value": "21"},
        ],
    }
    (subject,) = web["subjects"]
    items = {item["uuid"]: item for item in result["local-definitions"]["inventory-items"]}
    item = items[subject["subject-uuid"]]
    assert {prop["name"]: prop["value"] for prop in item["props"]} == {
        "api-version": "apps/v1",
        "kind": "Deployment",
        "namespace": "default",
        "name": "web-0",
        "file": "deploy/web-0.yaml",
    }
    finding = next(item for item in result["findings"] if item["target"]["target-id"] == "C-0057")
    assert web["uuid"] in [item["observation-uuid"] for item in finding["related-observations"]]


def test_an_open_risk_for_each_failed_control(assessment: Assessment) -> None:
    risks = result_of(assessment)["risks"]
    assert len(risks) == 5
    assert {item["status"] for item in risks} == {"open"}
    worst = risks[0]
    assert {prop["name"]: prop["value"] for prop in worst["props"]} == {
        "severity": "Critical",
        "severity-score": "9.5",
    }
    assert worst["remediations"][0]["lifecycle"] == "recommendation"


def test_holes_are_observed(assessment: Assessment) -> None:
    result = result_of(assessment)
    holes = [item for item in result["observations"] if item["methods"] == ["UNKNOWN"]]
    assert [item["title"] for item in holes] == [
        "Not evaluated: C-0001: Images from registries that are not allowed",
        "Not evaluated: C-0069: Anonymous access to the kubelet",
        "Not evaluated: C-0070: Addresses of the proxy",
        "Input that was not read",
        "Input that was not read",
    ]
    assert holes[3]["relevant-evidence"][0]["href"] == "charts/broken.yaml"
    assert "2 places of the input could not be read" in result["description"]


def test_a_resource_that_could_not_be_judged(assessment: Assessment) -> None:
    broken = Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, "The rule failed."))
    result = ResourceResult(assessment.results[2].resource, {"limits": broken})
    some = msgspec.structs.replace(assessment, results=(result, result), unread=())
    seen = [item for item in result_of(some)["observations"] if "subjects" in item]
    assert [item["description"] for item in seen] == ["The rule failed."] * 2


def test_waived_findings_are_risks_whose_deviation_is_approved(assessment: Assessment) -> None:
    result = result_of(with_exceptions(assessment))
    status = {item["target"]["target-id"]: item["target"]["status"] for item in result["findings"]}
    assert status["C-0057"]["state"] == "not-satisfied"
    assert status["C-0076"] == {
        "state": "satisfied",
        "reason": "other",
        "remarks": "What failed is accepted by waivers.",
    }
    risks = Counter((item["title"], item["status"]) for item in result["risks"])
    assert risks["Privileged container", "open"] == risks["Privileged container", "deviation-approved"] == 1
    assert risks["Resources without an owner", "open"] == 0
    accepted = next(item for item in result["risks"] if item["status"] == "deviation-approved")
    assert "`accepted by the waiver gateway until 2027-01-31: runs the packet filter`" in accepted["description"]
    assert len(accepted["related-observations"]) == 2


def test_uuids_stay_from_scan_to_scan(assessment: Assessment) -> None:
    later = msgspec.structs.replace(assessment, started=assessment.finished)
    before, after = results_of(assessment), results_of(later)
    assert before["uuid"] != after["uuid"]
    assert result_of(assessment)["findings"] == result_of(later)["findings"]


def test_the_state_of_the_repository_is_named(assessment: Assessment) -> None:
    commit = Commit("4f2a" * 10, "Ann", "ann@example.com", assessment.started, "Open it")
    repository = GitRepository(root="/srv/shop", remote="https://example.com/shop.git", head=commit)
    props = result_of(msgspec.structs.replace(assessment, repository=repository))["props"]
    assert {item["name"]: item["value"] for item in props} == {
        "coverage": "70",
        "repository": "https://example.com/shop.git",
        "commit": "4f2a" * 10,
    }
    bare = msgspec.structs.replace(assessment, repository=GitRepository(root="/srv/shop"))
    assert [item["name"] for item in result_of(bare)["props"]] == ["coverage"]


def test_nothing_assessed_is_valid_too(assessment: Assessment) -> None:
    empty = msgspec.structs.replace(assessment, results=(), controls=(), frameworks=(), unread=())
    result = result_of(empty)
    assert not {"observations", "findings", "risks", "local-definitions"} & set(result)


@pytest.mark.parametrize("text", ["", " ", "a\nb", "\x00", "`", "``x` ", "<b>", "\ud800", "\u00a0"])
def test_hostile_text_stays_valid(text: str, assessment: Assessment) -> None:
    metadata = {"name": text, "namespace": text}
    resource = Resource({"apiVersion": text, "kind": text, "metadata": metadata})
    evidence = Evidence(text, exists=True, message=text)
    failed = ResourceResult(resource, {"privileged": Verdict(Status.FAILED, (evidence,))})
    results_of(msgspec.structs.replace(assessment, results=(failed,)))


def test_ids_of_controls_are_tokens(assessment: Assessment) -> None:
    summary = assessment.controls[1]
    control = msgspec.structs.replace(summary.control, ids=("5.2 <a>/b",))
    controls = (msgspec.structs.replace(summary, control=control), *assessment.controls[2:])
    some = msgspec.structs.replace(assessment, controls=controls, frameworks=())
    targets = [item["target"]["target-id"] for item in result_of(some)["findings"]]
    assert targets[0] == "_5.2__a__b"
    assert re.fullmatch(r"[\w.-]+", targets[0])
