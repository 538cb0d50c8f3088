"""Search, filters of lists, and shell completion of names."""

from __future__ import annotations

import json
import subprocess

import pytest
from tests.command_line import run_command_line


def run(*arguments: str, completing: str = "") -> subprocess.CompletedProcess[str]:
    words = {"COMP_WORDS": completing, "COMP_CWORD": str(len(completing.split()) - 1)} if completing else {}
    variables = words | ({"_KUBEKEEP_COMPLETE": "bash_complete"} if completing else {})
    return run_command_line(*arguments, variables=variables)


def test_search_lists_matches_in_names_first() -> None:
    result = run("search", "Privileged")
    assert result.returncode == 0
    assert result.stdout.startswith("C-0057 ")
    assert len(result.stdout.splitlines()) > 5


def test_search_needs_all_words() -> None:
    controls = [entry["control"] for entry in json.loads(run("search", "network", "policy", "-f", "json").stdout)]
    assert "C-0260" in controls
    assert "C-0057" not in controls


def test_search_for_a_framework() -> None:
    assert "nsa-cisa-1.2" in run("search", "nsa-cisa").stdout


def test_search_without_a_match() -> None:
    result = run("search", "zzz")
    assert (result.returncode, result.stdout) == (0, "")
    assert json.loads(run("search", "zzz", "-f", "json").stdout) == []
    assert "no control or framework contains the words 'zzz'" in result.stderr


def test_filters_of_controls() -> None:
    result = run(
        "list", "controls", "--framework", "recommended", "--severity", "high", "--kind", "ingress", "-f", "json"
    )
    assert [control["id"] for control in json.loads(result.stdout)] == ["C-0263"]
    assert run("list", "controls", "--framework", "nope").returncode == 2
    assert run("list", "controls", "--kind", "Nothing").returncode == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kubekeep scan framework ns", "nsa"),
        ("kubekeep scan framework nsa,mit", "nsa,mitre"),
        ("kubekeep scan control C-005", "C-0057"),
        ("kubekeep scan control privileged", "privileged-container"),
        ("kubekeep scan fra", "framework"),
        ("kubekeep scan --framework pss", "pss-restricted"),
        ("kubekeep scan -f sar", "sarif"),
        ("kubekeep explain cis-e", "cis-eks-t1.8.0"),
    ],
)
def test_completion_of_names(line: str, expected: str) -> None:
    assert f"plain,{expected}" in run(completing=line).stdout.splitlines()
