"""Schemas and linters of the CI systems: the action, the templates and the examples are valid and hold no injection."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main  # type: ignore[import-untyped]
from click.testing import CliRunner, Result

from tests.integrations.samples import FOLDER, ROOT, SCRIPTS, find_program

README_YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


SCHEMAS = {
    "github": ("github-workflows",),
    "gitlab": ("gitlab-ci", "--data-transform", "gitlab-ci"),
    "circleci": ("circle-ci",),
    "azure": ("azure-pipelines", "--regex-variant", "nonunicode"),
    "bitbucket": ("bitbucket-pipelines",),
    "action": ("github-actions",),
}
"""Schemas that check-jsonschema contains, with the options they need."""
TEMPLATES = {
    "circleci": FOLDER / "circleci" / "orb.yml",
    "azure": FOLDER / "azure" / "scan.yml",
    "bitbucket": FOLDER / "bitbucket" / "bitbucket-pipelines.yml",
    "action": ROOT / "action.yml",
}


def check_schema(system: str, *files: Path) -> Result:
    """Check files with the schema of a system, in this process: a process takes two seconds to import the program."""
    schema, *options = SCHEMAS[system]
    return CliRunner().invoke(main, ["--builtin-schema", f"vendor.{schema}", *options, *map(str, files)])


def read_example(system: str) -> str:
    """Return the first YAML block of an integration's README: its complete example."""
    match = README_YAML.search((FOLDER / system / "README.md").read_text(encoding="utf-8"))
    assert match is not None
    return match[1]


@pytest.mark.parametrize("system", SCHEMAS)
def test_template_and_example_match_the_schema(system: str, tmp_path: Path) -> None:
    files = [TEMPLATES[system]] if system in TEMPLATES else []
    if system == "gitlab":
        header, job = yaml.safe_load_all((FOLDER / "gitlab" / "templates" / "scan.yml").read_text(encoding="utf-8"))
        assert set(header) == {"spec"}
        files.append(tmp_path / "job.yml")
        files[-1].write_text(yaml.safe_dump(job), encoding="utf-8")
    if system == "circleci":
        orb = yaml.safe_load(TEMPLATES[system].read_text(encoding="utf-8"))
        inline = {"version": 2.1, "orbs": {"kubekeep": {name: orb[name] for name in ("executors", "commands", "jobs")}}}
        files.append(tmp_path / "inline.yml")
        files[-1].write_text(yaml.safe_dump(inline), encoding="utf-8")
    if system not in {"action", "bitbucket"}:
        files.append(tmp_path / "example.yml")
        files[-1].write_text(read_example(system), encoding="utf-8")
    result = check_schema(system, *files)
    assert result.exit_code == 0, result.output


@pytest.mark.integration
@pytest.mark.parametrize("system", SCHEMAS)
def test_schema_rejects_wrong_types(system: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.yml"
    file.write_text("steps: 7\nruns: 7\npipelines: 7\ncommands: 7\njobs: 7\nimage: 7\n")
    assert check_schema(system, file).exit_code == 1


def test_zizmor_finds_no_injection(tmp_path: Path) -> None:
    (tmp_path / "action.yml").write_bytes((ROOT / "action.yml").read_bytes())
    command = [str(SCRIPTS / "zizmor"), "--offline", "--no-progress", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    unsafe = (tmp_path / "action.yml").read_text().replace('"$python" -I', "echo ${{ inputs.paths }}; python -I")
    (tmp_path / "action.yml").write_text(unsafe)
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "template-injection" in result.stdout


def test_actionlint_accepts_the_example(tmp_path: Path) -> None:
    actionlint = find_program("actionlint")
    workflow = tmp_path / "kubekeep.yml"
    workflow.write_text(read_example("github"), encoding="utf-8")
    subprocess.run([str(actionlint), "-no-color", str(workflow)], check=True, timeout=60)


def test_scan_script_passes_shellcheck() -> None:
    subprocess.run([str(find_program("shellcheck")), "-s", "sh", str(FOLDER / "scan.sh")], check=True, timeout=60)


def test_action_needs_only_the_standard_library(tmp_path: Path) -> None:
    copy = tmp_path / "action.py"
    copy.write_bytes((FOLDER / "github" / "action.py").read_bytes())
    code = f"import sys; sys.modules['kubekeep'] = None; import runpy; runpy.run_path({str(copy)!r})"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)
