"""Scans with custom rules that use up memory or time, or end their process: the other findings stay. Real processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.engine.hostile_rules import CRASH, MEMORY, TIME
from tests.engine.rule_processes import find_processes, is_alive, read_processor_seconds

from kubekeep.library.scaffold import build_files

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "online-shop" / "operations"
_LIMITS = "memory=128 << 20, seconds=4.0"
_PROGRAM = f"""
from kubekeep.cli.main import main
from kubekeep.engine.isolation import limits
limits.DEFAULT_LIMITS = limits.RuleLimits({_LIMITS})
main()
"""
_RESPONSES = """package rules

deny contains response if {{
	{body}
	some pod in input
	pod.kind == "Pod"
	response := {{"alertMessage": "hostile", "failedPaths": [], "alertObject": {{"k8sApiObjects": [pod]}}}}
}}
"""


def kubekeep(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line with limits that rules reach soon."""
    command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8", timeout=300)
    assert "Traceback" not in result.stderr
    return result


def write_control(root: Path, slug: str, condition: str = "true") -> Path:
    """Write a control that fails if a workload has no owner; its rule has a further condition."""
    for path, text in build_files("workload", slug).items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(" if {", f" if {{\n\t{condition}", 1) if path.endswith(".rego") else text)
    return root / "workload" / slug / "control.rego"


def findings(report: str) -> list[Any]:
    """Return the findings of a SARIF log, without those of custom rules' hostile controls."""
    results: list[Any] = json.loads(report)["runs"][0]["results"]
    return [(result["ruleId"], result["kind"], result.get("locations")) for result in results]


def test_hostile_controls_lose_only_their_own_findings(tmp_path: Path) -> None:
    write_control(tmp_path / "rules", "honest")
    clean = kubekeep("scan", SHOP, "--custom-rules", tmp_path / "rules", "-f", "sarif")
    assert clean.returncode == 0
    assert any(rule == "honest" for rule, *_ in findings(clean.stdout))
    causes = {
        "bomb": (MEMORY["concat"], "used more than 128 MiB of memory"),
        "crash": (CRASH["stack"], "ended with signal 11"),
        "endless": (TIME["loop"], "took longer than 4"),
    }
    files = {slug: write_control(tmp_path / "rules", slug, condition) for slug, (condition, _) in causes.items()}
    words = ("scan", SHOP, "--custom-rules", tmp_path / "rules")
    hostile = kubekeep(*words, "-f", "json,sarif", "-o", tmp_path / "report")
    assert hostile.returncode == 3
    shown = kubekeep(*words, "--view", "all", "--exclude-controls", "endless")
    assert shown.returncode == 3
    sarif = (tmp_path / "report.sarif").read_text()
    assert findings(sarif) == findings(clean.stdout)
    controls = json.loads((tmp_path / "report.json").read_text())["summaryDetails"]["controls"]
    for slug, (_, cause) in causes.items():
        reason = f"{slug}: the rule {files[slug]} {cause}"
        assert f"not evaluated: {reason}" in hostile.stderr
        assert controls[slug]["statusInfo"]["subStatus"] == "notEvaluated"
        assert controls[slug]["statusInfo"]["info"].startswith(reason)
        assert "--exclude-controls" in controls[slug]["statusInfo"]["info"]
        assert reason in sarif
        assert slug == "endless" or cause in " ".join(shown.stdout.split())
    gated = kubekeep(*words, "--severity-threshold", "high", "--exclude-controls", "endless", "-f", "sarif")
    assert gated.returncode == 1
    assert kubekeep(*words, "--exclude-controls", "bomb,crash,endless").returncode == 0


@pytest.mark.parametrize("kind", ["file", "bundle"])
def test_hostile_rego_files_and_bundles_lose_only_their_own_findings(kind: str, tmp_path: Path) -> None:
    rules = {"bomb": MEMORY["range"], "endless": TIME["loop"], "honest": "true"}
    if kind == "file":
        for name, body in rules.items():
            (tmp_path / f"{name}.rego").write_text(_RESPONSES.format(body=body))
        words: tuple[str | Path, ...] = ("--custom-rules", tmp_path)
    else:
        bundle = tmp_path / "house.json"
        bundle.write_text(json.dumps(build_framework(rules)))
        words = ("framework", "house", "--use-from", bundle)
    selection = [word for word in words if word in ("framework", "house")]
    result = kubekeep("scan", *selection, SHOP, *words[len(selection) :], "-f", "sarif")
    assert result.returncode == 3
    assert any(rule in ("custom-honest", "C-9002") for rule, *_ in findings(result.stdout))
    for name, cause in {"bomb": "used more than 128 MiB of memory", "endless": "took longer than 4"}.items():
        assert re.search(f"^not evaluated: {name}: the rule .*{name}.* {cause}", result.stderr, re.MULTILINE)


def build_framework(rules: dict[str, str]) -> dict[str, Any]:
    """Return a framework in Kubescape's released form."""
    match = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["Pod"]}
    controls = [
        {
            "controlID": f"C-900{number}",
            "name": name,
            "description": name,
            "remediation": "",
            "baseScore": 5,
            "rules": [
                {"name": name, "rule": _RESPONSES.format(body=body), "ruleLanguage": "Rego", "match": [match]},
            ],
        }
        for number, (name, body) in enumerate(rules.items())
    ]
    return {"name": "house", "description": "", "controls": controls}


@pytest.mark.parametrize("kind", ["control", "file"])
def test_interrupted_scan_does_not_wait_for_a_rule(kind: str, tmp_path: Path) -> None:
    if kind == "control":
        write_control(tmp_path, "endless", f"input.object.spec; {TIME['loop']}")
    else:
        (tmp_path / "endless.rego").write_text(_RESPONSES.format(body=f"count(input) > 0; {TIME['loop']}"))
    program = _PROGRAM.replace(_LIMITS, "seconds=1e6, total_seconds=1e6")
    command = [sys.executable, "-c", program, "scan", str(SHOP), "--custom-rules", str(tmp_path)]
    scan = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(read_processor_seconds(pid) > 1.0 for pid in find_processes(scan.pid)):
        assert scan.poll() is None
        time.sleep(0.05)
    pids = find_processes(scan.pid)
    scan.send_signal(signal.SIGINT)
    assert scan.wait(timeout=120) == 130
    while any(map(is_alive, pids)):
        time.sleep(0.05)


def test_case_of_a_hostile_control_fails(tmp_path: Path) -> None:
    write_control(tmp_path, "bomb", MEMORY["array"])
    write_control(tmp_path, "honest")
    result = kubekeep("control", "test", tmp_path)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "6 cases, 3 failed"
    assert "used more than 128 MiB of memory" in result.stdout


def test_reasons_that_are_no_set_are_an_error_of_the_rule(tmp_path: Path) -> None:
    rule = write_control(tmp_path, "honest")
    rule.write_text(f"{rule.read_text()}\nnot_evaluated := 5\n")
    result = kubekeep("scan", "control", "honest", SHOP, "--custom-rules", tmp_path)
    assert result.returncode == 3
    assert "not evaluated: honest: not_evaluated is not a set" in result.stderr
