"""The command line in this process, for tests of its output and its exit code.

A process takes most of a second to start. Tests of signals, terminals, pipes, closed streams, imports and the exit of
the interpreter need one.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from click.testing import CliRunner

from kubekeep.cli.main import main

_NO_CHANGES: Final[Mapping[str, str | None]] = {}
_DEFECTS: Final = ("Traceback", "internal error:")
_LOGGERS: Final = ("kubekeep", "httpx2")


def run_command_line(
    *arguments: str | Path,
    folder: Path | None = None,
    stdin: bytes = b"",
    variables: Mapping[str, str | None] = _NO_CHANGES,
) -> subprocess.CompletedProcess[str]:
    """Run `kubekeep` with the arguments and return what a process would return.

    folder: the working folder. variables: changes to the environment; None removes a variable.
    """
    words = [str(argument) for argument in arguments]
    code = 0
    with (
        contextlib.chdir(folder or Path.cwd()),
        _unchanged_loggers(),
        CliRunner().isolation(stdin, variables) as (output, errors, _),
    ):
        try:
            main(words)
        except SystemExit as exit_request:
            code = exit_request.code if isinstance(exit_request.code, int) else 0
    result = subprocess.CompletedProcess(
        words, code, output.getvalue().decode(errors="surrogateescape"), errors.getvalue().decode()
    )
    assert not any(defect in result.stderr for defect in _DEFECTS), result.stderr
    return result


@contextlib.contextmanager
def _unchanged_loggers() -> Iterator[None]:
    """Restore the loggers, which `--debug` changes, in the end."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    states = [(logger.level, list(logger.handlers)) for logger in loggers]
    try:
        yield
    finally:
        for logger, (level, handlers) in zip(loggers, states, strict=True):
            logger.setLevel(level)
            logger.handlers = handlers
