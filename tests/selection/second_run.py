"""A second run of each failed test, alone: a test that passes then is unstable and does not fail the run.

There is no list of known unstable tests. Runs in the process that controls the workers, after their last test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

MOST_UNSTABLE: Final = 3
"""Unstable tests of a run that does not fail."""
MOST_REPEATED: Final = 10
"""Failed tests from which none is repeated: so many do not fail by chance."""
IS_SECOND: Final = "KUBEKEEP_SECOND_RUN"
"""Variable of a second run, which repeats nothing."""
_SECONDS: Final = 1_800
_TAIL: Final = 60
"""Lines of the output of the second run."""


class Unstable(NamedTuple):
    """A test that failed once and then passed. first, second: the outputs."""

    name: str
    first: str
    second: str


def repeat_failed_tests(session: pytest.Session, root: Path, options: list[str]) -> list[Unstable]:
    """Repeat the failed tests of a run and return those that passed, moved in the report from failed to unstable.

    The run counts as passed if no other test failed and not more than `MOST_UNSTABLE` are unstable. options: of the second run.
    """
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    stats = reporter.stats
    failures: dict[str, list[pytest.TestReport]] = {}
    for report in (*stats.get("failed", ()), *stats.get("error", ())):
        if not isinstance(report, pytest.TestReport):
            # A file that cannot be collected.
            return []
        failures.setdefault(report.nodeid, []).append(report)
    if IS_SECOND in os.environ or not failures or len(failures) > MOST_REPEATED:
        return []
    unstable = []
    for name, reports in failures.items():
        reporter.write_line(f"\nrunning again, alone: {name}")
        ended = _run_alone(name, root, options)
        if ended is not None:
            unstable.append(Unstable(name, "\n".join(report.longreprtext for report in reports), ended))
            stats.setdefault("unstable", []).append(reports[0])
    names = {entry.name for entry in unstable}
    for category in ("failed", "error"):
        stats[category] = [report for report in stats.get(category, ()) if report.nodeid not in names]
        if not stats[category]:
            del stats[category]
    if len(names) == len(failures) and len(names) <= MOST_UNSTABLE:
        session.exitstatus = pytest.ExitCode.OK
    return unstable


def write_unstable(reporter: pytest.TerminalReporter, unstable: list[Unstable]) -> None:
    """Write both outputs of each unstable test."""
    for entry in unstable:
        reporter.section(f"unstable: {entry.name}", yellow=True)
        reporter.write_line("It failed:")
        reporter.write_line(entry.first)
        reporter.write_line("It passed when it ran alone:")
        reporter.write_line(entry.second)
    if len(unstable) > MOST_UNSTABLE:
        reporter.write_line(f"{len(unstable)} tests are unstable; a run with more than {MOST_UNSTABLE} fails", red=True)


def _run_alone(name: str, root: Path, options: list[str]) -> str | None:
    """Return the end of the output of a test that passes in a process of its own; None if it fails."""
    command = [sys.executable, "-m", "pytest", "-n0", "-q", *options, name]
    environment = {**os.environ, IS_SECOND: "1"}
    try:
        ended = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        return None
    return "\n".join(ended.stdout.splitlines()[-_TAIL:]) if ended.returncode == 0 else None
