"""The pre-commit hooks, run by pre-commit in repositories with Kubernetes and other files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kubekeep._native import VERSION
from tests.integrations.samples import (
    NO_KUBERNETES,
    PRIVILEGED,
    ROOT,
    SCRIPTS,
    base_environment,
    commit_all,
    write_files,
)
from tests.integrations.wheel import build_wheel


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the hooks of this one."""
    folder = tmp_path_factory.mktemp("hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", folder)
    commit_all(folder, base_environment(tmp_path_factory.mktemp("home")))
    return folder


def commit_of(repository: Path) -> str:
    """Return the hash of the present commit."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder / "repository", env=base_environment(folder), check=True, timeout=60)


def try_hook(folder: Path, hooks: Path, *arguments: str, hook: str = "kubekeep") -> subprocess.CompletedProcess[str]:
    """Run a hook on the staged files of `folder`/repository."""
    return subprocess.run(
        [SCRIPTS / "pre-commit", "try-repo", hooks, hook, "--color=never", *arguments],
        cwd=folder / "repository",
        env=base_environment(folder) | {"PRE_COMMIT_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_manifest_is_valid() -> None:
    path = ROOT / ".pre-commit-hooks.yaml"
    subprocess.run([SCRIPTS / "pre-commit", "validate-manifest", path], check=True, timeout=60)


def test_other_yaml_passes_quietly(tmp_path: Path, hooks: Path) -> None:
    write_files(tmp_path / "repository", {"deploy/old.yaml": PRIVILEGED})
    commit_all(tmp_path / "repository", base_environment(tmp_path))
    write_files(tmp_path / "repository", {"compose.yaml": NO_KUBERNETES, ".github/workflows/ci.yml": "on: push\n"})
    git(tmp_path, "add", "-A")
    result = try_hook(tmp_path, hooks)
    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines()[-1].endswith("Passed")
    assert "CRITICAL" not in result.stdout


@pytest.mark.parametrize("has_commit", [False, True])
def test_findings_pass_without_a_gate_and_fail_with_one(has_commit: bool, tmp_path: Path, hooks: Path) -> None:  # noqa: FBT001 - a parameter of pytest
    write_files(tmp_path / "repository", {"compose.yaml": NO_KUBERNETES})
    if has_commit:
        commit_all(tmp_path / "repository", base_environment(tmp_path))
    else:
        (tmp_path / "repository").mkdir(exist_ok=True)
        git(tmp_path, "init", "-q")
    write_files(tmp_path / "repository", {"deploy/pod.yaml": PRIVILEGED})
    git(tmp_path, "add", "-A")
    assert try_hook(tmp_path, hooks).returncode == 0
    write_files(tmp_path / "repository", {"kubekeep.yaml": "fail-on: critical\n"})
    git(tmp_path, "add", "-A")
    result = try_hook(tmp_path, hooks)
    assert result.returncode == 1
    assert "CRITICAL  Pod shop/debug  deploy/pod.yaml:8" in result.stdout
    assert "gate FAILED: priority" in result.stdout


def test_hook_for_all_resources_reports_committed_ones(tmp_path: Path, hooks: Path) -> None:
    write_files(tmp_path / "repository", {"deploy/pod.yaml": PRIVILEGED, "kubekeep.yaml": "fail-on: critical\n"})
    commit_all(tmp_path / "repository", base_environment(tmp_path))
    assert try_hook(tmp_path, hooks, "--all-files").returncode == 0
    assert try_hook(tmp_path, hooks, "--all-files", hook="kubekeep-all").returncode == 1


def test_other_files_do_not_start_the_hook(tmp_path: Path, hooks: Path) -> None:
    write_files(tmp_path / "repository", {"README.md": "text\n"})
    commit_all(tmp_path / "repository", base_environment(tmp_path))
    write_files(tmp_path / "repository", {"README.md": "more text\n"})
    git(tmp_path, "add", "-A")
    assert "(no files to check)Skipped" in try_hook(tmp_path, hooks).stdout


def read_examples() -> list[str]:
    """Return the two configurations of the guide."""
    guide = (ROOT / "docs" / "guides" / "integrations.md").read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(repos:\n.*?)^```", guide, re.MULTILINE | re.DOTALL)


def run_commit(
    folder: Path, configuration: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run pre-commit with this configuration on a new Pod."""
    write_files(folder / "repository", {"deploy/pod.yaml": PRIVILEGED, ".pre-commit-config.yaml": configuration})
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    return subprocess.run(
        [SCRIPTS / "pre-commit", "run", "--color=never"],
        cwd=folder / "repository",
        env=base_environment(folder) | {"PRE_COMMIT_HOME": str(folder / "cache")} | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_documented_hook_fails_on_critical_findings(tmp_path: Path, hooks: Path) -> None:
    example = read_examples()[0]
    commit = commit_of(hooks)
    configuration = example.replace("https://github.com/kubekeep/kubekeep", str(hooks)).replace(f"v{VERSION}", commit)
    assert commit in configuration
    result = run_commit(tmp_path, configuration)
    assert result.returncode == 1
    assert "gate FAILED: priority" in result.stdout


@pytest.mark.integration
def test_documented_hook_installs_the_wheel(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    build_wheel(wheels)
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {wheels}".strip()
    path = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if folder != str(SCRIPTS))
    result = run_commit(tmp_path, read_examples()[1], {"PIP_FIND_LINKS": links, "PATH": path})
    assert result.returncode == 1, result.stdout + result.stderr
    assert "gate FAILED: priority" in result.stdout
