"""GitLab's two reports: valid, each finding once, and no excepted finding open."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from tests.reports.excepted import add_exceptions

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.framework import Framework
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Evidence, Reason, Status, Verdict
from kubekeep.reports import ReportOptions, load

SCHEMA = json.loads((Path(__file__).parent / "assets" / "gitlab-sast-15.json").read_text())
ISSUE = {
    "type": "object",
    "required": ["description", "check_name", "fingerprint", "severity", "location"],
    "properties": {
        "description": {"type": "string", "minLength": 1},
        "check_name": {"type": "string", "minLength": 1},
        "fingerprint": {"type": "string", "minLength": 1},
        "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
        "location": {
            "type": "object",
            "required": ["path", "lines"],
            "properties": {
                "path": {"type": "string", "pattern": r"^(?!\./)"},
                "lines": {"type": "object", "required": ["begin"], "properties": {"begin": {"type": "integer"}}},
            },
        },
    },
}
"""Required keys of an issue in GitLab's documentation of code quality reports."""


def render_report(name: str, assessment: Assessment) -> Any:
    stream = io.StringIO()
    load(name).render(assessment, stream, ReportOptions())
    return json.loads(stream.getvalue())


def render_sast(assessment: Assessment) -> dict[str, Any]:
    document: dict[str, Any] = render_report("gitlab-sast", assessment)
    jsonschema.Draft7Validator(SCHEMA).validate(document)
    return document


def render_issues(assessment: Assessment) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = render_report("gitlab-codequality", assessment)
    for issue in entries:
        jsonschema.Draft202012Validator(ISSUE).validate(issue)
    return entries


def shift_lines(assessment: Assessment) -> Assessment:
    """Return the assessment with all locations on other lines."""
    far = Region(Position(900, 1), Position(900, 5))
    results = []
    for result in assessment.results:
        verdicts = {}
        for slug, verdict in result.verdicts.items():
            evidence = tuple(
                msgspec.structs.replace(evidence, location=evidence.location and Location(evidence.location.file, far))
                for evidence in verdict.evidence
            )
            verdicts[slug] = msgspec.structs.replace(verdict, evidence=evidence)
        results.append(SubjectResult(result.subject, verdicts))
    return msgspec.structs.replace(assessment, results=tuple(results))


def test_schema_rejects_invalid_reports() -> None:
    scan = {"type": "sast", "status": "success"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate({"version": "15.2.4", "scan": scan, "vulnerabilities": []})


def test_vulnerability_fields(assessment: Assessment) -> None:
    vulnerabilities = render_sast(assessment)["vulnerabilities"]
    assert len(vulnerabilities) == 13
    web = next(vulnerability for vulnerability in vulnerabilities if "default/web-0" in vulnerability["description"])
    assert (web["name"], web["severity"], web["category"]) == ("Privileged container", "High", "sast")
    assert web["location"] == {"file": "deploy/web-0.yaml", "start_line": 21, "end_line": 21}
    assert web["identifiers"][:2] == [
        {
            "type": "kubescape_control_id",
            "name": "C-0057",
            "value": "C-0057",
            "url": "https://example.com/privileged",
        },
        {
            "type": "kubekeep_control",
            "name": "privileged",
            "value": "privileged",
            "url": "https://example.com/privileged",
        },
    ]
    rows = web["details"]["fields"]["rows"]
    assert len(rows) == 8
    assert rows[1][2] == {
        "type": "file-location",
        "file_name": "deploy/web-0.yaml",
        "line_start": 44,
        "line_end": 44,
    }
    assert web["links"] == [{"url": "https://example.com/privileged"}]
    assert web["solution"].startswith("Set what is named")


def test_requirements_are_identifiers(assessment: Assessment) -> None:
    control = msgspec.structs.replace(assessment.summaries[1].definition, satisfies={"nsa": ("pod-security",)})
    controls = (msgspec.structs.replace(assessment.summaries[1], definition=control),)
    framework = msgspec.structs.replace(
        assessment.frameworks[0],
        framework=Framework(slug="nsa", name="NSA", title="NSA", description="", url="https://example.com/nsa"),
        controls=("privileged",),
    )
    results = assessment.results[:1]
    some = msgspec.structs.replace(assessment, summaries=controls, frameworks=(framework,), results=results)
    (vulnerability,) = render_sast(some)["vulnerabilities"]
    assert vulnerability["identifiers"][-1] == {
        "type": "nsa",
        "name": "NSA pod-security",
        "value": "pod-security",
        "url": "https://example.com/nsa",
    }


def test_identifiers_of_other_frameworks(assessment: Assessment) -> None:
    summary = assessment.summaries[1]
    control = msgspec.structs.replace(summary.definition, satisfies={"cis-v2.0.1": ("5.2.2",), "mitre": ()})
    everything = Framework(slug="allcontrols", name="AllControls", title="All", description="", all_controls=True)
    framework = msgspec.structs.replace(assessment.frameworks[0], framework=everything, controls=("privileged",))
    some = msgspec.structs.replace(
        assessment,
        summaries=(msgspec.structs.replace(summary, definition=control),),
        frameworks=(framework,),
        results=assessment.results[:1],
    )
    (vulnerability,) = render_sast(some)["vulnerabilities"]
    assert vulnerability["identifiers"][2:] == [{"type": "cis-v2.0.1", "name": "cis-v2.0.1 5.2.2", "value": "5.2.2"}]


def test_hostile_names_are_code_spans(assessment: Assessment) -> None:
    vulnerabilities = render_sast(assessment)["vulnerabilities"]
    text = next(
        vulnerability["description"]
        for vulnerability in vulnerabilities
        if vulnerability["name"] == "Host process namespace"
    )
    text_outside_code = re.sub(r"(`+).*?\1", "", text)
    assert "<script>" in text
    assert "<script>" not in text_outside_code
    assert "evil" not in text_outside_code


def test_schema_limits(assessment: Assessment) -> None:
    summary = assessment.summaries[1]
    control = msgspec.structs.replace(summary.definition, title="t" * 400, fix="f" * 9000, asks="a" * 2_000_000)
    controls = (msgspec.structs.replace(summary, definition=control),)
    long = render_sast(
        msgspec.structs.replace(assessment, summaries=controls, frameworks=(), results=assessment.results[:1])
    )
    (vulnerability,) = long["vulnerabilities"]
    assert (len(vulnerability["name"]), len(vulnerability["solution"]), len(vulnerability["description"])) == (
        255,
        7000,
        1_048_576,
    )


@pytest.mark.parametrize("render", [render_sast, render_issues])
def test_identifiers_are_unique_and_stable(render: Any, assessment: Assessment) -> None:
    def marks(of: Assessment) -> list[str]:
        document = render(of)
        entries = document["vulnerabilities"] if isinstance(document, dict) else document
        return [entry.get("id") or entry["fingerprint"] for entry in entries]

    first = marks(assessment)
    assert len(set(first)) == len(first)
    assert marks(shift_lines(assessment)) == first
    repeated = marks(msgspec.structs.replace(assessment, results=assessment.results * 2))
    assert len(set(repeated)) == len(repeated)
    assert set(first) <= set(repeated)


def test_tracking_is_independent_of_lines(assessment: Assessment) -> None:
    for vulnerability in render_sast(assessment)["vulnerabilities"]:
        (tracking_entry,) = vulnerability["tracking"]["items"]
        assert tracking_entry["signatures"] == [{"algorithm": "scope_offset", "value": vulnerability["id"]}]


def test_gaps_are_scan_messages(assessment: Assessment) -> None:
    scan = render_sast(assessment)["scan"]
    assert scan["status"] == "success"
    assert (scan["start_time"], scan["end_time"]) == ("2026-11-24T10:00:00", "2026-11-24T10:00:01")
    messages = [(message["level"], message["value"].partition(": ")[0]) for message in scan["messages"]]
    assert messages == [
        ("warn", "not read"),
        ("warn", "not read"),
        ("info", "not evaluated"),
        ("info", "not evaluated"),
    ]
    assert "C-0069, C-0070: It reads files of the nodes" in scan["messages"][3]["value"]
    whole = msgspec.structs.replace(assessment, unread=(), summaries=assessment.summaries[:6])
    coverage_messages = tuple(result for result in whole.results if "registries" not in result.verdicts)
    assert "messages" not in render_sast(msgspec.structs.replace(whole, results=coverage_messages))["scan"]


def test_unevaluated_resources_are_messages(assessment: Assessment) -> None:
    broken_verdict = Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, "The rule failed."))
    last = assessment.results[-1]
    results = (*assessment.results[:-1], SubjectResult(last.subject, {**last.verdicts, "limits": broken_verdict}))
    messages = render_sast(msgspec.structs.replace(assessment, results=results))["scan"]["messages"]
    text = "not evaluated: C-0271 for ServiceAccount default/robot: The rule failed."
    assert messages[-1] == {"level": "warn", "value": text}


def test_manual_controls_are_one_message(assessment: Assessment) -> None:
    controls = tuple(
        msgspec.structs.replace(summary, reason=Reason(Cause.MANUAL, f"see {summary.definition.id}"))
        if summary.reason
        else summary
        for summary in assessment.summaries
    )
    messages = render_sast(msgspec.structs.replace(assessment, summaries=controls, unread=()))["scan"]["messages"]
    text = "not evaluated: C-0001, C-0069, C-0070, C-0026: requires manual review"
    assert messages == [{"level": "info", "value": text}]


def test_resources_without_files_are_distinct(assessment: Assessment) -> None:
    def live(name: str) -> SubjectResult:
        resource = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n"}})
        return SubjectResult(resource, {"privileged": Verdict(Status.FAILED, (Evidence("spec.x", exists=True),))})

    some = msgspec.structs.replace(assessment, results=(live("a"), live("b")))
    assert [vulnerability["location"] for vulnerability in render_sast(some)["vulnerabilities"]] == [
        {"file": "n/Pod/a"},
        {"file": "n/Pod/b"},
    ]
    assert [issue["location"]["path"] for issue in render_issues(some)][-2:] == ["n/Pod/a", "n/Pod/b"]


def test_excepted_findings_are_messages(assessment: Assessment) -> None:
    document = render_sast(add_exceptions(assessment))
    vulnerabilities = document["vulnerabilities"]
    assert len(vulnerabilities) == 11
    assert not any(
        "web-1`" in vulnerability["description"] or "Secret" in vulnerability["description"]
        for vulnerability in vulnerabilities
    )
    web = next(vulnerability for vulnerability in vulnerabilities if "default/web-0" in vulnerability["description"])
    assert web["location"]["start_line"] == 44, "the excepted location is not shown"
    assert [message["value"] for message in document["scan"]["messages"] if "exception" in message["value"]] == [
        "2 findings of C-0057 covered by exception gateway until 2027-01-31: runs the packet filter",
        "1 finding of C-0076 covered by exception legacy",
    ]


def test_each_location_is_an_issue(assessment: Assessment) -> None:
    all_issues = render_issues(assessment)
    web = [issue for issue in all_issues if "default/web-0" in issue["description"]]
    assert [issue["location"]["lines"]["begin"] for issue in web] == [21, 44, 62, 63, 64, 65, 66, 24]
    assert {issue["check_name"] for issue in web} == {"C-0057"}
    assert {issue["severity"] for issue in web} == {"critical"}
    assert web[0]["description"] == (
        "Privileged container: Deployment default/web-0: "
        "set spec.template.spec.containers[0].securityContext.privileged to false"
    )


def test_gaps_are_issues(assessment: Assessment) -> None:
    all_issues = render_issues(assessment)
    assert [(issue["check_name"], issue["severity"]) for issue in all_issues[:3]] == [
        ("kubekeep-input", "major"),
        ("kubekeep-input", "major"),
        ("kubekeep-coverage", "info"),
    ]
    assert all_issues[0]["location"] == {"path": "charts/broken.yaml", "lines": {"begin": 12}}
    assert "C-0001, C-0069, C-0070" in all_issues[2]["description"]


def test_excepted_locations_are_no_issues(assessment: Assessment) -> None:
    before, after = render_issues(assessment), render_issues(add_exceptions(assessment))
    missing_issues = {issue["fingerprint"] for issue in before} - {issue["fingerprint"] for issue in after}
    assert sorted(issue["location"]["path"] for issue in before if issue["fingerprint"] in missing_issues) == [
        "deploy/secret.yaml",
        "deploy/web-0.yaml",
        "deploy/web-1.yaml",
    ]
    assert len(before) - len(after) == 3


def test_control_without_evidence_is_one_issue(assessment: Assessment) -> None:
    first = assessment.results[0]
    without_evidence = SubjectResult(first.subject, {"privileged": Verdict(Status.FAILED)})
    all_issues = render_issues(
        msgspec.structs.replace(assessment, results=(without_evidence,), unread=(), summaries=assessment.summaries[:2])
    )
    assert [issue["description"] for issue in all_issues] == ["Privileged container: Deployment default/cache"]


def test_control_without_id_uses_slug(assessment: Assessment) -> None:
    control = assessment.summaries[0].definition
    assert not control.ids
    vulnerability = next(
        candidate for candidate in render_sast(assessment)["vulnerabilities"] if candidate["severity"] == "Critical"
    )
    assert vulnerability["identifiers"][0]["type"] == "kubekeep_control"
    assert vulnerability["identifiers"][0]["value"] == "host-pid"
