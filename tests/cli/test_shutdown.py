"""What runs until somebody ends it: asked to end, left behind if it does not, and no line is half printed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from kubekeep.cli.shutdown import handle_interrupts

_PROGRAM = """
import signal, sys, threading, time
from kubekeep.cli import shutdown as endings
printing = threading.Lock()
def work(stopped):
    print("begun", flush=True)
{work}
{before}
with endings.handle_interrupts() as found:
    found.run(work, printing)
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
def begun(work: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that works."""
    program = _PROGRAM.format(work=work, before=before)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_work_that_does_not_end_is_left_behind(ending: signal.Signals) -> None:
    with begun(NEVER_ENDS) as process:
        process.send_signal(ending)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")


def test_work_that_ends_is_waited_for() -> None:
    with begun(ENDS) as process:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "done\n")


def test_a_signal_may_come_to_any_thread() -> None:
    """As it may to the main thread when that is about to wait."""
    with begun(HEARS) as process:
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "done\n")


def test_a_second_interrupt_ends_at_once() -> None:
    with begun(NEVER_ENDS, "endings._GRACE = 600") as process:
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")


def test_no_line_is_half_printed() -> None:
    with begun(PRINTS, "endings._PRINTING = 60") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        # By the same reader, who may have read ahead.
        output = process.stdout.read()
        assert process.wait(60) == 0
    assert set(output.splitlines(keepends=True)) == {"ab" + "c" * 4096 + "\n"}


def test_a_line_that_nobody_reads_is_not_waited_for() -> None:
    with begun(PRINTS.replace("4096", "4096 * 4096")) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def raising(_: threading.Event) -> None:
    raise LookupError("nobody there")


@pytest.mark.parametrize("early", [False, True])
def test_what_work_raises_is_raised(*, early: bool) -> None:
    with handle_interrupts() as endings:
        if early:
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(LookupError, match="nobody there"):
            endings.run(raising, threading.Lock())


def test_who_has_ended_it_before_it_begins_is_obeyed() -> None:
    seen: list[bool] = []
    work: Callable[[threading.Event], None] = lambda stopped: seen.append(stopped.wait(60))  # noqa: E731
    with handle_interrupts() as endings:
        signal.raise_signal(signal.SIGINT)
        endings.run(work, threading.Lock())
    assert seen == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
