"""The SARIF report is valid by the schema, with stable fingerprints for alert tracking."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from kubekeep.model.assessment import Assessment, SubjectResult, UnreadInput
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Edit, Evidence, Status, Verdict
from kubekeep.reports import ReportOptions, load

SCHEMA = Path(__file__).parent / "assets" / "sarif-2.1.0.json"


def read_run(assessment: Assessment) -> dict[str, Any]:
    stream = io.StringIO()
    load("sarif").render(assessment, stream, ReportOptions())
    document = json.loads(stream.getvalue())
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker(["uri", "uri-reference"])).validate(
        document
    )
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    first: dict[str, Any] = run
    return first


@pytest.fixture
def run(assessment: Assessment) -> dict[str, Any]:
    return read_run(assessment)


def test_driver_and_rules(run: dict[str, Any]) -> None:
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("kubekeep", "0.1.0")
    rules = {rule["id"]: rule for rule in driver["rules"]}
    assert rules["C-0057"]["properties"]["security-severity"] == "8.0"
    assert "NSA" in rules["C-0057"]["properties"]["tags"]
    assert "### How to fix" in rules["host-pid"]["help"]["markdown"]
    assert rules["host-pid"]["helpUri"] == "https://example.com/host-pid"


def test_rules_are_those_of_the_results(run: dict[str, Any]) -> None:
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules))
    assert set(rules) == {result["ruleId"] for result in run["results"]}


def test_run_names_its_category_and_home(run: dict[str, Any]) -> None:
    assert run["automationDetails"] == {"id": "kubekeep/nsa+mitre+cis-v1.10.0/"}
    assert run["tool"]["driver"]["informationUri"].startswith("https://")


def test_each_failure_is_one_result(run: dict[str, Any]) -> None:
    results = run["results"]
    assert len(results) == 13
    assert [result["level"] for result in results][:2] == ["error", "error"]
    assert {result["level"] for result in results} == {"error", "warning", "note"}
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)


def test_regions_are_exact(run: dict[str, Any]) -> None:
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"]["SRCROOT"]["uri"] == "file:///srv/shop/"
    result = next(candidate for candidate in run["results"] if "web-0" in candidate["message"]["text"])
    physical = result["locations"][0]["physicalLocation"]
    assert physical == {
        "artifactLocation": {"uri": "deploy/web-0.yaml", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 21, "startColumn": 13, "endLine": 21, "endColumn": 29},
    }
    related = result["relatedLocations"]
    assert [location["physicalLocation"]["region"]["startLine"] for location in related] == [44, 62, 63, 64, 65, 66, 24]
    assert "delete" in related[-1]["message"]["text"]


def test_template_value_is_a_related_location(run: dict[str, Any]) -> None:
    result = next(candidate for candidate in run["results"] if "/cache\n" in candidate["message"]["text"])
    first, second = result["relatedLocations"]
    assert first["message"]["text"] == "set by cache.securityContext.privileged"
    assert first["physicalLocation"]["artifactLocation"]["uri"] == "chart/values.yaml"
    assert first["physicalLocation"]["region"]["startLine"] == 14
    assert second["message"]["text"].endswith("(from --set cache.debug)"), (
        "a value from the command line has no location"
    )


def test_uris_are_encoded(run: dict[str, Any]) -> None:
    result = next(candidate for candidate in run["results"] if candidate["ruleId"] == "C-0012")
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith(
        "a%20very%20long%20folder%20name/%E6%95%B0%E6%8D%AE%E5%BA%93/with%20spaces%20%26%20%3Csigns%3E/"
    )


@pytest.mark.parametrize(
    ("file", "artifact"),
    [
        ("/etc/a:b.yaml", {"uri": "file:///etc/a%3Ab.yaml"}),
        ("a:b.yaml", {"uri": "a%3Ab.yaml", "uriBaseId": "SRCROOT"}),
        ("caf\udce9.yaml", {"uri": "caf%E9.yaml", "uriBaseId": "SRCROOT"}),
    ],
)
def test_odd_file_names(file: str, artifact: dict[str, str], assessment: Assessment) -> None:
    verdict = Verdict(
        assessment.results[0].verdicts["privileged"].status, (Evidence("x", exists=False, location=Location(file)),)
    )
    result = SubjectResult(assessment.results[0].subject, {"privileged": verdict})
    (entry,) = read_run(msgspec.structs.replace(assessment, results=(result,)))["results"]
    assert entry["locations"][0]["physicalLocation"] == {"artifactLocation": artifact}


def test_resource_without_file_has_a_logical_location(assessment: Assessment) -> None:
    resource = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}})
    verdict = msgspec.structs.replace(
        assessment.results[0].verdicts["privileged"], evidence=(Evidence("spec.x", exists=True),)
    )
    results = (SubjectResult(resource, {"privileged": verdict}),)
    (entry,) = read_run(msgspec.structs.replace(assessment, results=results))["results"]
    logical = {"name": "p", "fullyQualifiedName": "n/Pod/p", "kind": "resource"}
    assert entry["locations"] == [{"logicalLocations": [logical]}]


def move_lines(result: SubjectResult) -> SubjectResult:
    far = Region(Position(900, 1), Position(900, 5))
    verdicts = {
        slug: msgspec.structs.replace(
            verdict,
            evidence=tuple(
                msgspec.structs.replace(evidence, location=evidence.location and Location(evidence.location.file, far))
                for evidence in verdict.evidence
            ),
        )
        for slug, verdict in result.verdicts.items()
    }
    return SubjectResult(result.subject, verdicts)


def test_fingerprints_are_unique_and_stable(run: dict[str, Any], assessment: Assessment) -> None:
    fingerprints = [result["partialFingerprints"]["kubekeepFinding/v2"] for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)
    later = read_run(msgspec.structs.replace(assessment, results=tuple(map(move_lines, assessment.results))))
    assert [result["partialFingerprints"]["kubekeepFinding/v2"] for result in later["results"]] == fingerprints
    duplicate = read_run(msgspec.structs.replace(assessment, results=assessment.results * 2))
    assert len({result["partialFingerprints"]["kubekeepFinding/v2"] for result in duplicate["results"]}) == 26


def test_gaps_are_notifications(run: dict[str, Any], assessment: Assessment) -> None:
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert len(invocation["toolExecutionNotifications"]) == 2
    field = UnreadInput(Location("web.yaml"), "unknown field a")
    (with_field,) = read_run(msgspec.structs.replace(assessment, unknown_fields=(field,)))["invocations"]
    warnings = [entry for entry in with_field["toolExecutionNotifications"] if entry["level"] == "warning"]
    assert [entry["message"]["text"] for entry in warnings] == ["unknown field a"]
    assert [notification["associatedRule"]["id"] for notification in invocation["toolConfigurationNotifications"]] == [
        "C-0001",
        "C-0069",
        "C-0070",
    ]
    whole = read_run(msgspec.structs.replace(assessment, unread=(), summaries=assessment.summaries[:6], results=()))
    assert whole["invocations"] == [
        {
            "executionSuccessful": True,
            "startTimeUtc": "2026-11-24T10:00:00.250Z",
            "endTimeUtc": "2026-11-24T10:00:01.000Z",
        }
    ]
    assert whole["results"] == []


def test_edits_of_all_evidence_are_one_fix(assessment: Assessment) -> None:
    def at(line: int, column: int, end: int) -> Region:
        return Region(Position(line, column), Position(line, end))

    first = Edit("a b.yaml", at(3, 9, 13), "false")
    second = Edit("a b.yaml", at(5, 1, 1), "  x: 1\n")
    evidence = (
        Evidence("a", exists=True, location=Location("a b.yaml"), fix="false", edits=(first,)),
        Evidence("b", exists=False, fix="1", edits=(second, Edit("c.yaml", at(1, 1, 2), ""))),
    )
    result = assessment.results[0]
    slug = next(iter(result.verdicts))
    changed = SubjectResult(result.subject, {slug: Verdict(Status.FAILED, evidence)})
    (result,) = read_run(msgspec.structs.replace(assessment, results=(changed,)))["results"]
    (fix,) = result["fixes"]
    assert fix["description"]["text"] == "set a to false; set b to 1"
    one, other = fix["artifactChanges"]
    assert one == {
        "artifactLocation": {"uri": "a%20b.yaml", "uriBaseId": "SRCROOT"},
        "replacements": [
            {
                "deletedRegion": {"startLine": 3, "startColumn": 9, "endLine": 3, "endColumn": 13},
                "insertedContent": {"text": "false"},
            },
            {
                "deletedRegion": {"startLine": 5, "startColumn": 1, "endLine": 5, "endColumn": 1},
                "insertedContent": {"text": "  x: 1\n"},
            },
        ],
    }
    assert other["replacements"][0]["insertedContent"] == {"text": ""}
