"""One scan of a varied folder in every format: all formats report the same figures.

The expected figures are counted here from the verdicts of the JSON report, not taken from its totals.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from lxml import etree, html
from tests.reports.rendering import extract_pdf_text, remove_whitespace

from kubekeep.library.extra import CUSTOM_RULES
from kubekeep.library.load import builtin
from kubekeep.reports import formats, names

HERE: Final = Path(__file__).parent
FRAMEWORKS: Final = ("AllControls", "NSA", "MITRE", "custom-rules")
"""Names in formats for programs; the terminal and Markdown have the slugs, which are the same in lower case."""
TITLES: Final = {name: builtin().frameworks.get(name.casefold(), CUSTOM_RULES).title for name in FRAMEWORKS}
"""Names in HTML."""
LEVELS: Final = ("Critical", "High", "Medium", "Low", "Unknown")


@dataclasses.dataclass(frozen=True)
class Tally:
    """Numbers of failed, passed and unevaluated results, and of those passed only by exceptions."""

    failed: int = 0
    passed: int = 0
    skipped: int = 0
    excepted: int = 0


class Reports:
    """The scan in every format, with figures counted from its verdicts."""

    def __init__(self, folder: Path, stdout: str) -> None:
        self.folder = folder
        self.files = dict(line.split(": ") for line in stdout.splitlines() if line.partition(": ")[0] in names())
        self.json: dict[str, Any] = json.loads(self.text("json"))
        self.known: dict[str, dict[str, Any]] = self.json["summaryDetails"]["controls"]

    def text(self, name: str) -> str:
        return (self.folder / self.files[name]).read_text(encoding="utf-8")

    @cached_property
    def verdicts(self) -> list[tuple[str, dict[str, Any]]]:
        return [(result["resourceID"], entry) for result in self.json["results"] for entry in result["controls"]]

    @cached_property
    def controls(self) -> dict[str, Tally]:
        return {
            number: _tally(entry for _, entry in self.verdicts if entry["controlID"] == number) for number in self.known
        }

    def status(self, number: str) -> str:
        tally = self.controls[number]
        if self.known[number]["statusInfo"].get("subStatus") == "irrelevant":
            assert tally == Tally()
            return "idle"
        return "failed" if tally.failed else "gap" if tally.skipped or not tally.passed else "passed"

    def statuses(self, numbers: Iterable[str]) -> Counter[str]:
        return Counter(map(self.status, numbers))

    def members(self, framework: str) -> list[str]:
        (summary,) = (
            candidate for candidate in self.json["summaryDetails"]["frameworks"] if candidate["name"] == framework
        )
        return [*summary["controls"]]

    def resources(self, numbers: Iterable[str]) -> Tally:
        """Count the resources by their worst verdict; a parameter without a value does not make one worse."""
        selected, worst = {*numbers}, Counter[str]()
        for result in self.json["results"]:
            statuses_of_resource = [entry["status"] for entry in result["controls"] if entry["controlID"] in selected]
            statuses = {entry["status"] for entry in statuses_of_resource if entry.get("subStatus") != "configuration"}
            worst.update([next((word for word in ("failed", "skipped", "passed") if word in statuses), "none")])
        return Tally(worst["failed"], worst["passed"], worst["skipped"])

    def compliance(self, numbers: Iterable[str]) -> float:
        evaluated = [self.controls[number] for number in numbers if self.status(number) in ("failed", "passed")]
        return sum(100 * tally.passed / (tally.failed + tally.passed + tally.skipped) for tally in evaluated) / len(
            evaluated
        )

    def coverage(self, numbers: Iterable[str]) -> float:
        counts = self.statuses(numbers)
        return 100 * (counts["failed"] + counts["passed"]) / (counts.total() - counts["idle"])

    def risk(self, numbers: Iterable[str]) -> float:
        weights = {entry["resourceID"]: _weight(entry["object"]) for entry in self.json["resources"]}
        selected, failed, whole = {*numbers}, 0.0, 0.0
        for resource, entry in self.verdicts:
            if entry["controlID"] in selected:
                weight = self.known[entry["controlID"]]["scoreFactor"] * weights[resource]
                whole += weight
                failed += weight * (entry["status"]["status"] == "failed")
        return 100 * failed / whole

    @cached_property
    def failing(self) -> Counter[str]:
        """Count open findings by control."""
        return Counter({number: tally.failed for number, tally in self.controls.items() if tally.failed})

    @cached_property
    def accepted(self) -> Counter[str]:
        """Count findings by control that are excepted in whole or in part."""
        return Counter(
            entry["controlID"] for _, entry in self.verdicts if any("exception" in path for path in _paths(entry))
        )

    @cached_property
    def levels(self) -> Counter[str]:
        return Counter(self.known[number]["severity"] for number in self.failing)

    @cached_property
    def unread(self) -> int:
        return len(self.json["kubekeep"]["unread"])


def _paths(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return [path for rule in entry["rules"] for path in rule.get("paths", ())]


def _tally(entries: Iterable[dict[str, Any]]) -> Tally:
    statuses = [(entry["status"]["status"], entry["status"].get("subStatus")) for entry in entries]
    words = [word for word, _ in statuses]
    failed, passed, skipped = map(words.count, ("failed", "passed", "skipped"))
    return Tally(failed, passed, skipped, statuses.count(("passed", "w/exceptions")))


def _weight(resource: dict[str, Any]) -> float:
    if "relatedObjects" in resource:
        return max(map(_weight, resource["relatedObjects"]))
    replicas = resource.get("spec", {}).get("replicas", 1)
    return 1.1 * replicas if replicas > 1 else 1.0


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    folder = tmp_path_factory.mktemp("figures")
    shutil.copytree(HERE / "varied", folder / "varied")
    (folder / "varied" / "broken.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: broken\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "remote", "add", "origin", "https://github.com/example/shop"], cwd=folder, check=True)
    more = HERE / "varied_more"
    outside_folder = ("--exceptions", str(more / "exceptions.yaml"), "--custom-rules", str(more))
    arguments = ("framework", ",".join(FRAMEWORKS), "varied", *outside_folder)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "kubekeep",
            "scan",
            *arguments,
            "-f",
            ",".join(names()),
            "-o",
            "out",
            "--verbose",
            "--kubescape-metrics",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3, run.stderr
    collected = Reports(folder, run.stderr + run.stdout)
    assert {*collected.files} == {*names()}
    return collected


def test_sample_is_varied(reports: Reports) -> None:
    """Check that the figures differ, because the other tests would otherwise compare zeros."""
    counts = reports.statuses(reports.known)
    assert min(counts[word] for word in ("failed", "passed", "gap", "idle")) > 10
    assert len(reports.json["results"]) > 12
    assert (reports.unread, reports.accepted.total()) == (3, 4)
    assert sum(tally.excepted for tally in reports.controls.values()) == 3
    assert any(tally.failed and tally.passed and tally.skipped for tally in reports.controls.values())
    assert {*reports.levels} == {*LEVELS}
    assert len({reports.coverage(reports.members(name)) for name in FRAMEWORKS}) > 1


def test_json_and_yaml_totals(reports: Reports) -> None:
    yaml_report = yaml.safe_load(reports.text("yaml"))
    for document in (reports.json, yaml_report):
        sums = document["summaryDetails"]
        assert {key: _counters(entry) for key, entry in sums["controls"].items()} == {
            key: dataclasses.astuple(tally)[:3] for key, tally in reports.controls.items()
        }
        parts = [(sums, [*reports.known]), *((part, reports.members(part["name"])) for part in sums["frameworks"])]
        for part, members in parts:
            assert _counters(part) == dataclasses.astuple(reports.resources(members))[:3]
            assert part["complianceScore"] == pytest.approx(reports.compliance(members))
            assert part["score"] == pytest.approx(reports.risk(members))
        assert document["kubekeep"]["coverage"] == pytest.approx(reports.coverage(reports.known))
        assert len(document["scanCoverage"]["notEvaluatedControls"]) == reports.statuses(reports.known)["gap"]
        assert sums["controlsSeverityCounters"] == {
            f"{word.lower()}Severity": reports.levels[word] for word in LEVELS[:4]
        }
        named = [number for number in reports.failing if reports.known[number]["severity"] in LEVELS[:4]]
        assert sum(sums["resourcesSeverityCounters"].values()) == sum(reports.failing[number] for number in named)
    assert _without_format(yaml_report) == _without_format(reports.json)


def _counters(entry: dict[str, Any]) -> tuple[int, ...]:
    counters = entry["ResourceCounters"]
    return tuple(counters[f"{word}Resources"] for word in ("failed", "passed", "skipped"))


def _without_format(document: dict[str, Any]) -> dict[str, Any]:
    scan = document["metadata"]["scanMetadata"]
    rest = {key: value for key, value in scan.items() if key not in ("format", "formats")}
    return {**document, "metadata": {**document["metadata"], "scanMetadata": rest}}


def test_pretty(reports: Reports) -> None:
    text, all_of = reports.text("pretty"), reports.statuses(reports.known)
    assert f"✔ {all_of['passed']} controls passed\n" in text
    assert f"· {all_of['idle']} controls without matching resources\n" in text
    assert f"• {all_of['gap']} controls not evaluated\n" in text
    assert f"◌ {reports.accepted.total()} findings covered by exceptions" in text
    assert "✖ Input not read in 3 locations:" in text
    blocks = (" ".join(block.split()) for block in text.split("\n\n") if block.startswith("✖"))
    heads = re.findall(r"(?:^|\n)✖ [A-Z]+ .*? ([^ ]+) (\d+) of (\d+) resources? fails?", "\n".join(blocks))
    assert {number: (int(failed), int(of)) for number, failed, of in heads} == {
        number: (count, count + reports.controls[number].passed) for number, count in reports.failing.items()
    }
    rows = [line.split() for line in text[text.index("\nSummary\n") :].splitlines() if "░" in line or "█" in line]
    assert len(rows) == len(FRAMEWORKS) + 1
    names = {name.casefold(): name for name in FRAMEWORKS}
    for row in rows:
        members = reports.members(names[row[0]]) if row[0] in names else [*reports.known]
        assert [int(cell) for cell in row if cell.isdecimal()] == [
            math.floor(reports.compliance(members)),
            math.floor(reports.coverage(members)),
            *_by_status(reports, members)[:3],
        ]
    assert _last_line(reports) in " ".join(text.split())


def _by_status(reports: Reports, members: Iterable[str]) -> list[int]:
    counts = reports.statuses(members)
    return [counts["failed"], counts["passed"], counts["gap"], counts["idle"]]


def _last_line(reports: Reports) -> str:
    tally = reports.resources(reports.known)
    files = reports.json["kubekeep"]["files"]
    total = tally.failed + tally.passed + tally.skipped
    findings = f"{reports.failing.total()} findings by priority: {' · '.join(_priorities(reports))}"
    return f"{files} files, {total} resources, {len(reports.failing)} failed controls; {findings}"


def _priorities(reports: Reports) -> list[str]:
    """Return the numbers of findings by priority, which only the CSV report has for each finding."""
    rows = csv.DictReader(io.StringIO(reports.text("csv")))
    counts = Counter(row["Priority"] or row["Severity"] for row in rows if row["Status"] == "failed")
    assert counts.total() == reports.failing.total()
    return [f"{count} {word.lower()}" for word in LEVELS if (count := counts[word])]


def test_markdown(reports: Reports) -> None:
    text, all_of, tally = reports.text("markdown"), reports.statuses(reports.known), reports.resources(reports.known)
    assert f"## Kubekeep: {all_of['failed']} controls failed" in text
    findings = f"{reports.failing.total()} findings by priority: {', '.join(_priorities(reports))}"
    assert f"**{tally.failed} resources failed**: {findings}" in text
    assert f"**{all_of['gap']} controls were not evaluated**" in text
    assert f"<summary>{all_of['gap']} controls not evaluated</summary>" in text
    assert f" {reports.accepted.total()} findings covered by exceptions\n" in text
    assert f"compliance {math.floor(reports.compliance(reports.known))} %" in text
    assert f"coverage {math.floor(reports.coverage(reports.known))} %" in text
    assert f"risk score {_risk(reports)}\n" in text
    for name in FRAMEWORKS:
        members = reports.members(name)
        (row,) = re.findall(rf"^\| {name.casefold()} \| (.*) \|$", text, re.MULTILINE)
        scores = [f"{math.floor(score)} %" for score in (reports.compliance(members), reports.coverage(members))]
        assert row.split(" | ") == [*scores, *map(str, _by_status(reports, members))]


def _risk(reports: Reports) -> str:
    return f"{math.ceil(reports.risk(reports.known) * 10) / 10:.1f}"


def test_html(reports: Reports) -> None:
    page: Any = html.document_fromstring(reports.text("html"))
    all_of, tally = reports.statuses(reports.known), reports.resources(reports.known)
    figures = [" ".join("".join(node.itertext()).split()) for node in page.xpath("//p[@class='figure']")]
    scores = [
        f"{math.floor(score)} %" for score in (reports.compliance(reports.known), reports.coverage(reports.known))
    ]
    total = tally.failed + tally.passed + tally.skipped
    assert figures == [scores[0], _risk(reports), scores[1], f"{tally.failed} of {total}"]
    assert f"{reports.failing.total()} findings of {all_of['failed']} controls" in page.text_content()
    statuses = Counter(page.xpath("//tr/@data-status"))
    assert statuses == all_of
    rows = [
        [cell.text_content() for cell in row] for row in page.xpath("//table[@aria-labelledby='by-framework']//tr[td]")
    ]
    assert [[row[0], *row[5:]] for row in rows if row[0] in TITLES.values()] == [
        [title, *map(str, _by_status(reports, reports.members(name)))] for name, title in TITLES.items()
    ]
    tables = json.loads(page.get_element_by_id("data").text)
    open_ones = [row for row in tables["findings"] if not any(len(place) > 7 and place[7] for place in row[6:])]
    assert Counter(tables["controls"][row[0]][0] for row in open_ones) == reports.failing
    assert len(tables["findings"]) - len(open_ones) == reports.accepted.total()


def test_pdf(reports: Reports) -> None:
    whole_text = extract_pdf_text((reports.folder / reports.files["pdf"]).read_bytes())
    text = remove_whitespace(" ".join(whole_text.split("\f")[:4]))
    all_of, tally = reports.statuses(reports.known), reports.resources(reports.known)
    for expected in (
        f"{math.floor(reports.compliance(reports.known))}%",
        f"{math.floor(reports.coverage(reports.known))}%",
        _risk(reports),
        f"in{tally.failed}resources",
        f"{all_of['gap']}of{len(reports.known) - all_of['idle']}applicablecontrolscouldnotbeevaluated",
    ):
        assert expected in text
    assert re.search(rf"(?<!\d){reports.failing.total()}(?!\d)", text)
    whole = remove_whitespace(whole_text)
    for label, kind in (
        ("failed", "failed"),
        ("passed", "passed"),
        ("notevaluated", "gap"),
        ("nomatchingresources", "idle"),
    ):
        assert f"{label}{all_of[kind]}{100 * all_of[kind] // all_of.total()}%" in whole


def test_junit(reports: Reports) -> None:
    root: Any = etree.fromstring(reports.text("junit").encode())
    suites = {suite.get("name"): suite for suite in root}
    assert [*suites] == [*FRAMEWORKS, "Input that was not read"]
    for name in FRAMEWORKS:
        suite, members = suites[name], reports.members(name)
        counts = reports.statuses(members)
        assert [int(suite.get(key)) for key in ("tests", "failures", "skipped")] == [
            len(members),
            counts["failed"],
            counts["gap"] + counts["idle"],
        ]
        figures = {entry.get("name"): float(entry.get("value")) for entry in suite.iter("property")}
        assert figures == {
            "complianceScore": pytest.approx(reports.compliance(members), abs=0.005),
            "coverage": pytest.approx(reports.coverage(members), abs=0.005),
        }
        failed = {case.get("classname").partition("/")[2]: case.find("failure") for case in suite.iter("testcase")}
        assert {key: node.text.count("\napiVersion: ") for key, node in failed.items() if node is not None} == {
            number: count for number, count in reports.failing.items() if number in members
        }
    whole = list(suites["AllControls"].iter("system-out"))
    assert sum(entry.text.count("covered by exceptions: ") for entry in whole) == reports.accepted.total()
    assert int(root.get("tests")) == sum(len(reports.members(name)) for name in FRAMEWORKS) + reports.unread


def test_sarif(reports: Reports) -> None:
    (run,) = json.loads(reports.text("sarif"))["runs"]
    open_results = Counter(result["ruleId"] for result in run["results"] if not result.get("suppressions"))
    assert open_results == reports.failing
    assert Counter(result["ruleId"] for result in run["results"] if result.get("suppressions")) == reports.accepted
    (invocation,) = run["invocations"]
    assert len(invocation["toolConfigurationNotifications"]) == reports.statuses(reports.known)["gap"]
    assert len(invocation["toolExecutionNotifications"]) == reports.unread


def test_csv(reports: Reports) -> None:
    rows = [*csv.DictReader(io.StringIO(reports.text("csv")))]
    assert sum(row["Status"] == "unread" for row in rows) == reports.unread
    by_control: dict[str, Counter[str]] = {number: Counter() for number in reports.known}
    unread_rows = Counter[str]()
    for row in rows:
        if row["Resource Kind"]:
            words = [row["Status"], *(["excepted"] if row["Sub Status"] == "w/exceptions" else [])]
            by_control[row["Control ID"]].update(words)
        elif row["Status"] != "unread":
            unread_rows[row["Control ID"]] += 1
    assert {
        number: Tally(*(count[word] for word in ("failed", "passed", "skipped", "excepted")))
        for number, count in by_control.items()
    } == (reports.controls)
    assert unread_rows == Counter(number for number in reports.known if reports.status(number) == "gap")


def test_prometheus(reports: Reports) -> None:
    lines = [line.rpartition(" ") for line in reports.text("prometheus").splitlines() if not line.startswith("#")]
    metrics = {name: float(value) for name, _, value in lines}
    for place, members in (("cluster", [*reports.known]), *((name, reports.members(name)) for name in FRAMEWORKS)):
        tally, counts = reports.resources(members), reports.statuses(members)
        scope, label = ("cluster", "") if place == "cluster" else ("framework", f'{{name="{place}"}}')
        noun = "control" if place == "cluster" else "controls"
        own, slug = ("", "") if place == "cluster" else ("framework_", f'{{framework="{place.casefold()}"}}')
        assert metrics[f"kubekeep_{own}coverage_ratio{slug}"] == pytest.approx(reports.coverage(members) / 100)
        assert metrics[f"kubekeep_{own}compliance_ratio{slug}"] == pytest.approx(reports.compliance(members) / 100)
        assert metrics[f"kubescape_{scope}_complianceScore{label}"] == pytest.approx(reports.compliance(members))
        assert [
            metrics[f"kubescape_{scope}_count_resources_{word}{label}"] for word in ("failed", "passed", "skipped")
        ] == [
            tally.failed,
            tally.passed,
            tally.skipped,
        ]
        assert [
            metrics[f"kubescape_{scope}_count_{noun}_{word}{label}"] for word in ("failed", "passed", "skipped")
        ] == [
            counts["failed"],
            counts["passed"],
            counts["gap"] + counts["idle"],
        ]
    for word in ("failed", "passed", "skipped"):
        by_control = sum(
            value for name, value in metrics.items() if name.startswith(f"kubescape_control_count_resources_{word}{{")
        )
        assert by_control == sum(getattr(tally, word) for tally in reports.controls.values())
    by_resource = [
        value for name, value in metrics.items() if name.startswith("kubescape_resource_count_controls_failed{")
    ]
    assert sum(by_resource) == reports.failing.total()
    assert metrics["kubekeep_excepted_findings"] == reports.accepted.total()
    assert metrics["kubekeep_unread"] == reports.unread
    gaps = [name for name in metrics if name.startswith("kubekeep_control_not_evaluated{")]
    assert len(gaps) == reports.statuses(reports.known)["gap"]


def test_oscal(reports: Reports) -> None:
    (result,) = json.loads(reports.text("oscal"))["assessment-results"]["results"]
    findings = {finding["target"]["target-id"]: finding for finding in result["findings"]}
    for number, finding in findings.items():
        tally = reports.controls[number]
        accepted = f" ({tally.excepted} by exceptions)" if tally.excepted else ""
        skipped = f", {tally.skipped} not evaluated" if tally.skipped else ""
        assert finding["description"] == f"Resources: {tally.failed} failed, {tally.passed} passed{accepted}{skipped}."
    assert {*findings} == {number for number in reports.known if reports.status(number) in ("failed", "passed")}
    kinds = Counter(observation.get("types", ["hole"])[0] for observation in result["observations"])
    assert kinds["finding"] == reports.failing.total() + reports.accepted.total()
    risks = Counter({"open": 0, "deviation-approved": 0})
    for risk in result["risks"]:
        risks[risk["status"]] += len(risk["related-observations"])
    assert risks == {"open": reports.failing.total(), "deviation-approved": reports.accepted.total()}
    (coverage,) = (float(prop["value"]) for prop in result["props"] if prop["name"] == "coverage")
    assert coverage == pytest.approx(reports.coverage(reports.known), rel=1e-5)
    tally = reports.resources(reports.known)
    files = reports.json["kubekeep"]["files"]
    total = tally.failed + tally.passed + tally.skipped
    assert result["description"].startswith(f"{total} resources from {files} files were assessed. 3 parts ")


def test_findings(reports: Reports) -> None:
    lines = [json.loads(line) for line in reports.text("findings").splitlines()]
    findings = [line for line in lines if line["schema"] == "kubekeep.io/finding/v1"]
    gaps = [line for line in lines if line["schema"] == "kubekeep.io/coverage-gap/v1"]
    assert len(findings) + len(gaps) == len(lines)
    assert Counter(line["id"] for line in findings if "suppression" not in line) == reports.failing
    assert sum("suppression" in line for line in findings) == reports.accepted.total()
    assert sum("definition" not in line for line in gaps) == reports.unread
    assert {line["definition"] for line in gaps if "definition" in line and "subject" not in line} == {
        number for number in reports.known if reports.status(number) == "gap"
    }


def test_submission(reports: Reports) -> None:
    submission = json.loads(reports.text("submission"))
    findings = [finding for entry in submission["subjects"] for finding in entry.get("findings", ())]
    assert Counter(finding["definition"] for finding in findings if "evidence" in finding) == reports.failing
    assert sum("suppressed" in finding for finding in findings) == reports.accepted.total()
    unread = [gap for gap in submission["gaps"] if "definition" not in gap]
    assert len(unread) == reports.unread
    gaps = {gap["definition"] for gap in submission["gaps"] if "definition" in gap}
    assert gaps == {number for number in reports.known if reports.status(number) == "gap"}
    assert {*submission["scope"]["definitions"]} == reports.known.keys() - gaps


def test_ocsf(reports: Reports) -> None:
    events = [json.loads(line) for line in reports.text("ocsf").splitlines()]
    failed = [event for event in events if event["compliance"]["status"] == "Fail"]
    open_events = Counter(event["compliance"]["control"] for event in failed if event["status"] == "New")
    assert open_events == reports.failing
    assert len(failed) - open_events.total() == reports.accepted.total()
    warned = Counter(event["compliance"]["control"] for event in events if event["compliance"]["status"] == "Warning")
    assert warned.pop("kubekeep-input") == reports.unread
    assert {*warned} >= {number for number in reports.known if reports.status(number) == "gap"}
    passed = {event["compliance"]["control"] for event in events if event["compliance"]["status"] == "Pass"}
    whole = {
        number
        for number, tally in reports.controls.items()
        if reports.status(number) == "passed" and not tally.excepted
    }
    assert passed == whole


@pytest.mark.parametrize("name", ["policyreport", "openreports"])
def test_policy_reports(name: str, reports: Reports) -> None:
    documents = [*yaml.safe_load_all(reports.text(name))]
    sums = sum((Counter(document["summary"]) for document in documents), Counter[str]())
    listed = Counter(result["result"] for document in documents for result in document["results"])
    assert {key: sums[key] for key in listed} == dict(listed)
    tally = reports.controls.values()
    assert sums["fail"] == reports.failing.total()
    assert sums["pass"] == sum(tally.passed - tally.excepted for tally in tally)
    undecided = sum(tally.skipped for number, tally in reports.controls.items() if reports.status(number) != "gap")
    gaps = reports.statuses(reports.known)["gap"]
    assert sums["skip"] + sums["error"] == reports.accepted.total() + gaps + undecided + reports.unread


def test_gitlab(reports: Reports) -> None:
    report = json.loads(reports.text("gitlab-sast"))
    numbers = [vulnerability["identifiers"][0]["value"] for vulnerability in report["vulnerabilities"]]
    assert Counter(numbers) == reports.failing
    messages = [message["value"] for message in report["scan"]["messages"]]
    accepted = [int(text.split()[0]) for text in messages if re.match(r"\d+ findings? of ", text)]
    assert sum(accepted) == reports.accepted.total()
    assert sum(text.startswith("not read: ") for text in messages) == reports.unread
    issues = Counter(issue["check_name"] for issue in json.loads(reports.text("gitlab-codequality")))
    assert (issues.pop("kubekeep-input"), issues.pop("kubekeep-coverage")) == (reports.unread, 1)
    assert {*issues} == {*reports.failing}


def test_formats_of_vulnerabilities_alone(reports: Reports) -> None:
    """Check that they have no findings of controls; `test_vulnerabilities` compares their figures."""
    document = json.loads(reports.text("cyclonedx"))
    assert (document["components"], document["vulnerabilities"]) == ([], [])
    problems = [entry for entry in document["metadata"]["properties"] if entry["name"] == "kubekeep:problem"]
    assert len(problems) == reports.unread
    report = json.loads(reports.text("gitlab-container-scanning"))
    assert (report["vulnerabilities"], len(report["scan"]["messages"])) == ([], reports.unread)


def test_github(reports: Reports) -> None:
    text = reports.text("github")
    tally = reports.resources(reports.known)
    assert f"\nKubekeep: {tally.failed} failed resources, " in text
    assert f"\n{reports.accepted.total()} findings covered by exceptions.\n" in text
    assert f" {reports.statuses(reports.known)['gap']} controls not evaluated" in text.replace("title=", " ")
    lines = re.findall(r"^(?:::)?(?:error|warning|notice)\b.*", text, re.MULTILINE)
    assert len(lines) == reports.failing.total() + reports.unread + 1


def test_every_format_is_compared() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in formats() if f'"{name}"' not in source] == []
