"""The JUnit report is valid by the Jenkins schema and counts controls."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from kubekeep.model.assessment import Assessment
from kubekeep.reports import ReportOptions, load

SCHEMA = Path(__file__).parent / "assets" / "junit-10.xsd"


def tree(assessment: Assessment) -> etree._Element:
    stream = io.StringIO()
    load("junit").render(assessment, stream, ReportOptions())
    root = etree.fromstring(stream.getvalue().encode())
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(root)
    return root


@pytest.fixture
def root(assessment: Assessment) -> etree._Element:
    return tree(assessment)


def test_suites_count_controls(root: etree._Element) -> None:
    suites = root.findall("testsuite")
    assert root.get("name") == "Kubekeep Scanning"
    assert [suite.get("name") for suite in suites] == [
        *("NSA", "MITRE", "cis-v1.10.0"),
        *("Without a framework", "Input that was not read"),
    ]
    assert [suite.get("id") for suite in suites] == ["0", "1", "2", "3", "4"]
    for suite in suites:
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
        assert suite.get("timestamp") == "2026-11-24T10:00:01Z"
    for name in ("tests", "failures", "errors"):
        assert root.get(name) == str(sum(int(suite.get(name, "")) for suite in suites))


def test_cases_are_sorted_and_named(root: etree._Element) -> None:
    suite = root.findall("testsuite")[0]
    names = [case.get("classname") for case in suite.findall("testcase")]
    assert names == sorted(names, key=str)
    assert "NSA/C-0057" in names
    assert figures(suite) == {"complianceScore": "66.66", "coverage": "75.00"}
    assert figures(root.findall("testsuite")[2]) == {"coverage": "0.00"}, "no score without evaluated controls"


def figures(suite: etree._Element) -> dict[str | None, str | None]:
    return {entry.get("name"): entry.get("value") for entry in suite.findall("properties/property")}


def test_failure_text(root: etree._Element) -> None:
    (failure,) = root.findall("testsuite/testcase[@classname='NSA/C-0057']/failure")
    assert failure.get("type") == "Control"
    assert failure.get("message") == "High: Privileged container failed on 9 resources"
    lines = (failure.text or "").splitlines()
    assert lines[0].startswith("Remediation: Set what is named")
    assert lines[1] == "More details: https://example.com/privileged"
    assert lines[4].endswith("privileged to false (from chart/values.yaml:14 cache.securityContext.privileged)")
    at = next(number for number, line in enumerate(lines) if "web-0" in line)
    assert lines[at] == (
        "apiVersion: apps/v1; kind: Deployment; namespace: default; name: web-0; sourcePath: deploy/web-0.yaml; "
        "priority: High"
    )
    assert lines[at + 1] == (
        "  deploy/web-0.yaml:21: set spec.template.spec.containers[0].securityContext.privileged to false"
    )


def test_unevaluated_controls_are_skipped(root: etree._Element) -> None:
    (skipped,) = root.findall("testsuite/testcase[@classname='NSA/C-0026']/skipped")
    assert skipped.get("message") == "irrelevant: No CronJob is in the input."


def test_hostile_names_are_text(root: etree._Element) -> None:
    (failure,) = root.findall("testsuite/testcase[@classname='NSA/host-pid']/failure")
    assert "]]> <script>alert(1)</script>" in (failure.text or "")
    assert len(failure) == 0


def test_single_controls_are_one_suite(assessment: Assessment) -> None:
    (suite,) = tree(msgspec.structs.replace(assessment, frameworks=(), unread=())).findall("testsuite")
    assert suite.get("name") == "kubekeep"
    assert suite.findall("testcase")[0].get("classname") == "Kubekeep/C-0001"
    assert suite.get("tests") == "10"
