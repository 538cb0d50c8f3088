"""The SARIF report is valid by the schema and stable where alerts are tracked."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from kubekeep.model.assessment import Assessment, ResourceResult
from kubekeep.model.finding import Edit, Evidence, Status, Verdict
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.resource import Resource
from kubekeep.reports import ReportOptions, load

SCHEMA = Path(__file__).parent / "assets" / "sarif-2.1.0.json"


def run_of(assessment: Assessment) -> dict[str, Any]:
    stream = io.StringIO()
    load("sarif").render(assessment, stream, ReportOptions())
    document = json.loads(stream.getvalue())
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker(["uri", "uri-reference"])).validate(
        document
    )
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    found: dict[str, Any] = run
    return found


@pytest.fixture
def run(assessment: Assessment) -> dict[str, Any]:
    return run_of(assessment)


def test_the_driver_and_its_rules(run: dict[str, Any]) -> None:
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("kubekeep", "0.1.0")
    rules = {rule["id"]: rule for rule in driver["rules"]}
    assert rules["C-0057"]["properties"]["security-severity"] == "8.0"
    assert "NSA" in rules["C-0057"]["properties"]["tags"]
    assert "### How to fix" in rules["host-pid"]["help"]["markdown"]
    assert rules["host-pid"]["helpUri"] == "https://example.com/host-pid"


def test_one_result_for_each_failed_control_and_resource(run: dict[str, Any]) -> None:
    results = run["results"]
    assert len(results) == 13
    assert [result["level"] for result in results][:2] == ["error", "warning"]
    assert {result["level"] for result in results} == {"error", "warning", "note"}
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)


def test_places_are_exact(run: dict[str, Any]) -> None:
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"]["SRCROOT"]["uri"] == "file:///srv/shop/"
    result = next(item for item in run["results"] if "web-0" in item["message"]["text"])
    physical = result["locations"][0]["physicalLocation"]
    assert physical == {
        "artifactLocation": {"uri": "deploy/web-0.yaml", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 21, "startColumn": 13, "endLine": 21, "endColumn": 29},
    }
    related = result["relatedLocations"]
    assert [item["physicalLocation"]["region"]["startLine"] for item in related] == [44, 62, 63, 64, 65, 66, 24]
    assert "delete" in related[-1]["message"]["text"]


def test_the_value_a_template_took_over_is_related(run: dict[str, Any]) -> None:
    result = next(item for item in run["results"] if "/cache\n" in item["message"]["text"])
    first, second = result["relatedLocations"]
    assert first["message"]["text"] == "set by cache.securityContext.privileged"
    assert first["physicalLocation"]["artifactLocation"]["uri"] == "chart/values.yaml"
    assert first["physicalLocation"]["region"]["startLine"] == 14
    assert second["message"]["text"].endswith("(from --set cache.debug)"), "the command line has no lines"


def test_uris_are_encoded(run: dict[str, Any]) -> None:
    result = next(item for item in run["results"] if item["ruleId"] == "C-0012")
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
    result = ResourceResult(assessment.results[0].resource, {"privileged": verdict})
    (entry,) = run_of(msgspec.structs.replace(assessment, results=(result,)))["results"]
    assert entry["locations"][0]["physicalLocation"] == {"artifactLocation": artifact}


def test_a_resource_from_no_file_has_a_logical_location(assessment: Assessment) -> None:
    resource = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}})
    verdict = msgspec.structs.replace(
        assessment.results[0].verdicts["privileged"], evidence=(Evidence("spec.x", exists=True),)
    )
    results = (ResourceResult(resource, {"privileged": verdict}),)
    (entry,) = run_of(msgspec.structs.replace(assessment, results=results))["results"]
    logical = {"name": "p", "fullyQualifiedName": "n/Pod/p", "kind": "resource"}
    assert entry["locations"] == [{"logicalLocations": [logical]}]


def moved(result: ResourceResult) -> ResourceResult:
    far = Region(Position(900, 1), Position(900, 5))
    verdicts = {
        slug: msgspec.structs.replace(
            verdict,
            evidence=tuple(
                msgspec.structs.replace(item, location=item.location and Location(item.location.file, far))
                for item in verdict.evidence
            ),
        )
        for slug, verdict in result.verdicts.items()
    }
    return ResourceResult(result.resource, verdicts)


def test_fingerprints_are_unique_and_stand_when_lines_move(run: dict[str, Any], assessment: Assessment) -> None:
    prints = [result["partialFingerprints"]["kubekeepFinding/v2"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    later = run_of(msgspec.structs.replace(assessment, results=tuple(map(moved, assessment.results))))
    assert [result["partialFingerprints"]["kubekeepFinding/v2"] for result in later["results"]] == prints
    twice = run_of(msgspec.structs.replace(assessment, results=assessment.results * 2))
    assert len({result["partialFingerprints"]["kubekeepFinding/v2"] for result in twice["results"]}) == 26


def test_holes_of_the_scan_are_notified(run: dict[str, Any], assessment: Assessment) -> None:
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert len(invocation["toolExecutionNotifications"]) == 2
    assert [item["associatedRule"]["id"] for item in invocation["toolConfigurationNotifications"]] == [
        "C-0001",
        "C-0069",
        "C-0070",
    ]
    whole = run_of(msgspec.structs.replace(assessment, unread=(), controls=assessment.controls[:6], results=()))
    assert whole["invocations"] == [
        {
            "executionSuccessful": True,
            "startTimeUtc": "2026-11-24T10:00:00.250Z",
            "endTimeUtc": "2026-11-24T10:00:01.000Z",
        }
    ]
    assert whole["results"] == []


def test_the_edits_of_all_evidence_are_one_fix(assessment: Assessment) -> None:
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
    changed = ResourceResult(result.resource, {slug: Verdict(Status.FAILED, evidence)})
    (found,) = run_of(msgspec.structs.replace(assessment, results=(changed,)))["results"]
    (fix,) = found["fixes"]
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
