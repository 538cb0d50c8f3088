"""Third-party and custom rules on the command line: exit codes and messages."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import run_command_line

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "online-shop"
RULES = ROOT / "examples" / "custom-rules"
POD = SHOP / "operations" / "debug-pod.yaml"


def kubekeep(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_command_line(*arguments)


def report(*arguments: str | Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(kubekeep("scan", *arguments, "-f", "json").stdout)
    return result


def frameworks(result: dict[str, Any]) -> dict[str, list[str]]:
    return {entry["name"]: list(entry["controls"]) for entry in result["summaryDetails"]["frameworks"]}


@pytest.fixture
def owner(tmp_path: Path) -> Path:
    """Return the file of a rule without metadata that the debug pod fails."""
    file = tmp_path / "owner.rego"
    file.write_text(
        "# @baseScore 7\npackage armo_builtins\n\ndeny[response] {\n\tpod := input[_]\n"
        '\tpod.kind == "Pod"\n\tnot pod.metadata.labels.owner\n'
        '\tresponse := {"alertMessage": "no owner", "failedPaths": ["metadata.name"], '
        '"alertObject": {"k8sApiObjects": [pod]}}\n}\n'
    )
    return file


def test_custom_rules_are_added_to_the_selection(owner: Path) -> None:
    result = frameworks(report(POD, "--framework", "nsa", "--custom-rules", owner))
    assert list(result) == ["NSA", "custom-rules"]
    assert result["custom-rules"] == ["custom-owner"]
    assert "custom-owner" not in frameworks(report(POD, "--custom-rules", owner))["Recommended"]
    named = frameworks(report("control", "C-0057", POD, "--custom-rules", owner.parent))
    assert named == {"custom-rules": ["custom-owner"]}
    shown = kubekeep("scan", "framework", "custom-rules", POD, "--custom-rules", owner, "--severity-threshold", "high")
    assert shown.returncode == 1
    assert f"{POD}:5" in shown.stdout
    assert "no owner" in shown.stdout
    assert "kubekeep explain" not in shown.stdout


def test_custom_rule_that_does_not_compile_is_a_usage_error(owner: Path) -> None:
    owner.write_text(owner.read_text().replace("input[_]", "input["))
    result = kubekeep("scan", POD, "--custom-rules", owner.parent)
    assert (result.returncode, result.stdout) == (2, "")
    assert "owner.rego:4: rego_parse_error" in result.stderr
    assert kubekeep("scan", POD, "--custom-rules", owner.parent / "none").returncode == 2


def test_kubekeep_control_works_as_custom_rule(tmp_path: Path) -> None:
    assert kubekeep("control", "new", "workload/team-label", "--dir", tmp_path).returncode == 0
    test_result = kubekeep("control", "test", tmp_path)
    assert (test_result.returncode, test_result.stdout.splitlines()[-1]) == (0, "3 cases, 0 failed")
    result = report("framework", "custom-rules", POD, "--custom-rules", tmp_path)
    assert result["summaryDetails"]["controls"]["team-label"]["status"] == "failed"
    rule = tmp_path / "workload" / "team-label" / "control.rego"
    rule.write_text(rule.read_text() + "broken {\n")
    for words in (("scan", POD, "--custom-rules", tmp_path), ("control", "test", tmp_path)):
        broken_file = kubekeep(*words)
        assert broken_file.returncode == 2
        assert f"{rule}:" in broken_file.stderr


def test_failed_test_cases_exit_with_1_and_missing_cases_with_3(tmp_path: Path) -> None:
    kubekeep("control", "new", "workload/team-label", "--dir", tmp_path)
    case = tmp_path / "workload" / "team-label" / "cases" / "fail.pod.yaml"
    case.rename(case.with_name("pass.pod.yaml"))
    test_result = kubekeep("control", "test", tmp_path)
    assert test_result.returncode == 1
    assert "FAILED  team-label/pass.pod.yaml" in test_result.stdout
    (tmp_path / "empty").mkdir()
    assert kubekeep("control", "test", tmp_path / "empty").returncode == 3
    assert kubekeep("control", "test", tmp_path / "none").returncode == 2
    assert kubekeep("control", "new", "../x", "--dir", tmp_path).returncode == 2
    assert "already exists" in kubekeep("control", "new", "workload/team-label", "--dir", tmp_path).stderr


def test_bundles_replace_the_library() -> None:
    bundle = RULES / "bundle"
    result = report(POD, "--use-artifacts-from", bundle)
    assert frameworks(result) == {"House": ["H-0001"]}
    assert frameworks(report("framework", "house", POD, "--use-from", bundle / "house.json")) == frameworks(result)
    assert list(frameworks(report("framework", "nsa,house", POD, "--use-from", bundle))) == ["NSA", "House"]
    named = report("control", "h-0001", POD, "--use-from", bundle)
    assert list(named["summaryDetails"]["controls"]) == ["H-0001"]


def test_configuration_overrides_inputs_of_a_bundle(tmp_path: Path) -> None:
    bundle = RULES / "bundle"
    inputs = tmp_path / "inputs.json"
    inputs.write_text('{"houseRegistries": ["quay.io/"]}')

    def status(*options: str | Path) -> str:
        result = report(POD, *options)["summaryDetails"]["controls"]["H-0001"]["statusInfo"]
        return str(result.get("subStatus") or result["status"])

    assert status("--use-artifacts-from", bundle) == "passed"
    assert status("--use-artifacts-from", bundle, "--controls-config", inputs) == "failed"
    assert status("--use-from", bundle / "house.json") == "configuration"


def test_library_numbers_are_not_reused(tmp_path: Path) -> None:
    bundle_file = json.loads((RULES / "bundle" / "house.json").read_text())
    bundle_file["controls"][0]["controlID"] = "C-0057"
    (tmp_path / "house.json").write_text(json.dumps(bundle_file))
    result = frameworks(report("framework", "house,nsa", POD, "--use-from", tmp_path))
    assert result["House"] == ["loaded-c-0057"]
    assert "C-0057" in result["NSA"]
    assert frameworks(report(POD, "--use-from", tmp_path)) == {"House": ["C-0057"]}


def test_unused_parts_are_reported(tmp_path: Path) -> None:
    (tmp_path / "house.json").write_text((RULES / "bundle" / "house.json").read_text())
    (tmp_path / "attack-tracks.json").write_text("[]")
    result = kubekeep("scan", POD, "--use-artifacts-from", tmp_path)
    assert result.stderr == f"{tmp_path / 'attack-tracks.json'}: recognised, but not used\n"


def test_exceptions_beside_artifacts_are_used(tmp_path: Path) -> None:
    (tmp_path / "house.json").write_text((RULES / "bundle" / "house.json").read_text())
    (tmp_path / "controls-inputs.json").write_text(json.dumps({"houseRegistries": ["registry.example.org"]}))
    (tmp_path / "exceptions.json").write_text(json.dumps([{"name": "e", "posturePolicies": [{"controlID": "H-0001"}]}]))
    result = kubekeep("scan", POD, "--use-artifacts-from", tmp_path, "--severity-threshold", "low")
    assert (result.returncode, "1 exception: 1 finding covered" in result.stderr) == (0, True)
    (tmp_path / "exceptions.json").write_text("[not even JSON")
    broken_file = kubekeep("scan", POD, "--use-artifacts-from", tmp_path)
    assert broken_file.returncode == 2
    assert f"{tmp_path / 'exceptions.json'}:1:" in broken_file.stderr


def test_cluster_control_is_set_aside(tmp_path: Path) -> None:
    bundle_file = json.loads((RULES / "bundle" / "house.json").read_text())
    bundle_file["controls"][0]["scanningScope"] = {"matches": ["cluster"]}
    bundle_file["controls"].append({"controlID": "H-2", "name": "By hand", "manual_test": "look at it"})
    (tmp_path / "house.json").write_text(json.dumps(bundle_file))
    config = ("--controls-config", RULES / "bundle" / "controls-inputs.json")

    def statuses(*words: str | Path) -> dict[str, str]:
        controls = report(*words, "--use-from", tmp_path, *config)["summaryDetails"]["controls"]
        return {name: entry["statusInfo"].get("subStatus", entry["status"]) for name, entry in controls.items()}

    assert statuses(POD) == {"H-0001": "integration", "H-2": "manual review"}
    assert statuses(POD, "--snapshot") == {"H-0001": "passed", "H-2": "manual review"}
    assert statuses("control", "H-0001", POD) == {"H-0001": "passed"}


def test_broken_rule_does_not_affect_other_rules_of_a_bundle(tmp_path: Path) -> None:
    bundle_file = json.loads((RULES / "bundle" / "house.json").read_text())
    broken_file = json.loads(json.dumps(bundle_file["controls"][0]))
    broken_file["controlID"] = "H-0002"
    broken_file["rules"][0] |= {"name": "broken", "rule": "package armo_builtins\n\ndeny contains\n"}
    bundle_file["controls"].append(broken_file)
    (tmp_path / "house.json").write_text(json.dumps(bundle_file))
    result = kubekeep(
        *("scan", POD, "--use-from", tmp_path, "--view", "all"),
        *("--controls-config", RULES / "bundle" / "controls-inputs.json"),
    )
    assert result.returncode == 3
    assert "1 control passed" in result.stdout
    assert "house.json: H-0002: broken" in " ".join(result.stdout.split())


def test_every_format_supports_third_party_controls(tmp_path: Path, owner: Path) -> None:
    output = tmp_path / "report"
    kubekeep("scan", POD, "--custom-rules", owner, "-f", "json,sarif,junit", "-o", output)
    for extension in (".json", ".sarif", ".xml"):
        assert "custom-owner" in output.with_name(f"report{extension}").read_text()
