"""Path patterns on the command line compared with a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kubekeep.sources.pattern import expand

FILES = (
    *("a.yaml", "b.yml", "deploy/a.yaml", "deploy/b.json", "deploy/dev/a.yaml", "deploy/dev/x/c.yaml", "deploy/z.yaml"),
    *(
        ".hidden/a.yaml",
        "deploy/.hidden/a.yaml",
        "deploy/.env.yaml",
        "deploy/[x].yaml",
        "deploy/x.yaml",
        "other/dev/q.yaml",
    ),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.yaml", "*", "?.y*ml", "deploy/*", "*/*.yaml", "deploy/**/*.yaml", "**/*.yaml", "**/dev", "**/dev/*"),
        *("**/**/c.yaml", "deploy/[az].yaml", "deploy/[!a].yaml", "deploy/[^a].yaml", "deploy/.*.yaml", ".*/a.yaml"),
        *(
            "deploy/.hidden/*",
            "./deploy/*.json",
            "deploy/../*.yml",
            "*/dev/../*.json",
            "de*y/**/a.yaml",
            "deploy//*.json",
        ),
    ],
)
def test_patterns_match_like_bash(folder: Path, pattern: str) -> None:
    program = shutil.which("bash")
    assert program
    script = f"shopt -s globstar nullglob; printf '%s\\n' {pattern}"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    output = subprocess.run(
        [program, "-c", script], cwd=folder, capture_output=True, text=True, env=environment, check=True
    )
    expected = {os.path.normpath(path) for path in output.stdout.splitlines()}
    assert expected
    assert set(expand(pattern) or ()) == expected


def test_absolute_patterns_and_order(folder: Path) -> None:
    for name in ("deploy-a/a.yaml", "deploy/a.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert expand(f"{folder}/dep*/a.yaml") == [f"{folder}/deploy/a.yaml", f"{folder}/deploy-a/a.yaml"]


def test_existing_path_is_not_a_pattern(folder: Path) -> None:
    assert expand("deploy") is None
    assert expand("missing.yaml") is None
    # An existing path takes precedence over a pattern.
    assert expand("deploy/[x].yaml") is None
    (folder / "*.yaml").symlink_to("nowhere")
    assert expand("*.yaml") is None


def test_unmatched_pattern_gives_no_paths(folder: Path) -> None:
    assert folder.is_dir()
    assert expand("*.json") == []
    assert expand("missing/**/*.yaml") == []
    assert expand("a.yaml/*") == []
    assert expand("\0/*") == []


def test_trailing_double_asterisk_matches_the_folder(folder: Path) -> None:
    assert folder.is_dir()
    assert expand("deploy/**") == ["deploy"]
    assert expand("**/**") == ["."]
    assert expand("*/dev/**") == ["deploy/dev", "other/dev"]


def test_double_asterisk_does_not_follow_links(folder: Path) -> None:
    """A folder of links to itself would match an exponential number of paths."""
    for number in range(20):
        (folder / "deploy" / f"link{number}").symlink_to(".")
    assert expand("deploy/**/c.yaml") == ["deploy/dev/x/c.yaml"]
    assert expand("deploy/link1*/b.json") == [f"deploy/link{number}/b.json" for number in (1, *range(10, 20))]


def test_many_wildcards_match_quickly(folder: Path) -> None:
    (folder / ("a" * 250)).touch()
    assert expand("*a" * 100 + "b") == []
