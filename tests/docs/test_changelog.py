"""The draft of the changelog, which CI writes to check the fragments: a name that no type has is an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [("+shop.added.md", True), ("README.md", True), ("+shop.bogus.md", False), ("shop.md", False)],
)
def test_fragments_have_the_name_of_a_type(tmp_path: Path, name: str, *, is_valid: bool) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / name).write_text("The shop has a door.\n", encoding="utf-8")
    towncrier = Path(sys.executable).with_name("towncrier")
    result = subprocess.run(
        [towncrier, "build", "--draft", "--version", "next"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode == 0) is is_valid, result.stderr
    assert is_valid or name in result.stderr
