"""The GitHub action in complete workflows, run by act: the documented job with installation and upload, and gates."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integrations.github_api import TOKEN, Comments, serve_github
from tests.integrations.github_runner import run_step
from tests.integrations.samples import (
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

UPLOAD = """\
name: upload-sarif
description: Stands for github/codeql-action/upload-sarif, which needs a server. Keeps the file.
inputs:
  sarif_file:
    description: The file.
    required: true
runs:
  using: composite
  steps:
    - shell: bash
      env:
        FILE: ${{ inputs.sarif_file }}
      run: cp "$FILE" "$UPLOADED"
"""


@pytest.fixture
def action(tmp_path: Path) -> Path:
    """Return a copy of the action, as a runner checks it out."""
    folder = tmp_path / "action"
    shutil.copytree(FOLDER / "github", folder / "integrations" / "github")
    shutil.copy(ROOT / "action.yml", folder)
    return folder


def run_workflow(
    folder: Path,
    action: Path,
    workflow: str,
    files: dict[str, str],
    *options: str,
    event: str = "push",
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Commit these files and run a workflow."""
    act = find_program("act")
    repository = write_files(folder / "repository", files | {".github/workflows/kubekeep.yml": workflow})
    upload = write_files(folder / "codeql", {"upload-sarif/action.yml": UPLOAD})
    variables = base_environment(folder) | {"UPLOADED": str(folder / "uploaded.sarif")} | (environment or {})
    commit_all(repository, variables)
    replaced = {"kubekeep/kubekeep@v0": action, "github/codeql-action@v4": upload}
    return subprocess.run(
        [
            act,
            event,
            *options,
            "--platform=ubuntu-latest=-self-hosted",
            "--container-daemon-socket=-",
            *(f"--local-repository={name}={path}" for name, path in replaced.items()),
            *(f"--env={name}={variables[name]}" for name in ("UPLOADED", *(environment or {}))),
        ],
        cwd=repository,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def read_example() -> str:
    """Return the job of the README."""
    match = re.search(r"^```yaml\n(.*?)^```", (FOLDER / "github" / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def test_documented_job_installs_from_the_lock_file_and_uploads(tmp_path: Path, action: Path) -> None:
    """Install the wheel of this checkout with all hashes checked, then scan with a failing gate and upload."""
    script = action / "scripts" / "lock"
    script.parent.mkdir()
    shutil.copy(ROOT / "scripts" / "lock", script)
    write_files(action / "rust", {"Cargo.toml": (ROOT / "rust" / "Cargo.toml").read_text()})
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    build_wheel(wheels)
    subprocess.run([script, "--release", wheels], check=True, timeout=120)
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {wheels}".strip()
    result = run_workflow(
        tmp_path,
        action,
        read_example(),
        {"deploy/pod.yaml": PRIVILEGED, "kubekeep.yaml": "fail-on: critical\n"},
        environment={"PIP_FIND_LINKS": links, "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    assert result.returncode == 1, result.stdout
    assert "gate FAILED: priority" in result.stdout
    assert read_sarif(tmp_path / "uploaded.sarif")
    # A file that differs from its hash is refused.
    lock = action / "integrations" / "github" / "requirements.lock"
    lock.write_text(re.sub(r"(?s)(kubekeep==.*sha256:)[0-9a-f]{8}", r"\g<1>00000000", lock.read_text()))
    (tmp_path / "uploaded.sarif").unlink()
    result = run_workflow(
        tmp_path,
        action,
        read_example(),
        {"settings.yaml": HARMLESS},
        environment={"PIP_FIND_LINKS": links, "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    assert result.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in result.stdout + result.stderr
    assert not (tmp_path / "uploaded.sarif").exists()


def build_workflow(inputs: dict[str, str]) -> str:
    """Return the job of the README with other inputs and a step that prints the outputs."""
    lines = "".join(f"          {name}: {value}\n" for name, value in {"install": "none", **inputs}.items())
    outputs = "      - if: always()\n        run: echo '${{ toJSON(steps.kubekeep.outputs) }}' > \"$UPLOADED.json\"\n"
    return read_example().replace("          paths: .\n", lines) + outputs


@pytest.mark.parametrize(
    ("files", "inputs", "code", "is_uploaded"),
    [
        ({"pod.yaml": PRIVILEGED}, {}, 0, True),
        ({"pod.yaml": PRIVILEGED}, {"fail-on": "critical"}, 1, True),
        ({"pod.yaml": HARMLESS}, {"fail-on": "low"}, 0, True),
        ({"pod.yaml": PRIVILEGED}, {"frameworks": "no-such-framework"}, 1, False),
    ],
)
def test_sarif_is_uploaded_unless_the_scan_could_not_start(
    files: dict[str, str], inputs: dict[str, str], code: int, *, is_uploaded: bool, tmp_path: Path, action: Path
) -> None:
    result = run_workflow(tmp_path, action, build_workflow(inputs), files)
    assert result.returncode == code, result.stdout
    assert (tmp_path / "uploaded.sarif").exists() is is_uploaded
    outputs = (tmp_path / "uploaded.sarif.json").read_text()
    assert f'"scanned": "{str(is_uploaded).lower()}"' in outputs
    if is_uploaded:
        assert bool(read_sarif(tmp_path / "uploaded.sarif")) is (files["pod.yaml"] is PRIVILEGED)


def test_documented_pull_request_job_comments_on_changes(tmp_path: Path, action: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "integrations.md").read_text(encoding="utf-8")
    match = re.search(r"^```yaml\n(on: pull_request\n.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert match is not None
    write_files(tmp_path / "repository", {"old.yaml": PRIVILEGED})
    base = commit_all(tmp_path / "repository", base_environment(tmp_path))
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "base": {"ref": "main", "sha": base}}}))
    workflow = match[1].replace("          comment:", "          install: none\n          comment:")
    comments = Comments()
    with serve_github(comments) as address:
        result = run_workflow(
            tmp_path,
            action,
            workflow,
            {"new.yaml": PRIVILEGED.replace("debug", "other")},
            f"--eventpath={event}",
            f"--secret=GITHUB_TOKEN={TOKEN}",
            f"--env=GITHUB_API_URL={address}",
            "--env=GITHUB_REPOSITORY=shop/deploy",
            event="pull_request",
        )
    assert result.returncode == 1, result.stdout
    assert (comments.changes, comments.problems) == (["POST"], [])
    body = comments.entries[0]["body"]
    assert "new.yaml" in body
    assert "old.yaml" not in body
    assert "**A gate failed.**" in body


def test_wheel_is_installed_with_locked_dependencies(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED, "pip/__init__.py": "raise SystemExit('imported')\n"})
    wheel = build_wheel(tmp_path)
    path = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if folder != str(SCRIPTS))
    step = run_step(tmp_path, {"install": str(wheel), "fail-on": "critical"}, environment={"PATH": path})
    assert step.code == 1, step.log
    assert read_sarif(step.sarif)
