"""The record of the complete run: what is written can be read and compared line by line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tests.selection.plugin import ROOT
from tests.selection.record import (
    CompleteRun,
    FileTimes,
    describe_machine,
    group_times,
    load_complete_run,
    write_complete_run,
)


def test_record_has_a_line_for_each_file(tmp_path: Path) -> None:
    seconds = {
        "tests/b/test_b.py::test_x[a::b, ü]": 7.25,
        "tests/b/test_b.py::test_y": 0.5,
        "tests/a/test_a.py::test_z": 1.0,
    }
    files = group_times(seconds)
    assert files["tests/b/test_b.py"] == FileTimes(2, 7.8, {"test_x[a::b, ü]": 7.25})
    run = CompleteRun("0" * 40, dt.date(2026, 12, 7), describe_machine(), 31.5, 3, files)
    file = tmp_path / "run.json"
    write_complete_run(run, file)
    assert load_complete_run(file) == run
    lines = file.read_text().splitlines()
    assert [line.partition(":")[0] for line in lines[-3:-1]] == ['"tests/a/test_a.py"', '"tests/b/test_b.py"']
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_recorded_files_are_test_files() -> None:
    run = load_complete_run()
    assert run.tests == sum(times.tests for times in run.files.values())
    present = [file for file in run.files if (ROOT / file).is_file()]
    assert len(present) > 0.9 * len(run.files)
