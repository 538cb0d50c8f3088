"""The small commands: version, list, explain, completion, help."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.test_scan import kubekeep

from kubekeep.cli.main import kubekeep as command_line
from kubekeep.library.load import builtin

ROOT = Path(__file__).parents[2]
KUBESCAPE_SETS = {"armobest", "clusterscan", "devopsbest", "security", "workloadscan", "yaml-scanning"}


def test_version_is_that_of_the_crate() -> None:
    version = tomllib.loads((ROOT / "rust" / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert kubekeep("version").stdout == kubekeep("--version").stdout == f"kubekeep {version}\n"
    assert json.loads(kubekeep("version", "-f", "json").stdout) == {"version": version}


def test_list_frameworks() -> None:
    rows = json.loads(kubekeep("list", "frameworks", "-f", "json").stdout)
    assert {"allcontrols", "nsa", "pss-baseline", "pss-restricted"} <= {row["name"] for row in rows}
    assert next(row for row in rows if row["name"] == "nsa")["controls"] == 26
    assert {row["name"] for row in rows if row["kubescape_set"]} == KUBESCAPE_SETS


def test_framework_counts_have_labels() -> None:
    lines = kubekeep("list", "frameworks").stdout.splitlines()
    counts = {line.split()[0]: lines[number + 1].strip() for number, line in enumerate(lines) if line[:1].isalnum()}
    assert counts["owasp-k8s-2025"] == "243 controls · 10 requirements: 10 automated"
    assert counts["nsa"] == "26 controls: 24 automated, 2 host data", "without numbers, each control is a requirement"


def test_sets_of_kubescape_are_a_group_at_the_end() -> None:
    lines = kubekeep("list", "frameworks").stdout.splitlines()
    group = lines[lines.index("Sets of Kubescape") + 1 :]
    assert {line.split()[0] for line in group[::2]} == KUBESCAPE_SETS
    assert all("  Kubescape: " in line for line in group[::2])
    empty = group[next(number for number, line in enumerate(group) if line.startswith("yaml-scanning")) + 1]
    assert empty.strip() == "No controls, as in Kubescape. Scripts that use this name continue to work."


def test_list_controls() -> None:
    rows = json.loads(kubekeep("list", "controls", "-f", "json").stdout)
    assert len(rows) == len(builtin().controls)
    assert {"nsa", "allcontrols"} <= set(next(row for row in rows if row["id"] == "C-0057")["frameworks"])


@pytest.mark.parametrize("slug", builtin().controls)
def test_explain(slug: str) -> None:
    result = CliRunner().invoke(command_line, ["explain", slug])
    assert result.exit_code == 0
    assert builtin().controls[slug].title in result.output


def test_explain_suggests() -> None:
    result = kubekeep("explain", "priviledged-container")
    assert result.returncode == 2
    assert "did you mean" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    assert "_KUBEKEEP_COMPLETE" in kubekeep("completion", shell).stdout


def test_help_imports_no_heavy_modules() -> None:
    code = (
        "import sys; from kubekeep.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'yaml', 'msgspec', 'rich', 'kubekeep._native'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr == "[]\n"


@pytest.mark.parametrize("number", ["C-57", "c57", "C-057", "c-00057"])
def test_numbers_are_completed(number: str) -> None:
    result = CliRunner().invoke(command_line, ["explain", number])
    assert (result.exit_code, "C-0057" in result.output) == (0, True)


def test_deleted_working_folder(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    script = f'cd "{folder}" && rmdir "{folder}" && "{sys.executable}" -m kubekeep scan "{ROOT / "examples"}"'
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "the working folder has been deleted: change to another folder\n"


def test_options_of_a_scan_are_in_sections() -> None:
    help_text = CliRunner().invoke(command_line, ["scan", "--help-all"]).output
    headings = [line for line in help_text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings[0] == "Report:"
    assert headings[-1] == "Other options:"
    other = help_text[help_text.index("Other options:") :]
    assert other.count("\n  -") <= 6


def test_former_names_of_options_are_hidden() -> None:
    assert "--severity" not in CliRunner().invoke(command_line, ["fix", "--help"]).output.replace("--min-severity", "")
    pod = str(ROOT / "examples" / "online-shop" / "operations" / "debug-pod.yaml")
    for option in ("--severity", "--min-severity"):
        assert CliRunner().invoke(command_line, ["fix", pod, "--dry-run", option, "critical"]).exit_code in {0, 1}
