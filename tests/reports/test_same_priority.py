"""One priority everywhere: each format that ranks findings ranks them by their priority, not by the severity of the control.

The input has findings of each priority, of controls and vulnerabilities, with priorities above and below their severities.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml
from lxml import etree, html
from tests.reports.rendering import render_text
from tests.reports.vulnerable import assess_vulnerable

from kubekeep.lsp.findings import create_diagnostic, list_findings
from kubekeep.lsp.positions import ClientText
from kubekeep.mcp.tasks.scan import ScanTask, run_scan
from kubekeep.mcp.tasks.task_input import TaskInput
from kubekeep.model.assessment import Assessment
from kubekeep.model.severity import Severity
from kubekeep.reports.shared.affected_packages import get_level
from kubekeep.reports.shared.urgency import count_priorities, priority_level
from kubekeep.reports.shared.vulnerabilities import list_subjects
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

SHOP: Final = Path(__file__).parents[2] / "examples" / "online-shop"
_Ranks = set[tuple[str, str]]
"""Pairs of the id of a control or vulnerability and the word for its rank."""
_LABELS: Final = {level: level.label for level in Severity}
_NAMES: Final = {level: level.name.lower() for level in Severity}
_SARIF: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.UNKNOWN: "note",
}
_CODE_CLIMATE: Final = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.UNKNOWN: "info",
}
_POLICY_REPORT: Final = _NAMES | {Severity.UNKNOWN: "info"}


@pytest.fixture(scope="module")
def mixed() -> Assessment:
    rules = RuleOptions(frameworks=("recommended", "security"))
    shop, images = scan(ScanRequest(ScanInput(paths=(str(SHOP),)), rules=rules)), assess_vulnerable()
    return msgspec.structs.replace(
        shop, results=(*shop.results, *images.results), summaries=(*shop.summaries, *images.summaries)
    )


def list_ranks(assessment: Assessment, words: dict[Severity, str], *, controls: bool, packages: bool) -> _Ranks:
    findings = (finding for finding in assessment.findings if not finding.definition.concerns_packages)
    ranks = {(finding.id, words[priority_level(finding)]) for finding in findings} if controls else set()
    entries = itertools.chain.from_iterable(subject.open for subject in list_subjects(assessment))
    return ranks | ({(entry.id, words[get_level(entry)]) for entry in entries} if packages else set())


def read_sarif(text: str) -> Iterator[tuple[str, str]]:
    (run,) = json.loads(text)["runs"]
    for result in run["results"]:
        if "suppressions" not in result:
            yield result["ruleId"], result["level"]


def read_junit(text: str) -> Iterator[tuple[str, str]]:
    for case in etree.fromstring(text.encode()).iter("testcase"):
        for failure in case.iter("failure"):
            is_control = failure.attrib["type"] == "Control"
            name = str(case.attrib["classname"] if is_control else case.attrib["name"])
            number = name.rpartition("/")[2] if is_control else name.partition(" in ")[0]
            for label in re.findall(r"(?:; p|^P)riority: (\w+)$", failure.text or "", re.MULTILINE):
                yield number, label


def read_code_climate(text: str) -> Iterator[tuple[str, str]]:
    return ((issue["check_name"], issue["severity"]) for issue in json.loads(text))


def read_gitlab(text: str) -> Iterator[tuple[str, str]]:
    for entry in json.loads(text)["vulnerabilities"]:
        yield entry["identifiers"][0]["name"], entry["severity"]


def read_policy_report(text: str) -> Iterator[tuple[str, str]]:
    for report in yaml.safe_load_all(text):
        for result in report["results"]:
            if result["result"] == "fail":
                yield result["policy"], result["severity"]


def read_ocsf(text: str) -> Iterator[tuple[str, str]]:
    for event in map(json.loads, text.splitlines()):
        if event.get("status") == "Suppressed":
            continue
        if event["class_uid"] == 2002:
            yield event["message"].partition(": ")[0], event["severity"]
        elif event["compliance"]["status"] == "Fail":
            yield event["compliance"]["control"], event["severity"]


def read_csv(text: str) -> Iterator[tuple[str, str]]:
    for row in csv.DictReader(io.StringIO(text)):
        if row["Status"] == "failed":
            yield row["Control ID"], row["Priority"]


def read_findings(text: str) -> Iterator[tuple[str, str]]:
    for finding in map(json.loads, text.splitlines()):
        if finding.get("kind") == "misconfiguration" and not finding.get("suppression"):
            yield finding["id"], finding["priority"]["level"]


def read_github(text: str) -> Iterator[tuple[str, str]]:
    for label, number in re.findall(r"title=(\w+)%3A [^:]*?\(([^()]+)\)::|: (\w+): .*? \(([^()]+)\): ", text):
        yield number, label


READERS: Final[dict[str, tuple[Callable[[str], Iterator[tuple[str, str]]], dict[Severity, str], bool, bool]]] = {
    "csv": (read_csv, _LABELS, True, True),
    "findings": (read_findings, _NAMES, True, False),
    "gitlab-codequality": (read_code_climate, _CODE_CLIMATE, True, True),
    "gitlab-container-scanning": (read_gitlab, _LABELS, False, True),
    "gitlab-sast": (read_gitlab, _LABELS, True, False),
    "junit": (read_junit, _LABELS, True, True),
    "ocsf": (read_ocsf, _LABELS, True, True),
    "openreports": (read_policy_report, _POLICY_REPORT, True, True),
    "policyreport": (read_policy_report, _POLICY_REPORT, True, True),
    "sarif": (read_sarif, _SARIF, True, True),
}
"""Formats with the reader of their ranks, the word for each priority, and True for controls and for vulnerabilities."""


def test_priorities_of_the_input_differ_from_severities_in_both_directions(mixed: Assessment) -> None:
    differences = [finding.priority.level - finding.severity for finding in mixed.findings]
    assert min(differences) < 0 < max(differences)
    assert {*count_priorities(mixed.findings)} >= {*Severity} - {Severity.UNKNOWN}


@pytest.mark.parametrize("name", READERS)
def test_each_finding_has_the_rank_of_its_priority(name: str, mixed: Assessment) -> None:
    read, words, controls, packages = READERS[name]
    ranks = {pair for pair in read(render_text(name, mixed)) if not pair[0].startswith("kubekeep-")}
    assert ranks == list_ranks(mixed, words, controls=controls, packages=packages)


def test_sarif_has_no_error_of_medium_priority(mixed: Assessment) -> None:
    (run,) = json.loads(render_text("sarif", mixed))["runs"]
    levels = {
        (result["properties"]["priority"], result["level"]) for result in run["results"] if "suppressions" not in result
    }
    assert levels >= {("Critical", "error"), ("High", "error"), ("Medium", "warning"), ("Low", "note")}
    assert not {("Medium", "error"), ("High", "warning"), ("Critical", "warning")} & levels


def test_security_severity_of_a_sarif_rule_is_that_of_its_most_urgent_result(mixed: Assessment) -> None:
    (run,) = json.loads(render_text("sarif", mixed))["runs"]
    scores: dict[int, list[float]] = {}
    for result in run["results"]:
        if "suppressions" not in result and "security-severity" in result["properties"]:
            scores.setdefault(result["ruleIndex"], []).append(float(result["properties"]["security-severity"]))
    rules = run["tool"]["driver"]["rules"]
    assert len(scores) >= 30
    assert {index: max(values) for index, values in scores.items()} == {
        index: float(rules[index]["properties"]["security-severity"]) for index in scores
    }


def test_rule_of_sarif_keeps_the_severity_of_the_control_as_its_default(mixed: Assessment) -> None:
    (run,) = json.loads(render_text("sarif", mixed))["runs"]
    defaults = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in run["tool"]["driver"]["rules"]}
    assert (defaults["C-0035"], defaults["C-0270"]) == ("warning", "error")


def test_totals_of_the_html_overview_include_vulnerabilities(mixed: Assessment) -> None:
    page: Any = html.document_fromstring(render_text("html", mixed))
    (table,) = page.xpath("//table[@aria-labelledby='by-priority']")
    heads = [cell.text_content() for cell in table.xpath(".//th[@scope='col']")]
    assert heads == ["Priority", "Controls", "Vulnerabilities"]
    rows = {
        row.find("th").text_content().strip(): [int(cell.text_content()) for cell in row.xpath("td[@class='number']")]
        for row in table.xpath(".//tbody/tr")
    }
    controls = count_priorities(finding for finding in mixed.findings if not finding.definition.concerns_packages)
    entries = itertools.chain.from_iterable(subject.open for subject in list_subjects(mixed))
    packages = [get_level(entry) for entry in entries]
    for level in {*Severity} - {Severity.UNKNOWN}:
        assert rows[level.label] == [controls[level], packages.count(level)]


def test_severity_of_a_diagnostic_follows_from_the_priority(mixed: Assessment) -> None:
    entries = itertools.chain.from_iterable(list_findings(mixed, None).values())
    text = ClientText("", "utf-16")
    severities = ((entry.finding.id, create_diagnostic(entry, text, ()).severity) for entry in entries)
    ranks = {(number, severity.name) for number, severity in severities if severity is not None}
    words = {
        Severity.CRITICAL: "Error",
        Severity.HIGH: "Error",
        Severity.MEDIUM: "Warning",
        Severity.LOW: "Information",
        Severity.UNKNOWN: "Hint",
    }
    assert ranks <= list_ranks(mixed, words, controls=True, packages=True)
    assert {word for _, word in ranks} >= {"Error", "Warning", "Information"}


def test_totals_for_assistants_are_counted_by_priority(tmp_path: Path) -> None:
    answer = run_scan(TaskInput(scratch=str(tmp_path), folder=str(SHOP), path=".", allowed=(str(SHOP),)), ScanTask())
    assessment = scan(ScanRequest(ScanInput(paths=(str(SHOP),))))
    counts = count_priorities(assessment.findings)
    totals = answer.totals
    assert [totals.critical, totals.high, totals.medium, totals.low] == [
        counts[level] for level in sorted({*Severity} - {Severity.UNKNOWN}, reverse=True)
    ]
    assert [entry.priority.score for entry in answer.entries] == sorted(
        (entry.priority.score for entry in answer.entries), reverse=True
    )
