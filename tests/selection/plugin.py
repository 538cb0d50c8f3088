"""Options of pytest for the choice of tests: `--selection` and `--all`. `tests/conftest.py` loads it.

The choice is made once, in the process that controls the workers. With neither option, pytest runs what its arguments name.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.oracles.references import Mode
from tests.selection.budget import Choice, Reason, choose, list_units
from tests.selection.changes import UnknownCommitError, has_changes, list_changed_files, read_head
from tests.selection.graph import DependencyGraph
from tests.selection.record import (
    CompleteRun,
    describe_machine,
    group_times,
    load_complete_run,
    write_complete_run,
)
from tests.selection.second_run import Unstable, repeat_failed_tests, write_unstable
from tests.selection.shares import COMPLETE, SEED
from tests.stages import QUICK, find_stage

ROOT: Final = Path(__file__).parents[2]
BUDGET: Final = 1_200.0
"""Worker seconds of the slow tests of a selection."""
_SLOWEST: Final = 10
_LISTED: Final = 10
_QUICK_TESTS: Final = "quick tests"

Rows = dict[str, list[str] | None]
"""For each file with chosen tests, the names of its slow tests that run; None if all tests run. Other tests run if "" is in it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("selection")
    group.addoption(
        "--selection", action="store_true", help="run the quick tests and the slow ones that a change can affect"
    )
    group.addoption("--all", action="store_true", help="run all tests with all cases, and record the run")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the tests, or take over the choice of the process that controls this worker."""
    is_complete = config.getoption("all")
    if is_complete:
        config.option.references = Mode.COMPARE
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[SEED] = COMPLETE if is_complete else read_head(ROOT)
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(ChosenTests(config.workerinput["chosen_tests"]))
    elif config.getoption("selection"):
        selection = Selection(os.environ[SEED])
        config.pluginmanager.register(ChosenTests(selection.rows))
        config.pluginmanager.register(RunReport(config, selection))
    elif is_complete:
        config.pluginmanager.register(RunReport(config, None))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the choice to a worker."""
    chosen = next(
        (plugin for plugin in node.config.pluginmanager.get_plugins() if isinstance(plugin, ChosenTests)), None
    )
    node.workerinput["chosen_tests"] = chosen.rows if chosen else None


class ChosenTests:
    """Leaves out the tests that were not chosen. rows: None to run all."""

    def __init__(self, rows: Rows | None) -> None:
        self.rows = rows

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out files without a chosen test."""
        if self.rows is None or collection_path.is_dir() or not collection_path.name.startswith("test_"):
            return None
        return None if collection_path.relative_to(ROOT).as_posix() in self.rows else True

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the slow tests that were not chosen."""
        if self.rows is None:
            return
        known = load_complete_run().files
        left = []
        for test in items:
            file, _, name = test.nodeid.partition("::")
            rows = self.rows.get(file)
            times = known.get(file)
            unit = name if times is not None and name in times.rows else ""
            if rows is not None and unit not in rows:
                left.append(test)
        if left:
            config.hook.pytest_deselected(items=left)
            items[:] = [test for test in items if test not in set(left)]


class Selection:
    """The choice of tests since the last complete run. seed: decides about the share of tests that no change affects."""

    def __init__(self, seed: str) -> None:
        self.base = load_complete_run()
        graph = DependencyGraph(ROOT)
        quick = [file for file in graph.tests if find_stage(ROOT / file) == QUICK]
        slow = [file for file in graph.tests if find_stage(ROOT / file) != QUICK]
        self.quick = [Choice(unit, Reason.CHANGED, None) for unit in list_units(quick, self.base.files)]
        try:
            self.changed = list_changed_files(ROOT, self.base.commit)
            distances = graph.measure_distances(self.changed)
            self.problem = ""
        except UnknownCommitError:
            self.changed = []
            distances = dict.fromkeys(graph.tests, 1)
            self.problem = f"commit {self.base.commit} is not in this clone, so that every test counts as affected"
        self.chosen, self.left = choose(list_units(slow, self.base.files), distances, seed, BUDGET)
        self.rows: Rows = dict.fromkeys(quick)
        for choice in self.chosen:
            rows = self.rows.setdefault(choice.unit.file, [])
            assert rows is not None
            rows.append(choice.unit.row)


class RunReport:
    """Repeats failed tests, writes the summary, and records the complete run. selection: None for the complete run."""

    def __init__(self, config: pytest.Config, selection: Selection | None) -> None:
        self._config = config
        self._selection = selection
        self._seconds: dict[str, float] = {}
        self._unstable: list[Unstable] = []
        self._start = time.monotonic()
        self._commit = read_head(ROOT)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the seconds of a phase of a test."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Repeat failed tests; record a complete run without failures."""
        if exitstatus == pytest.ExitCode.TESTS_FAILED:
            options = ["--all"] * bool(self._config.getoption("all"))
            self._unstable = repeat_failed_tests(session, self._config.rootpath, options)
        is_complete = self._selection is None and self._config.args_source is not pytest.Config.ArgsSource.ARGS
        if is_complete and session.exitstatus == pytest.ExitCode.OK and not has_changes(ROOT):
            minutes = round((time.monotonic() - self._start) / 60, 1)
            date = dt.datetime.now(dt.UTC).date()
            files = group_times(self._seconds)
            write_complete_run(CompleteRun(self._commit, date, describe_machine(), minutes, len(self._seconds), files))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the unstable tests, the selection with its reasons, and the slowest tests."""
        write_unstable(terminalreporter, self._unstable)
        if self._selection is not None:
            terminalreporter.section("selection of tests")
            for line in _describe(self._selection):
                terminalreporter.write_line(line)
        terminalreporter.section(f"{_SLOWEST} slowest tests")
        for name, seconds in sorted(self._seconds.items(), key=lambda entry: -entry[1])[:_SLOWEST]:
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")


def _describe(selection: Selection) -> Iterable[str]:
    """Yield the lines of the table: the groups of chosen tests and of those left out, and the nearest of these."""
    base = selection.base
    yield f"{len(selection.changed)} files changed since the complete run of {base.date} at {base.commit[:8]}, {base.minutes} minutes"
    if selection.problem:
        yield selection.problem
    yield f"{'':46}{'files':>7}{'tests':>8}{'seconds':>9}"
    yield _describe_group(_QUICK_TESTS, selection.quick)
    for title, choices in (("run: ", selection.chosen), ("left out: ", selection.left)):
        groups: dict[tuple[str, int], list[Choice]] = {}
        for choice in choices:
            distance = min(choice.distance or 0, 4)
            groups.setdefault((choice.reason.value, distance), []).append(choice)
        for (reason, distance), group in groups.items():
            steps = (
                ""
                if not distance
                else f", {distance}{' or more' if distance == 4 else ''} step{'s' * (distance > 1)} away"
            )
            yield _describe_group(f"{title}{reason}{steps}", group)
    affected = [choice for choice in selection.left if choice.distance is not None]
    for choice in affected[:_LISTED]:
        yield f"left out, {choice.distance} steps away, {choice.unit.seconds:.0f} s: {'::'.join(filter(None, choice.unit[:2]))}"
    if affected:
        yield "scripts/test --all runs everything"


def _describe_group(title: str, choices: list[Choice]) -> str:
    units = [choice.unit for choice in choices]
    files = len({unit.file for unit in units})
    return f"{title:46}{files:7,}{sum(unit.tests for unit in units):8,}{sum(unit.seconds for unit in units):9,.0f}"
