"""`kubectl kubekeep`: the real kubectl runs the program as its plugin and completes its command line."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from kubekeep._native import VERSION

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
KUBECTL = SCRIPTS / "kubectl"


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the program under the names of its entry points."""
    folder = tmp_path_factory.mktemp("plugins")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["scripts"].values()) == {"kubekeep.cli.main:main"}
    for name in set(project["scripts"]) - {"kubekeep"}:
        (folder / name).symlink_to(SCRIPTS / "kubekeep")
    return folder


def kubectl(plugins: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl with the plugins on its path."""
    environment = os.environ | {"PATH": f"{plugins}{os.pathsep}{os.environ['PATH']}"}
    command = [str(KUBECTL), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def complete(plugins: Path, *words: str) -> list[str]:
    """Return the lines that kubectl passes to the shell."""
    return kubectl(plugins, "__complete", "kubekeep", *words).stdout.splitlines()


def test_kubectl_lists_and_runs_the_plugin(plugins: Path) -> None:
    assert str(plugins / "kubectl-kubekeep") in kubectl(plugins, "plugin", "list").stdout
    assert kubectl(plugins, "kubekeep", "--version").stdout == f"kubekeep {VERSION}\n"


def test_help_and_errors_name_the_plugin(plugins: Path) -> None:
    assert kubectl(plugins, "kubekeep", "fix", "--help").stdout.startswith("Usage: kubectl kubekeep fix [OPTIONS]")
    result = kubectl(plugins, "kubekeep", "scan", "--unknown")
    assert result.returncode == 2
    assert "Try 'kubectl kubekeep scan --help' for help." in result.stderr


def test_exit_code_and_output_are_those_of_the_program(plugins: Path, tmp_path: Path) -> None:
    pod = tmp_path / "pod.yaml"
    pod.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n"
        "    - {name: a, image: a, securityContext: {privileged: true}}\n"
    )
    result = kubectl(plugins, "kubekeep", "scan", str(pod), "--fail-on", "high", "-f", "sarif", "-o", "-")
    assert result.returncode == 1
    assert '"C-0057"' in result.stdout


def test_commands_are_completed_with_their_help(plugins: Path) -> None:
    lines = complete(plugins, "")
    assert "scan\tScan manifests or a cluster." in lines
    assert lines[-1] == ":4"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("scan", "framework", "nsa-c"), "nsa-cisa-1.2\t"),
        (("scan", "control", "C-0057"), "C-0057\t"),
        (("scan", "--format", "html,sar"), "html,sarif"),
        (("fix", "--dry"), "--dry-run\t"),
    ],
)
def test_names_are_completed(plugins: Path, words: tuple[str, ...], expected: str) -> None:
    assert any(line.startswith(expected) for line in complete(plugins, *words))


@pytest.mark.parametrize(("words", "directive"), [(("scan", "./"), ":0"), (("control", "new", "--dir", "./"), ":16")])
def test_files_and_folders_are_left_to_the_shell(plugins: Path, words: tuple[str, ...], directive: str) -> None:
    assert complete(plugins, *words)[-1] == directive
