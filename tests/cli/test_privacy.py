"""`scan --hide`, `scan --encrypt` and `kubekeep decrypt`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.command_line import run_command_line

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"
KEY = {"KUBEKEEP_MASTER_KEY": "correct horse battery staple"}
NOTHING: Mapping[str, str] = {}
NAMES = ("catalog", "online-shop")


def kubekeep(*words: str, code: int = 0, variables: Mapping[str, str] = NOTHING) -> subprocess.CompletedProcess[str]:
    no_keys = {name: None for name in os.environ if "MASTER_KEY" in name}
    result = run_command_line(*words, variables={**no_keys, **variables})
    assert result.returncode == code, result.stderr
    return result


def test_hide_replaces_names_with_pseudonyms() -> None:
    plain = kubekeep("scan", str(SHOP), "-f", "json").stdout
    result = kubekeep("scan", str(SHOP), "-f", "json", "--hide")
    assert "pseudonyms apply to this report only" in result.stderr
    for name in NAMES:
        assert name in plain
        assert name not in result.stdout
    stable_process = [kubekeep("scan", str(SHOP), "-f", "sarif", "--hide", variables=KEY) for _ in range(2)]
    ends = [json.loads(process.stdout)["runs"][0]["results"] for process in stable_process]
    assert ends[0] == ends[1]
    assert "pseudonyms" not in stable_process[0].stderr


def test_encryption_round_trip(tmp_path: Path) -> None:
    encrypted, decrypted = tmp_path / "sealed.json", tmp_path / "opened.json"
    kubekeep("scan", str(SHOP), "-f", "json", "-o", str(encrypted), "--encrypt", variables=KEY)
    assert not any(name in encrypted.read_text() for name in NAMES)
    kubekeep("decrypt", str(encrypted), "-o", str(decrypted), variables=KEY)
    assert kubekeep("decrypt", str(encrypted), variables=KEY).stdout == decrypted.read_text()
    assert all(name in decrypted.read_text() for name in NAMES)
    again = kubekeep("decrypt", str(decrypted), code=3, variables=KEY)
    assert "the report is not encrypted" in again.stderr
    wrong = kubekeep(
        "decrypt", str(encrypted), code=3, variables={"KUBEKEEP_MASTER_KEY": "another sentence, also long"}
    )
    assert "the report cannot be decrypted" in wrong.stderr
    assert KEY["KUBEKEEP_MASTER_KEY"] not in wrong.stderr


@pytest.mark.parametrize("name", ["KUBEKEEP_MASTER_KEY_HEX", "KUBESCAPE_MASTER_KEY_HEX", "KUBESCAPE_MASTER_KEY"])
def test_every_variable_of_the_key_is_accepted(name: str, tmp_path: Path) -> None:
    encrypted, key = tmp_path / "sealed.json", {name: "0f" * 32}
    kubekeep("scan", str(SHOP), "-f", "json", "-o", str(encrypted), "--encrypt", variables=key)
    assert "catalog" in kubekeep("decrypt", str(encrypted), variables=key).stdout


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["--encrypt", "-f", "json"], {}, "--encrypt requires a key"),
        (["--encrypt", "-f", "json"], {"KUBEKEEP_MASTER_KEY": "short"}, "16 characters"),
        (["--hide"], {"KUBEKEEP_MASTER_KEY_HEX": "xyz"}, "64 digits"),
        (["--encrypt"], KEY, "--encrypt requires --format json"),
        (["--encrypt", "-f", "json,sarif", "-o", "report"], KEY, "--encrypt requires --format json"),
        (["--encrypt", "--hide", "-f", "json"], KEY, "cannot be combined"),
    ],
)
def test_usage_errors_precede_the_scan(words: list[str], variables: dict[str, str], message: str) -> None:
    result = kubekeep("scan", str(SHOP), *words, code=2, variables=variables)
    assert message in result.stderr
    assert not result.stdout


def test_decrypt_requires_key_and_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("{}")
    assert "no key: set KUBEKEEP_MASTER_KEY" in kubekeep("decrypt", str(report), code=2).stderr
    assert "does not exist" in kubekeep("decrypt", str(tmp_path / "none"), code=2, variables=KEY).stderr
    report.write_bytes(b"\xff\x00")
    assert "not a report in JSON" in kubekeep("decrypt", str(report), code=3, variables=KEY).stderr


def test_gates_ignore_pseudonyms() -> None:
    result = kubekeep("scan", str(SHOP), "--hide", "--severity-threshold", "high", code=1, variables=KEY)
    assert "gate FAILED: severity" in result.stderr


def test_priorities_are_kept() -> None:
    totals = [kubekeep("scan", str(SHOP), *options).stdout.splitlines()[1] for options in ((), ("--hide",))]
    assert totals[0] == totals[1]
    assert "4 critical" in totals[0]


def test_only_regular_files_with_json_are_decrypted(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    for text in ("[" * 100_000, '{"a":' * 100_000):
        report.write_text(text)
        assert "not a report in JSON" in kubekeep("decrypt", str(report), code=3, variables=KEY).stderr
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in kubekeep("decrypt", str(tmp_path / "pipe"), code=3, variables=KEY).stderr
