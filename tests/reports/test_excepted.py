"""Exceptions in every format: listed separately from open findings without hiding any of them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from lxml import etree
from tests.reports import rendering

from kubekeep.model.assessment import Assessment, Counts, DefinitionSummary, SubjectResult
from kubekeep.model.exception import AppliedException, ExceptedFinding, ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.reports import ReportOptions, names

ASSETS = Path(__file__).parent / "assets"
HOSTILE = "\x1b[31mred\x1b]8;;http://evil\x07 ]]> <script>alert(1)</script> \u202eesrever \ud800\x00"
POLICY = {"name": "known", "posturePolicies": [{"controlID": "C-0057"}]}
KNOWN = AppliedException(
    name="known",
    source=ExceptionSource.FILE,
    reason=f"the vendor decides {HOSTILE}",
    expires=dt.datetime(2027, 1, 31, 23, 59, 59, tzinfo=dt.UTC),
    location=Location("exceptions.json", Region(Position(3, 5), Position(3, 11))),
    text=json.dumps(POLICY),
)
BESIDE = AppliedException(name="kubescape.io/skip-controls of web-6", source=ExceptionSource.ANNOTATION)
EXCEPTED = {"web-5": KNOWN, "web-6": BESIDE}


def except_findings(assessment: Assessment) -> Assessment:
    """Return the scan with one control excepted for two resources, and in one of many locations for a third."""
    results = tuple(_result(result) for result in assessment.results)
    statuses = [result.verdicts["privileged"] for result in results if "privileged" in result.verdicts]
    excepted = sum(verdict.is_excepted for verdict in statuses)
    failed = sum(verdict.status is Status.FAILED for verdict in statuses)
    counts = Counts(passed=excepted, failed=failed, excepted=excepted)
    uses = (
        ExceptionUse(
            exception=KNOWN,
            status=ExceptionStatus.MATCHED,
            controls=("C-0057",),
            findings=(ExceptedFinding("path=1/api=x", "Deployment", "default", "web-5", "C-0057"),),
        ),
        ExceptionUse(exception=BESIDE, status=ExceptionStatus.MATCHED),
        ExceptionUse(
            exception=msgspec.structs.replace(KNOWN, name=f"typo {HOSTILE}"),
            status=ExceptionStatus.INVALID_CONTROL,
            text=f"nobody knows C-9 {HOSTILE}",
            unknown_controls=("C-9",),
        ),
        ExceptionUse(exception=msgspec.structs.replace(KNOWN, name="old"), status=ExceptionStatus.EXPIRED),
        ExceptionUse(exception=msgspec.structs.replace(KNOWN, name="idle"), status=ExceptionStatus.UNUSED),
    )
    controls = tuple(_summary(summary, counts) for summary in assessment.summaries)
    return msgspec.structs.replace(assessment, results=results, summaries=controls, exceptions=uses)


def _result(result: SubjectResult) -> SubjectResult:
    verdict, exception = result.verdicts.get("privileged"), EXCEPTED.get(result.subject.name)
    if verdict is None or result.subject.source is None or not result.subject.source.path.startswith("deploy/web-"):
        return result
    if exception is not None:
        evidence = tuple(msgspec.structs.replace(evidence, exception=exception) for evidence in verdict.evidence)
        changed = Verdict(Status.PASSED, evidence)
    elif result.subject.name == "web-0":
        first: Evidence = msgspec.structs.replace(verdict.evidence[0], exception=KNOWN)
        changed = Verdict(Status.FAILED, (first, *verdict.evidence[1:]))
    else:
        return result
    return msgspec.structs.replace(result, verdicts={**result.verdicts, "privileged": changed})


def _summary(summary: DefinitionSummary, counts: Counts) -> DefinitionSummary:
    return msgspec.structs.replace(summary, counts=counts) if summary.definition.slug == "privileged" else summary


@pytest.fixture
def excepted_assessment(assessment: Assessment) -> Assessment:
    return except_findings(assessment)


def render_text(name: str, assessment: Assessment, **options: Any) -> str:
    return rendering.render_text(name, assessment, ReportOptions(**options))


@pytest.mark.parametrize("name", sorted({"json", "junit", "pretty", "sarif"} & set(names())))
def test_reasons_are_shown_and_escaped(name: str, excepted_assessment: Assessment) -> None:
    text = render_text(name, excepted_assessment, verbose=True, audit=True)
    assert "the vendor decides" in text
    assert "web-5" in text
    text.encode()
    assert "\x00" not in text
    assert "\x1b[31mred" not in text
    assert name != "pretty" or "\u202e" not in text


@pytest.mark.parametrize("name", names())
def test_exceptions_hide_no_open_finding(name: str, assessment: Assessment, excepted_assessment: Assessment) -> None:
    """Check that all other failures are still in the report."""
    for resource in ("web-1", "web-2"):
        assert render_text(name, assessment, verbose=True).count(resource) <= render_text(
            name, excepted_assessment, verbose=True
        ).count(resource)


def test_json_has_kubescapes_layout(excepted_assessment: Assessment) -> None:
    report = json.loads(render_text("json", excepted_assessment))
    control = report["summaryDetails"]["controls"]["C-0057"]
    assert control["subStatusCounters"] == {"ignoredResources": 2}
    assert "exceptionAudit" not in report
    entries = {
        result["resourceID"].rpartition("/")[2]: entry
        for result in report["results"]
        for entry in result["controls"]
        if entry["controlID"] == "C-0057"
    }
    excepted = entries["web-5"]
    assert excepted["status"] == {"status": "passed", "subStatus": "w/exceptions"}
    (rule,) = excepted["rules"]
    assert (rule["status"], rule["subStatus"], rule["exception"]) == ("passed", "w/exceptions", [POLICY])
    assert rule["paths"][0]["exception"]["expirationDate"] == "2027-01-31T23:59:59Z"
    partly = entries["web-0"]
    assert partly["status"] == {"status": "failed"}
    assert [bool(path.get("exception")) for path in partly["rules"][0]["paths"]].count(True) == 2
    assert entries["web-1"]["status"] == {"status": "failed"}
    assert "exception" not in entries["web-1"]["rules"][0]


def test_control_passed_by_exceptions_has_sub_status(excepted_assessment: Assessment) -> None:
    counts = Counts(passed=2, excepted=2)
    controls = tuple(
        msgspec.structs.replace(summary, status=Status.PASSED, counts=counts)
        if summary.definition.id == "C-0057"
        else summary
        for summary in excepted_assessment.controls
    )
    report = json.loads(render_text("json", msgspec.structs.replace(excepted_assessment, summaries=controls)))
    info = report["summaryDetails"]["controls"]["C-0057"]["statusInfo"]
    assert info == {"status": "passed", "subStatus": "w/exceptions"}


def test_json_audit(excepted_assessment: Assessment) -> None:
    audit = json.loads(render_text("json", excepted_assessment, audit=True))["exceptionAudit"]
    counts = {"total": 5, "active": 4, "expired": 1, "matched": 2, "unused": 1, "invalidControl": 1}
    assert audit["summary"] == {**counts, "tooBroad": 0, "invalid": 0}
    assert [use["status"] for use in audit["items"]] == ["matched", "matched", "invalid-control", "expired", "unused"]
    first, _, third, fourth, _ = audit["items"]
    assert first["matchCount"] == 1
    assert first["controlIDs"] == ["C-0057"]
    assert first["matchedResources"] == [
        {
            "resourceID": "path=1/api=x",
            "kind": "Deployment",
            "namespace": "default",
            "name": "web-5",
            "controlID": "C-0057",
            "ruleName": "",
        }
    ]
    assert third["invalidControls"] == ["C-9"]
    assert fourth["expired"] is True
    assert audit["generated"] == "2026-11-24T10:00:01Z"


def test_yaml_audit(excepted_assessment: Assessment) -> None:
    report = yaml.safe_load(render_text("yaml", excepted_assessment, audit=True))
    assert (
        report["exceptionAudit"] == json.loads(render_text("json", excepted_assessment, audit=True))["exceptionAudit"]
    )
    assert "exceptionAudit" not in yaml.safe_load(render_text("yaml", excepted_assessment))


def test_sarif_suppressions(assessment: Assessment, excepted_assessment: Assessment) -> None:
    log = json.loads(render_text("sarif", excepted_assessment))
    schema = json.loads((ASSETS / "sarif-2.1.0.json").read_text())
    jsonschema.Draft4Validator(schema).validate(log)
    results = log["runs"][0]["results"]
    suppressed = [result for result in results if "suppressions" in result]
    assert len(suppressed) == 3
    assert {result["suppressions"][0]["kind"] for result in suppressed} == {"external", "inSource"}
    assert all(result["suppressions"][0]["status"] == "accepted" for result in suppressed)
    place = suppressed[0]["suppressions"][0]["location"]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "exceptions.json"
    assert "until 2027-01-31T23:59:59Z" in suppressed[0]["suppressions"][0]["justification"]
    results_before = json.loads(render_text("sarif", assessment))["runs"][0]["results"]
    fingerprints_before = {result["partialFingerprints"]["kubekeepFinding/v2"] for result in results_before}
    fingerprints = [result["partialFingerprints"]["kubekeepFinding/v2"] for result in results]
    assert fingerprints_before <= set(fingerprints), "an exception does not change the fingerprint"
    assert len(fingerprints) == len(set(fingerprints))


def test_junit_lists_them_in_test_case_output(excepted_assessment: Assessment) -> None:
    root = etree.fromstring(render_text("junit", excepted_assessment).encode())
    etree.XMLSchema(etree.parse(ASSETS / "junit-10.xsd")).assertValid(root)
    (case,) = root.findall("testsuite/testcase[@classname='NSA/C-0057']")
    text = case.findtext("system-out") or ""
    assert text.count("covered by exceptions: ") == 3
    assert "[known until 2027-01-31T23:59:59Z: the vendor decides" in text
    failure = case.findtext("failure") or ""
    assert "name: web-5" not in failure
    assert "name: web-0" in failure
    assert len(root.findall("testsuite/testcase/system-out")) == 1


def test_pretty_counts_and_explains_them_with_verbose(excepted_assessment: Assessment) -> None:
    short_text = render_text("pretty", excepted_assessment)
    assert "3 findings covered by exceptions" in short_text
    assert "the vendor decides" not in short_text
    verbose_text = render_text("pretty", excepted_assessment, verbose=True)
    assert "until 2027-01-31" in verbose_text
    assert "exceptions.json:3" in verbose_text
    assert "no reason given" in verbose_text
    assert "No exception" not in verbose_text


def test_pretty_audit(assessment: Assessment, excepted_assessment: Assessment) -> None:
    text = render_text("pretty", excepted_assessment, audit=True)
    order = [text.index(f"  {status} ") for status in ("invalid-control", "expired", "unused", "matched")]
    assert order == sorted(order), "exceptions with problems come first"
    assert "No exceptions" in render_text("pretty", assessment, audit=True)
