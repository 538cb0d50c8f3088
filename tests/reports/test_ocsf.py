"""OCSF events: valid by the schema of the class and by a reader's model; no excepted finding is new."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding  # type: ignore[import-untyped]
from tests.reports.excepted import add_exceptions

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.verdict import Cause, Reason, Status, Verdict
from kubekeep.reports import ReportOptions, load

SCHEMA = json.loads((Path(__file__).parent / "assets" / "ocsf-compliance-finding-1.5.0.json").read_text())
PASS, WARNING, FAIL = 1, 2, 3
NEW, SUPPRESSED = 1, 3


def events(assessment: Assessment) -> list[dict[str, Any]]:
    stream = io.StringIO()
    load("ocsf").render(assessment, stream, ReportOptions())
    parsed = [json.loads(line) for line in stream.getvalue().removesuffix("\n").split("\n")]
    valid = jsonschema.Draft202012Validator(SCHEMA)
    for event in parsed:
        valid.validate(event)
        ComplianceFinding.model_validate(event)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    return parsed


def test_a_failure(assessment: Assessment) -> None:
    failed = [event for event in events(assessment) if event["compliance"]["status_id"] == FAIL]
    assert len(failed) == 13
    web = next(event for event in failed if event["resources"][0]["name"] == "web-0")
    assert web["message"] == "Privileged container: Deployment default/web-0"
    assert (web["severity_id"], web["severity"]) == (4, "High")
    assert (web["status_id"], web["status"]) == (NEW, "New")
    assert web["time"] == 1795514401000
    assert web["resources"] == [
        {
            "uid": "apps/v1/default/Deployment/web-0",
            "name": "web-0",
            "type": "Deployment",
            "namespace": "default",
            "version": "apps/v1",
        }
    ]
    assert web["compliance"]["standards"] == ["NSA"]
    assert web["compliance"]["control"] == "C-0057"
    assert len(web["evidences"]) == 8
    assert web["evidences"][0]["data"] == {
        "path": "spec.template.spec.containers[0].securityContext.privileged",
        "change": "set spec.template.spec.containers[0].securityContext.privileged to false",
        "file": "deploy/web-0.yaml",
        "start_line": 21,
        "end_line": 21,
    }


def test_requirements_are_cited(assessment: Assessment) -> None:
    summary = assessment.summaries[1]
    control = msgspec.structs.replace(summary.definition, satisfies={"nsa": ("pod-security", "hardening")})
    controls = (msgspec.structs.replace(summary, definition=control),)
    frameworks = (msgspec.structs.replace(assessment.frameworks[0], controls=("privileged",)),)
    some = msgspec.structs.replace(
        assessment, summaries=controls, frameworks=frameworks, results=assessment.results[:1], unread=()
    )
    (event,) = events(some)
    assert event["compliance"]["requirements"] == ["NSA pod-security", "NSA hardening"]


def test_related_resources_are_listed(assessment: Assessment) -> None:
    (robot,) = (event for event in events(assessment) if event["compliance"]["control"] == "C-0188")
    assert [resource["type"] for resource in robot["resources"]] == ["ServiceAccount", "RoleBinding", "Role"]


def test_passed_and_unevaluated_controls(assessment: Assessment) -> None:
    all_events = events(assessment)
    states = {event["compliance"]["control"]: event["compliance"]["status_id"] for event in all_events}
    assert states["C-0271"] == PASS
    assert states["C-0069"] == states["C-0070"] == states["C-0001"] == WARNING
    assert "C-0026" not in states, "a control without resources has no event"
    passed = next(event for event in all_events if event["compliance"]["control"] == "C-0271")
    assert (passed["message"], passed["severity"]) == ("passed for 7 resources", "Informational")
    unread = [event for event in all_events if event["compliance"]["control"] == "kubekeep-input"]
    assert [event["compliance"]["status"] for event in unread] == ["Warning", "Warning"]
    assert unread[0]["evidences"] == [{"data": {"file": "charts/broken.yaml", "start_line": 12, "end_line": 12}}]


def test_unevaluated_resource(assessment: Assessment) -> None:
    broken_verdict = Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, "The rule failed."))
    result = SubjectResult(assessment.results[2].subject, {"limits": broken_verdict})
    all_events = events(msgspec.structs.replace(assessment, results=(result,), unread=()))
    event = next(event for event in all_events if "resources" in event)
    assert (event["compliance"]["control"], event["compliance"]["status_id"]) == ("C-0271", WARNING)
    assert event["message"] == "not evaluated: The rule failed."


def test_excepted_findings_are_suppressed(assessment: Assessment) -> None:
    failures = [event for event in events(add_exceptions(assessment)) if event["compliance"]["status_id"] == FAIL]
    assert Counter(event["status_id"] for event in failures) == {NEW: 11, SUPPRESSED: 3}
    excepted = {event["resources"][0]["name"]: event for event in failures if event["status_id"] == SUPPRESSED}
    assert set(excepted) == {"web-0", "web-1", "db"}
    assert excepted["db"]["status_detail"] == "covered by exception legacy"
    assert len(excepted["web-0"]["evidences"]) == 1
    states = [event for event in events(add_exceptions(assessment)) if event["compliance"]["control"] == "C-0076"]
    assert [event["status"] for event in states] == ["Suppressed"], (
        "no event for a control that passed only by exceptions"
    )
    before = {event["resources"][0]["name"]: event["finding_info"]["uid"] for event in _failures(assessment)}
    assert excepted["web-1"]["finding_info"]["uid"] == before["web-1"], "the suppressed finding keeps its ID"
    assert excepted["web-0"]["finding_info"]["uid"] != before["web-0"], "the partly suppressed finding has another ID"


def test_event_ids_are_unique(assessment: Assessment) -> None:
    for some in (
        assessment,
        add_exceptions(assessment),
        msgspec.structs.replace(assessment, results=assessment.results * 2),
    ):
        uids = [event["finding_info"]["uid"] for event in events(some)]
        assert len(set(uids)) == len(uids)


def test_empty_scan_is_an_event(assessment: Assessment) -> None:
    (event,) = events(msgspec.structs.replace(assessment, results=(), summaries=(), frameworks=(), unread=()))
    assert event["message"].startswith("nothing was evaluated")
    assert event["compliance"]["status_id"] == WARNING


def _failures(assessment: Assessment) -> list[dict[str, Any]]:
    return [event for event in events(assessment) if event["compliance"]["status_id"] == FAIL]
