"""SARIF logs: results as findings of files, and a scope of the listed rules on the files of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.scanned_source import SourceCluster, SourceRepository
from kubekeep.model.submission import EvaluatedScope, SubjectEntry, Submission
from kubekeep_server.foreign.decoding import ForeignDocumentError
from kubekeep_server.foreign.sarif import convert
from tests.server.foreign.documents import build_log, build_result, build_run, encode
from tests.server.foreign.results import NOW, check_consistency, list_open_names

REPOSITORY = SourceRepository("github.com/shop/web", branch="main", commit="abc")


def read(*runs: dict[str, Any], source: SourceRepository | SourceCluster | None = None) -> Submission:
    submission = convert(build_log(*runs), source, NOW)
    check_consistency(submission)
    return submission


def list_evaluated(submission: Submission) -> dict[str, set[str]]:
    """Return the definitions that were evaluated on each file."""
    return {
        entry.origin: {*submission.scope.definitions}
        - {name for part in entry.not_evaluated for name in part.definitions}
        for entry in submission.subjects
    }


def find_entry(submission: Submission) -> SubjectEntry:
    (entry,) = submission.subjects
    return entry


def test_log_of_kubekeep_has_each_control_and_file(reports: Mapping[str, bytes]) -> None:
    log = json.loads(reports["sarif"])
    expected = {
        (location["physicalLocation"]["artifactLocation"]["uri"], f"sarif/kubekeep/{result['ruleId']}")
        for result in log["runs"][0]["results"]
        for location in result["locations"][:1]
    }
    submission = convert(reports["sarif"], REPOSITORY, NOW)
    check_consistency(submission)
    assert list_open_names(submission) == expected
    # Kubekeep names a repository only by a URL, and the remote has the short form of ssh.
    with pytest.raises(ForeignDocumentError, match="name the repository"):
        convert(reports["sarif"], None, NOW)


def test_log_of_ruff_is_converted(tmp_path: Path) -> None:
    """Convert the log of a linter that this test runs."""
    (tmp_path / "a.py").write_text("import os\nimport sys\n")
    (tmp_path / "b b.py").write_text("import os\n")
    options = ("check", "--isolated", "--no-cache", "--select", "F", "--output-format", "sarif", ".")
    command = [str(Path(sys.executable).with_name("ruff")), *options]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    submission = convert(process.stdout, REPOSITORY, NOW, str(tmp_path.resolve()))
    check_consistency(submission)
    assert list_open_names(submission) == {("a.py", "sarif/ruff/F401"), ("b b.py", "sarif/ruff/F401")}
    assert list_evaluated(submission) == {name: {"sarif/ruff/F401"} for name in ("a.py", "b b.py")}
    assert {entry.origin: len(entry.findings[0].evidence) for entry in submission.subjects} == {"a.py": 2, "b b.py": 1}


def test_results_of_a_rule_in_a_file_are_one_finding() -> None:
    submission = read(build_run(build_result("R1", "a.py"), build_result("R1", "a.py", message={"text": "again"})))
    assert submission.source == REPOSITORY
    (finding,) = find_entry(submission).findings
    assert [part.message for part in finding.evidence] == ["R1 fails", "again"]
    location = finding.evidence[0].location
    assert location is not None
    assert (location.file, location.line, location.end_line) == ("a.py", 3, 4)


def test_moved_lines_keep_the_finding() -> None:
    first, second = build_result("R1", "a.py"), build_result("R1", "a.py")
    second["locations"][0]["physicalLocation"]["region"] = {"startLine": 9}
    assert find_entry(read(build_run(first))).findings[0].fingerprint == (
        find_entry(read(build_run(second))).findings[0].fingerprint
    )


def test_repeated_fingerprints_are_one_piece_of_evidence() -> None:
    prints = {"primaryLocationLineHash": "abc:1"}
    results = (build_result("R1", "a.py", partialFingerprints=prints, message={"text": text}) for text in "ab")
    assert len(find_entry(read(build_run(*results))).findings[0].evidence) == 1


def test_scope_is_the_listed_rules_on_the_named_files() -> None:
    artifacts = [
        {"location": {"uri": "b.py", "uriBaseId": "ROOT"}, "roles": ["analysisTarget"]},
        {"location": {"uri": "c.py", "uriBaseId": "ROOT"}, "roles": ["responseFile"]},
        {"location": {"uri": "file:///builds/web/d.py"}},
    ]
    submission = read(build_run(build_result("R1", "a.py"), artifacts=artifacts))
    rules = {"sarif/linter/R1", "sarif/linter/R2"}
    assert list_evaluated(submission) == {"a.py": rules, "b.py": rules, "d.py": rules}
    assert submission.scope == EvaluatedScope(tuple(sorted(rules)), is_partial=True)


def test_rule_that_is_not_listed_has_findings_and_no_scope() -> None:
    submission = read(build_run(build_result("R9", "a.py"), rules=()))
    assert list_open_names(submission) == {("a.py", "sarif/linter/R9")}
    assert submission.scope.definitions == ()


def test_runs_evaluate_only_their_own_files() -> None:
    other = build_run(build_result("S1", "b.py"), rules=("S1",))
    other["tool"]["driver"]["name"] = "Scanner"
    submission = read(build_run(build_result("R1", "a.py")), other)
    assert list_evaluated(submission) == {"a.py": {"sarif/linter/R1", "sarif/linter/R2"}, "b.py": {"sarif/scanner/S1"}}


def test_failed_run_closes_nothing() -> None:
    submission = read(build_run(build_result("R1", "a.py"), invocations=[{"executionSuccessful": False}]))
    assert submission.scope.definitions == ()
    assert [gap.message for gap in submission.gaps] == ["linter did not finish: its results close nothing"]
    assert list_open_names(submission) == {("a.py", "sarif/linter/R1")}


def test_notifications_restrict_the_scope() -> None:
    artifacts = [{"location": {"uri": name}} for name in ("a.py", "b.py")]
    location = {"physicalLocation": {"artifactLocation": {"uri": "b.py"}}}
    invocation = {
        "executionSuccessful": True,
        "toolConfigurationNotifications": [{"message": {"text": "no data"}, "associatedRule": {"index": 1}}],
        "toolExecutionNotifications": [{"level": "error", "message": {"text": "syntax"}, "locations": [location]}],
    }
    submission = read(build_run(artifacts=artifacts, invocations=[invocation]))
    assert list_evaluated(submission) == {"a.py": {"sarif/linter/R1"}, "b.py": set()}
    assert {(gap.message, gap.definition) for gap in submission.gaps} == {
        ("no data", "sarif/linter/R2"),
        ("syntax", ""),
    }


@pytest.mark.parametrize(
    ("fields", "is_open", "is_evaluated"),
    [
        ({}, True, True),
        ({"kind": "pass"}, False, True),
        ({"kind": "informational"}, False, True),
        ({"kind": "notApplicable"}, False, False),
        ({"kind": "open"}, False, False),
        ({"kind": "review"}, False, False),
        ({"baselineState": "absent"}, False, True),
        ({"baselineState": "unchanged"}, True, True),
        ({"suppressions": [{"kind": "inSource"}]}, False, True),
        ({"suppressions": [{"kind": "external", "status": "accepted"}]}, False, True),
        ({"suppressions": [{"kind": "external", "status": "underReview"}]}, True, True),
        ({"suppressions": [{"kind": "external", "status": "rejected"}]}, True, True),
        ({"suppressions": []}, True, True),
    ],
)
def test_kinds_states_and_suppressions(fields: dict[str, Any], *, is_open: bool, is_evaluated: bool) -> None:
    submission = read(build_run(build_result("R1", "a.py", **fields)))
    assert bool(list_open_names(submission)) == is_open
    assert ("sarif/linter/R1" in list_evaluated(submission)["a.py"]) == is_evaluated


@pytest.mark.parametrize(
    ("rule", "level", "severity", "score", "kind"),
    [
        (
            {"properties": {"security-severity": "9.8", "tags": ["Vulnerability"]}},
            "note",
            "critical",
            9.8,
            "vulnerability",
        ),
        ({"properties": {"security-severity": 5}}, "error", "medium", 5.0, "misconfiguration"),
        ({"properties": {"security-severity": "nan"}}, "error", "high", 7.0, "misconfiguration"),
        ({"properties": {"tags": ["secret", 1]}}, "warning", "medium", 4.0, "secret"),
        ({"defaultConfiguration": {"level": "note"}}, "", "low", 1.0, "misconfiguration"),
        ({}, "", "medium", 4.0, "misconfiguration"),
        ({}, "none", "medium", 4.0, "misconfiguration"),
    ],
)
def test_severity_of_a_rule(rule: dict[str, Any], level: str, severity: str, score: float, kind: str) -> None:
    run = build_run(build_result("R1", "a.py", level=level), rules=())
    run["tool"]["driver"]["rules"] = [{"id": "R1", **rule}]
    (definition,) = read(run).definitions
    assert (definition.severity, definition.score, definition.kind) == (severity, score, kind)


def test_rules_by_index_extension_and_hierarchy() -> None:
    run = build_run(rules=("R1",))
    run["tool"]["extensions"] = [{"name": "pack", "rules": [{"id": "P1"}, {"id": "P2"}]}]
    results = [build_result("", "a.py") for _ in range(2)]
    results[0] |= {"ruleIndex": 0}
    results[1] |= {"rule": {"index": 1, "toolComponent": {"index": 0}}}
    run["results"] = [*results, build_result("R1/sub", "a.py")]
    assert {name for _, name in list_open_names(read(run))} == {"sarif/linter/R1", "sarif/linter/P2"}


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ({"uri": "src/a%20b.py", "uriBaseId": "ROOT"}, "src/a b.py"),
        ({"uri": "./src/a.py"}, "src/a.py"),
        ({"uri": "file:///builds/web/src/a.py"}, "src/a.py"),
        ({"uri": "/builds/web/src/a.py"}, "src/a.py"),
        ({"uri": "a.py", "uriBaseId": "SUB"}, "module/a.py"),
        ({"uri": "file:///usr/include/a.h"}, "/usr/include/a.h"),
        ({"index": 0}, "listed.py"),
        ({"uri": "a.py", "uriBaseId": "LOOP"}, "loop/" * 8 + "a.py"),
        ({"uri": "https://example.com/a.py"}, "https://example.com/a.py"),
    ],
)
def test_paths_are_relative_to_the_repository(location: dict[str, Any], expected: str) -> None:
    result = build_result("R1", "")
    result["locations"][0]["physicalLocation"]["artifactLocation"] = location
    bases = {
        "ROOT": {"uri": "file:///builds/web/"},
        "SUB": {"uri": "module/", "uriBaseId": "ROOT"},
        "LOOP": {"uri": "loop", "uriBaseId": "LOOP"},
    }
    artifacts = [{"location": {"uri": "listed.py"}, "roles": ["attachment"]}]
    run = build_run(result, originalUriBaseIds=bases, artifacts=artifacts)
    assert {name for name, _ in list_open_names(read(run))} == {expected}


def test_result_without_a_file_is_about_a_named_part_or_the_source() -> None:
    named = build_result("R1", "", locations=[{"logicalLocations": [{"fullyQualifiedName": "a.B", "kind": "type"}]}])
    submission = read(build_run(named, build_result("R1", "", locations=[])))
    assert {name for name, _ in list_open_names(submission)} == {"a.B", "repository/github.com/shop/web//"}


def test_text_of_a_message_is_that_of_the_rule() -> None:
    run = build_run(build_result("R1", "a.py", message={"id": "default"}), rules=())
    run["tool"]["driver"]["rules"] = [{"id": "R1", "messageStrings": {"default": {"text": "Fails."}}}]
    assert find_entry(read(run)).findings[0].evidence[0].message == "Fails."


def test_files_of_another_source_have_no_origin() -> None:
    submission = read(build_run(build_result("R1", "a.py")), source=SourceCluster("uid"))
    assert find_entry(submission).origin == ""


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ({"version": "2.1.0"}, "runs"),
        ({"version": "1.0.0", "runs": []}, "2.1.0 is supported"),
        ({"version": "2.1.0", "runs": []}, "name the repository"),
        ({"version": "2.1.0", "runs": [{}] * 101}, "tool"),
        ({"version": "2.1.0", "runs": [build_run()] * 101}, "may have 100 runs"),
        ({"version": "2.1.0", "runs": [build_run(versionControlProvenance=[])]}, "no repository"),
        ({"version": "2.1.0", "runs": [build_run(), build_run(versionControlProvenance=[{"repositoryUri": "https://a.example/b"}])]}, "several repositories"),
        ({"version": "2.1.0", "runs": [build_run(build_result("", "a.py"))]}, r"runs\[0\].results\[0\] names no rule"),
        ({"version": "2.1.0", "runs": [build_run(tool={"driver": {"name": " "}})]}, "has no name"),
        ({"version": "2.1.0", "runs": [build_run(results=[{"locations": 1}])]}, r"\$\.runs\[0\]\.results\[0\]\.locations"),
    ],
)  # fmt: skip
def test_unusable_log_is_refused(log: dict[str, Any], message: str) -> None:
    with pytest.raises(ForeignDocumentError, match=message):
        convert(encode(log), None, NOW)
