"""The JSON report has the layout that readers of Kubescape's JSON v2 expect."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest

from kubekeep.model.assessment import Assessment, DefinitionSummary, UnreadInput
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.text import json_text
from kubekeep.model.verdict import Cause, Reason, Status
from kubekeep.reports import ReportOptions, load

SUMMARY_KEYS = [
    "controls",
    "status",
    "frameworks",
    "resourcesSeverityCounters",
    "controlsSeverityCounters",
    "ResourceCounters",
    "vulnerabilities",
    "score",
    "complianceScore",
]
CONTROL_KEYS = [
    "statusInfo",
    "controlID",
    "name",
    "status",
    "resourceIDs",
    "ResourceCounters",
    "subStatusCounters",
    "score",
    "complianceScore",
    "scoreFactor",
]
COUNTER_KEYS = ["passedResources", "failedResources", "skippedResources", "excludedResources"]
SEVERITY_KEYS = ["criticalSeverity", "highSeverity", "mediumSeverity", "lowSeverity"]
PATH_KEYS = {"failedPath", "reviewPath", "deletePath"}


def report(assessment: Assessment) -> dict[str, Any]:
    stream = io.StringIO()
    load("json").render(assessment, stream, ReportOptions())
    document: dict[str, Any] = json.loads(stream.getvalue())
    return document


@pytest.fixture
def document(assessment: Assessment) -> dict[str, Any]:
    return report(assessment)


def verdict(document: dict[str, Any], resource: str, control: str) -> dict[str, Any]:
    result = next(entry for entry in document["results"] if entry["resourceID"].endswith(resource))
    entry: dict[str, Any] = next(candidate for candidate in result["controls"] if candidate["controlID"] == control)
    return entry


def test_top_level_keys_in_order(document: dict[str, Any], assessment: Assessment) -> None:
    head = [
        "generationTime",
        "clusterAPIServerInfo",
        "clusterCloudProvider",
        "customerGUID",
        "clusterName",
        "reportGUID",
    ]
    content = ["summaryDetails", "resources", "attributes", "results", "metadata"]
    assert list(document) == [*head, *content, "scanCoverage", "kubekeep"]
    assert document["generationTime"] == "2026-11-24T10:00:01Z"
    whole = msgspec.structs.replace(assessment, summaries=(), frameworks=(), results=(), unread=())
    assert list(report(whole)) == [*head, *content[:1], *content[2:], "kubekeep"], (
        "coverage and resources are left out if empty"
    )


def test_summary(document: dict[str, Any]) -> None:
    summary = document["summaryDetails"]
    assert list(summary) == SUMMARY_KEYS
    assert (summary["status"], summary["score"], summary["complianceScore"]) == ("failed", 41.5, 62.5)
    assert list(summary["ResourceCounters"].items()) == list(zip(COUNTER_KEYS, (0, 12, 0, 0), strict=True))
    assert list(summary["controlsSeverityCounters"].items()) == list(zip(SEVERITY_KEYS, (1, 2, 1, 1), strict=True))
    assert list(summary["resourcesSeverityCounters"].items()) == list(zip(SEVERITY_KEYS, (1, 10, 1, 1), strict=True))
    assert list(summary["vulnerabilities"]) == ["mapsSeverityToSummary", "CVEs", "packageScores", "images"]


def test_controls_by_id_and_without_severity_in_frameworks(document: dict[str, Any]) -> None:
    summary = document["summaryDetails"]
    assert {"C-0057", "host-pid"} <= set(summary["controls"])
    for number, control in summary["controls"].items():
        assert control["controlID"] == number
        optional = [] if control["status"] != "skipped" else ["complianceScore"]
        documented = [key for key in ("documentation", "vapEnforcement") if key in control]
        assert list(control) == [
            key for key in [*CONTROL_KEYS, "category", *documented, "severity"] if key not in optional
        ]
        assert list(control["ResourceCounters"]) == COUNTER_KEYS
    for framework in summary["frameworks"]:
        keys = ["controls", "name", "status", "version", "ResourceCounters", "score", "complianceScore"]
        assert list(framework) == keys
        assert all("severity" not in control for control in framework["controls"].values())
    assert [framework["name"] for framework in summary["frameworks"]] == ["NSA", "MITRE", "cis-v1.10.0"]


def test_unevaluated_controls_are_skipped(document: dict[str, Any]) -> None:
    controls = document["summaryDetails"]["controls"]
    assert controls["C-0026"]["statusInfo"] == {
        "status": "skipped",
        "subStatus": "irrelevant",
        "info": "No CronJob is in the input.",
    }
    assert controls["C-0069"]["statusInfo"]["subStatus"] == "integration"
    assert controls["C-0271"]["statusInfo"] == {"status": "passed"}
    assert document["summaryDetails"]["frameworks"][2]["complianceScore"] == 0


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_kubescape_sub_status(cause: Cause, assessment: Assessment) -> None:
    summary: DefinitionSummary = msgspec.structs.replace(
        assessment.summaries[0], status=Status.NOT_EVALUATED, reason=Reason(cause, "x")
    )
    document = report(msgspec.structs.replace(assessment, summaries=(summary,), frameworks=(), results=()))
    words = {"irrelevant", "configuration", "integration", "requires review", "manual review", "notEvaluated"}
    assert document["summaryDetails"]["controls"]["host-pid"]["statusInfo"]["subStatus"] in words


def test_resources_are_sorted_and_redacted(document: dict[str, Any]) -> None:
    names = [resource["resourceID"] for resource in document["resources"]]
    assert names == sorted(names) == [resource["resourceID"] for resource in document["results"]]
    secret = next(resource for resource in document["resources"] if resource["resourceID"].endswith("Secret/db"))
    assert list(secret) == ["resourceID", "object", "source"]
    assert secret["object"]["data"] == {"password": "XXXXXX"}
    assert secret["source"] == {"path": "/srv/shop", "relativePath": "deploy/secret.yaml", "fileType": "YAML"}


def test_rules_and_paths(document: dict[str, Any]) -> None:
    entry = verdict(document, "web-0", "C-0057")
    assert list(entry) == ["controlID", "name", "status", "rules", "severity"]
    assert entry["status"] == {"status": "failed"}
    (rule,) = entry["rules"]
    assert list(rule) == ["name", "status", "subStatus", "paths"]
    for path in rule["paths"]:
        assert len(PATH_KEYS & set(path)) + bool(path["fixPath"]["path"]) == 1
        assert set(path["location"]) == {"file", "startLine", "startColumn", "endLine", "endColumn"}
    privileged = "spec.template.spec.containers[0].securityContext.privileged"
    assert rule["paths"][0]["failedPath"] == privileged
    assert rule["paths"][1]["fixPath"] == {"path": privileged, "value": "false"}
    assert "failedPath" in rule["paths"][-2]
    assert rule["paths"][-1]["deletePath"].endswith("capabilities.add[0]")


def test_path_keys_of_additions_and_reviews(document: dict[str, Any]) -> None:
    (rule,) = verdict(document, "Secret/db", "C-0076")["rules"]
    assert rule["paths"] == [{"fixPath": {"path": "metadata.labels.owner", "value": "me"}}]
    (rule,) = verdict(document, "Role/r", "C-0188")["rules"]
    assert [sorted(PATH_KEYS & set(path)) for path in rule["paths"]] == [["failedPath"], ["reviewPath"]] * 2
    assert len(rule["relatedResourcesIDs"]) == 2


def test_rule_parameters(document: dict[str, Any]) -> None:
    entry = verdict(document, "web-1", "C-0001")
    assert entry["status"]["subStatus"] == "configuration"
    assert entry["rules"][0]["controlConfigurations"] == {"imageRepositoryAllowList": ["quay.io"], "unused": ["x"]}
    assert entry["rules"][0]["subStatus"] == "configuration"


def test_coverage_and_own_object(document: dict[str, Any]) -> None:
    coverage = document["scanCoverage"]
    assert [entry["controlID"] for entry in coverage["notEvaluatedControls"]] == ["C-0001", "C-0069", "C-0070"]
    assert (coverage["evaluatedControls"], coverage["totalControls"], coverage["degraded"]) == (6, 10, True)
    own = document["kubekeep"]
    assert (own["version"], own["kubernetesVersion"], own["coverage"]) == ("0.1.0", "1.34", 70.0)
    assert own["unread"][0] == {
        "file": "charts/broken.yaml",
        "line": 12,
        "column": 3,
        "message": "mapping values are not allowed here",
    }


def test_unknown_fields_are_listed(assessment: Assessment) -> None:
    field = UnreadInput(Location("web.yaml", Region(Position(3, 5), Position(3, 9))), "unknown field a")
    own = report(msgspec.structs.replace(assessment, unknown_fields=(field,)))["kubekeep"]
    assert own["unknownFields"] == [{"file": "web.yaml", "line": 3, "column": 5, "message": "unknown field a"}]


def test_passed_verdicts_are_encoded_once(assessment: Assessment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the encodings: most of a report are passed controls, which are equal."""
    calls: list[object] = []

    def count_call(value: object) -> str:
        calls.append(value)
        return json_text(value)

    monkeypatch.setattr("kubekeep.reports.json.json_text", count_call)
    passed = assessment.results[1]
    many = msgspec.structs.replace(assessment, results=(passed,) * 1000)
    report(many)
    # Its object, its ID, and each piece of evidence.
    per_resource = 2 + sum(len(verdict.evidence) for verdict in passed.verdicts.values())
    assert len(calls) <= 1000 * per_resource + 10


def test_single_file_and_single_controls(assessment: Assessment) -> None:
    target = msgspec.structs.replace(assessment.target, paths=("pod.yaml",))
    metadata = report(msgspec.structs.replace(assessment, target=target, frameworks=()))["metadata"]
    assert metadata["targetMetadata"] == {"fileContextMetadata": {"filePath": "pod.yaml", "hostName": ""}}
    assert metadata["scanMetadata"]["scanningTarget"] == 1
    assert metadata["scanMetadata"]["targetType"] == "Control"
    assert "C-0057" in metadata["scanMetadata"]["targetNames"]


def test_sources_of_rendered_resources(document: dict[str, Any]) -> None:
    sources = {source["resourceID"]: source["source"] for source in document["resources"] if "source" in source}
    (chart,) = [source for source in sources.values() if source["fileType"] == "Helm Chart"]
    assert chart == {
        "path": "/srv/shop",
        "relativePath": "chart/charts/cache/templates/deploy.yaml",
        "fileType": "Helm Chart",
        "helmPath": "chart",
        "helmChartName": "shop",
        "helmTemplateFile": "chart/charts/cache/templates/deploy.yaml",
        "helmValuesPaths": ["values-prod.yaml"],
        "helmSubchart": "cache",
    }
    (overlay,) = [source for source in sources.values() if source["fileType"] == "Kustomize Directory"]
    assert overlay["kustomizeDirectoryName"] == "overlays/prod"
    (paths,) = [
        control["rules"][0]["paths"]
        for result in document["results"]
        if sources.get(result["resourceID"]) is chart
        for control in result["controls"]
    ]
    settings = [path["location"]["setting"] for path in paths if "failedPath" in path]
    assert settings == [
        {
            "key": "cache.securityContext.privileged",
            "file": "chart/values.yaml",
            "startLine": 14,
            "startColumn": 5,
            "endLine": 14,
            "endColumn": 21,
        },
        {"key": "cache.debug", "file": "--set"},
    ]


def test_last_commit_of_a_line(document: dict[str, Any]) -> None:
    commits = [
        path["lastCommit"]
        for result in document["results"]
        for control in result["controls"]
        for path in control["rules"][0].get("paths", ())
        if "lastCommit" in path
    ]
    assert commits
    assert all(commit["hash"] == "4f2a" * 10 and commit["date"] == "2026-03-01T07:30:00Z" for commit in commits)
    assert commits[0]["committerEmail"] == "ann@example.com"
    assert document["kubekeep"]["notes"][0] == "excluded: 1 file and 2 folders"
