"""The stages of CI: each test runs in one of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.stages import QUICK, QUICK_FOLDERS, SLOW, SLOW_FILES, STAGES, TESTS, find_stage


def collect_tests(*arguments: str) -> list[str]:
    """Return the ids of the tests in two folders, one of which has files of both stages."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/config", "tests/reports", *arguments]
    result = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=True)
    return [line for line in result.stdout.splitlines() if "::" in line]


def test_stages_have_all_tests_once() -> None:
    stages = {stage: collect_tests("--stage", stage) for stage in STAGES}
    assert all(stages.values())
    assert sorted([*stages[QUICK], *stages[SLOW]]) == sorted(collect_tests())


@pytest.mark.parametrize("name", sorted(QUICK_FOLDERS))
def test_quick_folder_has_tests(name: str) -> None:
    assert any(find_stage(file) == QUICK for file in (TESTS / name).rglob("test_*.py"))


@pytest.mark.parametrize("name", sorted(SLOW_FILES))
def test_slow_file_exists_in_a_quick_folder(name: str) -> None:
    assert (TESTS / name).is_file()
    assert name.partition("/")[0] in QUICK_FOLDERS
