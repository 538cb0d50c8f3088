"""Signals while the main thread waits for another one."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def test_signal_of_another_thread_ends_a_wait() -> None:
    """Send SIGTERM and SIGINT to a thread, which leaves the main thread asleep."""
    script = """
        import signal, threading
        from kubekeep.cli.console.signal_wakeup import wake_main_thread
        from kubekeep.sources.signals import exit_on_signals

        def receive():
            for number in (signal.SIGINT, signal.SIGTERM):
                waiting.wait()
                waiting.clear()
                signal.pthread_kill(threading.get_ident(), number)

        wake_main_thread()
        waiting, never = threading.Event(), threading.Lock()
        never.acquire()
        threading.Thread(target=receive).start()
        with exit_on_signals():
            try:
                waiting.set()
                never.acquire()
            except KeyboardInterrupt:
                print("interrupted")
            waiting.set()
            never.acquire()
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.returncode, result.stdout) == (128 + signal.SIGTERM, "interrupted\n")


def test_wakeups_are_no_reason_to_prepare_types_for_threads() -> None:
    """Expect one thread: each scan with others analyses all types of the program first."""
    script = """
        import threading
        from kubekeep.cli.console.signal_wakeup import wake_main_thread

        wake_main_thread()
        print(threading.active_count())
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.returncode, result.stdout) == (0, "1\n")
