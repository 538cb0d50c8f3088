"""The step of the Jenkins library, run by JenkinsPipelineUnit with the real scan in place of a mocked shell."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.samples import (
    CACHE,
    FOLDER,
    HARMLESS,
    PRIVILEGED,
    base_environment,
    is_successful,
    read_sarif,
    write_files,
)

pytestmark = pytest.mark.integration
RUNNER = Path(__file__).parent / "jenkins" / "run.groovy"
OPENED = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.lang", "java.util", "java.util.stream")]
SCAN = ["sh", "recordIssues", "junit", "archiveArtifacts"]


def run_step(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Run the step in `folder`/repository; return its exit code or error, and the recorded steps."""
    packages = CACHE / "jenkins"
    if not packages.is_dir() or not shutil.which("java"):
        pytest.skip("JenkinsPipelineUnit or Java is not installed: run scripts/test-integrations")
    command = ["java", *OPENED, "-cp", f"{packages}/*", "groovy.ui.GroovyMain", str(RUNNER)]
    result = subprocess.run(
        [*command, FOLDER / "jenkins", folder / "repository", json.dumps(options)],
        env=base_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return document


def list_steps(document: dict[str, Any]) -> list[str]:
    return [entry["step"] for entry in document["recorded"]]


def test_reports_are_recorded_before_the_build_fails(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"deploy/pod.yaml": PRIVILEGED, "more/pod.yaml": PRIVILEGED})
    document = run_step(tmp_path, {"paths": ["deploy", "more"], "failOn": "critical"})
    assert document["error"] == "Kubekeep: a gate failed"
    assert list_steps(document) == SCAN
    (tool,) = document["recorded"][1]["arguments"]["tools"]
    results = read_sarif(tmp_path / "repository" / tool["pattern"])
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results}
    assert uris == {"deploy/pod.yaml", "more/pod.yaml"}
    assert (tmp_path / "repository" / document["recorded"][2]["arguments"]["testResults"]).is_file()


def test_failed_gate_can_make_the_build_unstable(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED})
    document = run_step(tmp_path, {"failOn": "critical", "onFailedGate": "unstable"})
    assert document["code"] == 1
    assert list_steps(document) == [*SCAN, "unstable"]


def test_nothing_found_passes(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"settings.yaml": HARMLESS})
    document = run_step(tmp_path, {"failOn": "low"})
    assert (document["code"], list_steps(document)) == (0, SCAN)
    assert read_sarif(tmp_path / "repository" / "kubekeep-reports" / "kubekeep.sarif") == []


def test_error_fails_also_an_unstable_build_and_writes_sarif(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED})
    document = run_step(tmp_path, {"args": "--no-such-option", "onFailedGate": "unstable"})
    assert document["error"] == "Kubekeep: the scan failed with exit code 2"
    assert list_steps(document) == SCAN
    assert not is_successful(tmp_path / "repository" / "kubekeep-reports" / "kubekeep.sarif")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"failon": "high"}, "unknown option failon"),
        ({"onFailedGate": "ignore"}, "onFailedGate is failure or unstable"),
    ],
)
def test_misspelt_option_is_an_error(options: dict[str, str], error: str, tmp_path: Path) -> None:
    document = run_step(tmp_path, options)
    assert error in document["error"]
    assert list_steps(document) == []


def test_options_are_never_commands(tmp_path: Path) -> None:
    hostile = '$(touch pwned)/`touch pwned`/it\'s "x"; touch pwned'
    write_files(tmp_path / "repository", {f"{hostile}/pod.yaml": PRIVILEGED})
    document = run_step(tmp_path, {"paths": [hostile], "frameworks": "recommended"})
    assert document["code"] == 0
    assert not list(tmp_path.rglob("pwned"))
