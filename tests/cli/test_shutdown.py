"""Shutdown of long-running commands: stop event, exit after a timeout, and complete output lines."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from kubekeep.cli.console.shutdown import handle_interrupts

_PROGRAM = """
import signal, sys, threading, time
from kubekeep.cli.console import shutdown
printing = threading.Lock()
def work(stopped):
    print("begun", flush=True)
{work}
{before}
with shutdown.handle_interrupts() as handler:
    handler.run(work, printing)
print("done", flush=True)
"""
NEVER_ENDS = """
    time.sleep(600)
"""
PRINTS = """
    while True:
        with printing:
            for part in ("a", "b", "c" * 4096):
                sys.stdout.write(part)
                sys.stdout.flush()
                time.sleep(0.001)
            sys.stdout.write("\\n")
            sys.stdout.flush()
"""
ENDS = """
    stopped.wait(600)
"""
HEARS = """
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    stopped.wait(600)
"""


@contextlib.contextmanager
def start_process(work: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """Start a process that runs `work`, and yield it after its start."""
    program = _PROGRAM.format(work=work, before=before)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_stalled_work_is_abandoned(ending: signal.Signals) -> None:
    with start_process(NEVER_ENDS) as process:
        process.send_signal(ending)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")


def test_ending_work_is_awaited() -> None:
    with start_process(ENDS) as process:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "done\n")


def test_signal_may_arrive_in_any_thread() -> None:
    """Send the signal to another thread while the main thread is about to wait."""
    with start_process(HEARS) as process:
        assert process.stdout is not None
        # Read with the same reader: it may have buffered more.
        output = process.stdout.read()
        assert (process.wait(60), output) == (0, "done\n")


def test_second_interrupt_ends_immediately() -> None:
    with start_process(NEVER_ENDS, "shutdown._GRACE = 600") as process:
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")


def test_lines_are_printed_completely() -> None:
    with start_process(PRINTS, "shutdown._PRINTING = 60") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        # Read with the same reader: it may have buffered more.
        output = process.stdout.read()
        assert process.wait(60) == 0
    assert set(output.splitlines(keepends=True)) == {"ab" + "c" * 4096 + "\n"}


def test_stalled_reader_is_not_awaited() -> None:
    with start_process(PRINTS.replace("4096", "4096 * 4096")) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def raise_error(_: threading.Event) -> None:
    raise LookupError("no server")


@pytest.mark.parametrize("early", [False, True])
def test_exception_of_work_is_raised(*, early: bool) -> None:
    with handle_interrupts() as handler:
        if early:
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(LookupError, match="no server"):
            handler.run(raise_error, threading.Lock())


def test_early_interrupt_is_handled() -> None:
    seen: list[bool] = []
    work: Callable[[threading.Event], None] = lambda stopped: seen.append(stopped.wait(60))  # noqa: E731
    with handle_interrupts() as handler:
        signal.raise_signal(signal.SIGINT)
        handler.run(work, threading.Lock())
    assert seen == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
