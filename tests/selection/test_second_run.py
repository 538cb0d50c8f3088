"""The second run of failed tests, in runs of pytest with two workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.selection.plugin import ROOT
from tests.selection.second_run import IS_SECOND

FLAKY = """
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range({count}))
def test_flaky(number):
    marker = Path(__file__).with_name(f"ran-{{number}}")
    is_first = not marker.exists()
    marker.touch()
    assert not is_first, f"first run of {{number}}"


def test_sound():
    pass
"""
BROKEN = """

def test_broken():
    assert False, "always"
"""


def run_tests(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_some.py").write_text(text)
    environment = {**os.environ, "PYTEST_PLUGINS": "tests.selection.plugin", "PYTHONPATH": str(ROOT)}
    for name in [name for name in environment if name.startswith("PYTEST_XDIST")]:
        del environment[name]
    environment.pop(IS_SECOND, None)
    command = [sys.executable, "-m", "pytest", "-n2", "-p", "no:cacheprovider", "--all", "test_some.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_test_that_passes_alone_is_unstable_and_does_not_fail_the_run(tmp_path: Path) -> None:
    ended = run_tests(tmp_path, FLAKY.format(count=1))
    assert ended.returncode == 0, ended.stdout
    assert "unstable: test_some.py::test_flaky[0]" in ended.stdout
    assert "first run of 0" in ended.stdout
    summary = ended.stdout.splitlines()[-1]
    assert "1 passed, 1 unstable" in summary
    assert "failed" not in summary


def test_many_unstable_tests_fail_the_run(tmp_path: Path) -> None:
    ended = run_tests(tmp_path, FLAKY.format(count=4))
    assert ended.returncode == 1
    assert "4 tests are unstable; a run with more than 3 fails" in ended.stdout
    assert "1 passed, 4 unstable" in ended.stdout.splitlines()[-1]


def test_test_that_fails_twice_fails_the_run(tmp_path: Path) -> None:
    ended = run_tests(tmp_path, FLAKY.format(count=1) + BROKEN)
    assert ended.returncode == 1
    assert "1 failed, 1 passed, 1 unstable" in ended.stdout.splitlines()[-1]


@pytest.mark.parametrize("error", ["import no_such_module", "def broken(:"])
def test_file_that_cannot_be_collected_fails_the_run(tmp_path: Path, error: str) -> None:
    ended = run_tests(tmp_path, error)
    assert ended.returncode not in {0, 5}
    assert not list(tmp_path.glob("ran-*"))
