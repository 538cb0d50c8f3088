"""The option `--references` of pytest: answers of reference programs are recorded ones, are recorded, or are compared.

Collects the answers of all worker processes. Never changes recorded answers, except with `--references record`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from tests.oracles.answers import Answer, Case, decode_answer, encode_answer
from tests.oracles.references import Mode, References, describe_unused, record, start

_OUTPUT: Final = "references"
_ENDS: Final = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the origin of answers."""
    parser.addoption(
        "--references",
        choices=[*Mode],
        default=Mode.RECORDED,
        help="answers of reference programs: recorded ones; or run the programs and record or compare their answers",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start to collect answers."""
    config.pluginmanager.register(AnswerCollector(config, start(Mode(config.getoption(_OUTPUT)))))


class AnswerCollector:
    """The answers that all tests used, and the modules of which some tests did not run or did not pass."""

    def __init__(self, config: pytest.Config, references: References) -> None:
        self._config = config
        self._references = references
        self._answers: dict[Path, dict[Case, Answer]] = {}
        self._modules: set[Path] = set()
        self._partial: set[Path] = {self._find_module(name) for name in config.args if "::" in name}
        self._messages: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Name the module of the test whose answers follow."""
        self._references.module = item.path
        result = yield
        self._references.module = None
        return result

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._partial |= {item.path for item in items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        module = self._find_module(report.nodeid)
        self._modules.add(module)
        if not report.passed:
            self._partial.add(module)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the answers of a worker process that ends."""
        output = getattr(node, "workeroutput", {}).get(_OUTPUT, {"answers": {}, "partial": []})
        self._partial |= set(map(Path, output["partial"]))
        for module, lines in output["answers"].items():
            self._answers.setdefault(Path(module), {}).update(map(decode_answer, lines))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand answers to the process that started this one, or record or check them."""
        if hasattr(self._config, "workeroutput"):
            lines = {
                str(module): [encode_answer(case, answer) for case, answer in answers.items()]
                for module, answers in self._references.answers.items()
            }
            self._config.workeroutput[_OUTPUT] = {"answers": lines, "partial": [*map(str, self._partial)]}
            return
        for module, answers in self._references.answers.items():
            self._answers.setdefault(module, {}).update(answers)
        if session.shouldstop or session.shouldfail or session.exitstatus not in _ENDS:
            self._partial |= self._modules
        if self._references.mode is Mode.RECORD:
            for module in self._modules:
                record(module, self._answers.get(module, {}), is_complete=module not in self._partial)
        if self._references.mode is Mode.COMPARE:
            self._messages = [*self._check()]
            if self._messages and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for message in self._messages:
            terminalreporter.write_line(f"ERROR {message}", red=True)

    def _check(self) -> Iterator[str]:
        """Yield messages about answers that no test used, of the modules whose tests all ran."""
        for module in sorted(self._modules - self._partial):
            if message := describe_unused(module, {*self._answers.get(module, {})}):
                yield message

    def _find_module(self, name: str) -> Path:
        return self._config.rootpath / name.partition("::")[0]
