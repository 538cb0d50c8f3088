"""The pre-commit hooks, run by pre-commit in repositories with Kubernetes and other files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integrations.samples import (
    NO_KUBERNETES,
    PRIVILEGED,
    ROOT,
    SCRIPTS,
    base_environment,
    commit_all,
    write_files,
)


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the hooks of this one."""
    folder = tmp_path_factory.mktemp("hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", folder)
    commit_all(folder, base_environment(tmp_path_factory.mktemp("home")))
    return folder


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
