"""What every test can ask for, wherever it is."""

from __future__ import annotations

import signal

pytest_plugins = ["tests.cluster.fixtures", "tests.images.access_fixtures", "tests.sources.cloud.fixtures"]


def pytest_configure() -> None:
    """Let interrupts interrupt, also where a shell runs the tests in the background and so has them ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
