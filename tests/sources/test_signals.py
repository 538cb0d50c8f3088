"""Exit on signals: immediately, but never between steps that belong together."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    """Run a process, and return its output and exit code."""
    imports = "import os, signal, threading\nfrom kubekeep.sources.signals import exit_on_signals, defer_signals\n"
    return subprocess.run(
        [sys.executable, "-c", imports + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_signal_exits_in_order() -> None:
    result = run_script("""
        with exit_on_signals():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                print("not reached")
            finally:
                print("in order")
    """)
    assert (result.returncode, result.stdout) == (128 + signal.SIGTERM, "in order\n")


def test_deferred_signal_is_delivered_after_the_steps() -> None:
    result = run_script("""
        with exit_on_signals():
            with defer_signals():
                os.kill(os.getpid(), signal.SIGTERM)
                with defer_signals():
                    print("both steps")
                print("done")
            print("not reached")
    """)
    assert (result.returncode, result.stdout) == (128 + signal.SIGTERM, "both steps\ndone\n")


def test_error_in_the_steps_does_not_lose_the_signal() -> None:
    result = run_script("""
        with exit_on_signals():
            try:
                with defer_signals():
                    os.kill(os.getpid(), signal.SIGTERM)
                    raise OSError
            except OSError:
                pass
            os.kill(os.getpid(), signal.SIGHUP)
    """)
    assert result.returncode == 128 + signal.SIGTERM


def test_other_threads_do_not_defer_signals() -> None:
    result = run_script("""
        entered, go = threading.Event(), threading.Event()
        def defer_in_thread():
            with defer_signals():
                entered.set()
                go.wait(30)
        thread = threading.Thread(target=defer_in_thread)
        thread.start()
        entered.wait(30)
        with exit_on_signals():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                print("not reached")
            finally:
                go.set()
    """)
    assert (result.returncode, result.stdout) == (128 + signal.SIGTERM, "")
