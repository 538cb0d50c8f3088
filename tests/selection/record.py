"""The record of the last complete run: its commit, date, machine and duration, and the seconds of its tests.

Reads and writes one file of the repository, never runs tests.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("complete_run.json")
SLOW_ROW: Final = 5.0
"""Seconds from which a test is chosen for itself, apart from the others of its file."""


class FileTimes(msgspec.Struct, frozen=True):
    """Seconds of the tests of a file, of setup and teardown too. rows: the tests of at least `SLOW_ROW` seconds by name."""

    tests: int
    seconds: float
    rows: dict[str, float] = {}


class CompleteRun(msgspec.Struct, frozen=True):
    """A run of all tests. minutes: by the clock. files: test files by path."""

    commit: str
    date: dt.date
    machine: str
    minutes: float
    tests: int
    files: dict[str, FileTimes]


def load_complete_run(file: Path = FILE) -> CompleteRun:
    """Return the record of the repository."""
    return msgspec.json.decode(file.read_bytes(), type=CompleteRun)


def write_complete_run(run: CompleteRun, file: Path = FILE) -> None:
    """Write a record, one line for each test file."""
    head = msgspec.structs.replace(run, files={})
    files = ",\n".join(
        f"{msgspec.json.encode(path).decode()}: {msgspec.json.encode(times).decode()}"
        for path, times in sorted(run.files.items())
    )
    text = msgspec.json.encode(head).decode().replace(',"', ',\n"').removesuffix("{}}")
    temporary = file.with_suffix(".new")
    temporary.write_text(f"{text}{{\n{files}\n}}}}\n", encoding="utf-8")
    temporary.replace(file)


def group_times(seconds: Mapping[str, float]) -> dict[str, FileTimes]:
    """Return the times of files from the seconds of each test by its pytest id."""
    tests: dict[str, dict[str, float]] = {}
    for name, duration in seconds.items():
        path, _, row = name.partition("::")
        tests.setdefault(path, {})[row] = round(duration, 2)
    return {
        path: FileTimes(
            len(rows),
            round(sum(rows.values()), 1),
            {row: duration for row, duration in sorted(rows.items()) if duration >= SLOW_ROW},
        )
        for path, rows in tests.items()
    }


def describe_machine() -> str:
    """Return the processors, the memory and the system of this machine: `2 processors, 24 GiB, Linux x86_64`."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{os.cpu_count()} processors, {memory / 2**30:.0f} GiB, {platform.system()} {platform.machine()}"
