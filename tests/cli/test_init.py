"""`kubekeep init`: the written files are valid, and no file is replaced."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from kubekeep._native import VERSION
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


def test_github_job_uses_the_action(folder: Path) -> None:
    assert run("init", "--ci", "github").exit_code == 0
    text = (folder / ".github" / "workflows" / "kubekeep.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["scan"]["steps"]
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert steps[1]["uses"] == f"kubekeep/kubekeep@v{VERSION.split('.')[0]}"
    assert steps[1]["with"].keys() <= action["inputs"].keys()
    assert (
        set(re.findall(r"steps\.kubekeep\.outputs\.([a-z-]+)", text))
        == {"sarif", "scanned"}
        <= action["outputs"].keys()
    )
    for page in ("docs/guides/ci.md", "integrations/github/README.md"):
        assert f"```yaml\n{text}```" in (ROOT / page).read_text(encoding="utf-8"), page


def test_gitlab_job_includes_the_component(folder: Path) -> None:
    assert run("init", "--ci", "gitlab").exit_code == 0
    text = (folder / ".gitlab" / "kubekeep.yml").read_text(encoding="utf-8")
    (include,) = yaml.safe_load(text)["include"]
    name = include["remote"].removeprefix(f"https://raw.githubusercontent.com/kubekeep/kubekeep/v{VERSION}/")
    header = next(yaml.safe_load_all((ROOT / name).read_text(encoding="utf-8")))
    assert include["inputs"].keys() <= header["spec"]["inputs"].keys()
    for page in ("docs/guides/ci.md", "integrations/gitlab/README.md"):
        assert f"```yaml\n{text}```" in (ROOT / page).read_text(encoding="utf-8"), page


def test_existing_files_are_not_replaced(folder: Path) -> None:
    (folder / "kubekeep.yaml").write_text("framework: nsa\n")
    result = run("init")
    assert result.exit_code == 2
    assert "kubekeep.yaml: the file exists and is not replaced" in result.output
    result = run("init", "--ci", "github")
    assert result.exit_code == 0, "the job uses the configuration"
    assert "kept: kubekeep.yaml" in result.output
    assert (folder / "kubekeep.yaml").read_text() == "framework: nsa\n"
    job = folder / ".github" / "workflows" / "kubekeep.yml"
    job.write_text("mine\n")
    assert run("init", "--ci", "github").exit_code == 2
    assert job.read_text() == "mine\n"
