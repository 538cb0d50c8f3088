"""`--debug`, and unexpected errors: never an exit code of a gate, never a value of the input."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kubekeep.cli import reported_scan
from kubekeep.cli.main import kubekeep as command_line
from kubekeep.cli.main import main
from kubekeep.usecases.request import ScanRequest

SHOP = str(Path(__file__).parents[2] / "examples" / "online-shop")
SECRET = "Sup3rS3cretValue"  # noqa: S105 - planted


@pytest.fixture(autouse=True)
def restore_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("kubekeep", "httpx2")]
    states = [(logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, states, strict=True):
        logger.setLevel(level)
        logger.handlers = handlers


def fail_unexpectedly(_: ScanRequest) -> None:
    raise LookupError(f"password={SECRET}")


@pytest.mark.parametrize("options", [(), ("--debug",)])
def test_unexpected_error(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reported_scan, "run_scan", fail_unexpectedly)
    with pytest.raises(SystemExit) as exit_:
        main(["scan", SHOP, *options])
    errors = capsys.readouterr().err
    assert exit_.value.code == 3
    assert SECRET not in errors
    assert ("Traceback" in errors) == bool(options)
    if not options:
        assert re.fullmatch(
            r"internal error: LookupError at kubekeep/cli/reported_scan\.py:\d+; this is a defect of kubekeep\. "
            r"Run the command again with --debug, and report the output\n",
            errors,
        )


def test_full_memory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def exhaust_memory(_: ScanRequest) -> None:
        raise MemoryError

    monkeypatch.setattr(reported_scan, "run_scan", exhaust_memory)
    with pytest.raises(SystemExit) as exit_:
        main(["scan", SHOP])
    assert exit_.value.code == 3
    assert capsys.readouterr().err.startswith("out of memory: ")


@pytest.mark.parametrize("arguments", [["--debug", "scan", SHOP], ["scan", SHOP, "--debug"]])
def test_debug_prints_the_stages(arguments: list[str]) -> None:
    result = CliRunner().invoke(command_line, arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("debug")]
    assert result.exit_code == 0
    assert f"Python {sys.version.split()[0]}" in lines[0]
    assert any("read and evaluated 22 resources, 72 controls" in line for line in lines)
    assert lines[-1].endswith("writing report pretty")
    assert not result.stdout.startswith("debug")
