"""The stages of CI: each test runs in one of them."""

from __future__ import annotations

import subprocess
import sys

from tests.stages import QUICK, QUICK_FOLDERS, SLOW, SLOW_FILES, STAGES, TESTS, find_stage


def collect_tests(*arguments: str) -> list[str]:
    """Return the ids of the tests in two folders, one of which has files of both stages."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/config", "tests/sinks", *arguments]
    result = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=True)
    return [line for line in result.stdout.splitlines() if "::" in line]


def test_stages_have_all_tests_once() -> None:
    stages = {stage: collect_tests("--stage", stage) for stage in STAGES}
    assert all(stages.values())
    assert sorted([*stages[QUICK], *stages[SLOW]]) == sorted(collect_tests())


def test_quick_folders_have_tests() -> None:
    quick = {file.relative_to(TESTS).parts[0] for file in TESTS.rglob("test_*.py") if find_stage(file) == QUICK}
    assert quick == QUICK_FOLDERS


def test_slow_files_exist_in_quick_folders() -> None:
    assert {name for name in SLOW_FILES if not (TESTS / name).is_file()} == set()
    assert {name.partition("/")[0] for name in SLOW_FILES} <= QUICK_FOLDERS
