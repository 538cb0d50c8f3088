"""The small commands: version, list, explain, completion, help."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.cli.test_scan import kubekeep

from kubekeep.library.load import builtin

ROOT = Path(__file__).parents[2]


def test_version_is_that_of_the_crate() -> None:
    version = tomllib.loads((ROOT / "rust" / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert kubekeep("version").stdout == kubekeep("--version").stdout == f"kubekeep {version}\n"
    assert json.loads(kubekeep("version", "-f", "json").stdout) == {"version": version}


def test_list_frameworks() -> None:
    rows = json.loads(kubekeep("list", "frameworks", "-f", "json").stdout)
    assert {"allcontrols", "nsa", "pss-baseline", "pss-restricted"} <= {row["name"] for row in rows}
    assert next(row for row in rows if row["name"] == "nsa")["controls"] == 26


def test_list_controls() -> None:
    rows = json.loads(kubekeep("list", "controls", "-f", "json").stdout)
    assert len(rows) == len(builtin().controls)
    assert {"nsa", "allcontrols"} <= set(next(row for row in rows if row["id"] == "C-0057")["frameworks"])


@pytest.mark.parametrize("slug", builtin().controls)
def test_explain(slug: str) -> None:
    result = kubekeep("explain", slug)
    assert result.returncode == 0
    assert builtin().controls[slug].title in result.stdout


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
