"""`kubekeep init`: the written files are valid, and no file is replaced."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from kubekeep.cli.main import kubekeep as command_line

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "online-shop"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command_line, arguments)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_configuration_is_valid_and_gates_a_scan(folder: Path) -> None:
    shutil.copytree(SHOP, folder / "deploy")
    assert run("init").output.splitlines() == ["written: kubekeep.yaml", "next: kubekeep scan ."]
    assert run("config", "check").exit_code == 0
    result = run("scan", "deploy", "-q")
    assert result.exit_code == 1
    assert "gate FAILED: priority: 4 findings of Critical or above" in result.stderr


@pytest.mark.parametrize(
    ("ci", "file"), [("github", ".github/workflows/kubekeep.yml"), ("gitlab", ".gitlab/kubekeep.yml")]
)
def test_job(folder: Path, ci: str, file: str) -> None:
    assert run("init", "--ci", ci).exit_code == 0
    job = yaml.safe_load((folder / file).read_text())
    assert "pip install kubekeep" in str(job)
    scan = next(line for line in (folder / file).read_text().splitlines() if "kubekeep scan" in line)
    command = scan.partition("kubekeep ")[2].split()
    # The command of the job runs as it is, with the written configuration.
    shutil.copytree(SHOP, folder / "deploy")
    assert run(*command).exit_code == 1
    for report in (line.split()[-1] for line in (folder / file).read_text().splitlines() if "kubekeep." in line):
        if report.startswith("kubekeep.") and not report.endswith(".yml}"):
            assert (folder / report).exists(), report


@pytest.mark.parametrize(
    ("ci", "file"), [("github", ".github/workflows/kubekeep.yml"), ("gitlab", ".gitlab/kubekeep.yml")]
)
def test_guide_shows_the_job(folder: Path, ci: str, file: str) -> None:
    assert run("init", "--ci", ci).exit_code == 0
    guide = (ROOT / "docs" / "guides" / "ci.md").read_text(encoding="utf-8")
    assert f"```yaml\n{(folder / file).read_text()}```" in guide


def test_existing_files_are_not_replaced(folder: Path) -> None:
    (folder / "kubekeep.yaml").write_text("framework: nsa\n")
    result = run("init", "--ci", "github")
    assert result.exit_code == 2
    assert "kubekeep.yaml: the file exists and is not replaced" in result.output
    assert (folder / "kubekeep.yaml").read_text() == "framework: nsa\n"
    assert not (folder / ".github").exists()
