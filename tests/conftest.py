"""What every test can ask for, wherever it is."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.cluster.fixtures", "tests.images.access_fixtures", "tests.sources.cloud.fixtures"]


def pytest_configure() -> None:
    """Enable interrupts, which a shell in the background ignores, and leave out the trusted root of the developer."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A trusted root that the developer has updated must not decide about the signatures of tests.
    os.environ["KUBEKEEP_TRUST"] = "/nonexistent/kubekeep/trust"
    # Machines are shared: the time that an example takes says nothing about the code.
    settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("shared machine")
