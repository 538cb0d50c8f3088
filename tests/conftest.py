"""What every test can ask for, wherever it is."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.stages import QUICK, STAGES, find_stage

pytest_plugins = [
    "tests.cluster.fixtures",
    "tests.images.access_fixtures",
    "tests.oracles.plugin",
    "tests.selection.plugin",
    "tests.sources.cloud.fixtures",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for one of the two stages of CI."""
    parser.addoption("--stage", choices=STAGES, help="run the tests of one stage of CI; without it, all tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of the other stage."""
    stage = config.getoption("stage")
    if stage is None or collection_path.is_dir():
        return None
    return True if find_stage(collection_path) != stage else None


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    """Start three workers for two processors, except for the quick stage: a third of the time, tests wait for programs."""
    count = yield
    return count if config.getoption("stage") == QUICK else count * 3 // 2


def pytest_configure() -> None:
    """Enable interrupts, which a shell in the background ignores, and leave out the trusted root of the developer."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A trusted root that the developer has updated must not decide about the signatures of tests.
    os.environ["KUBEKEEP_TRUST"] = "/nonexistent/kubekeep/trust"
    # Machines are shared: the time that an example takes says nothing about the code.
    settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("shared machine")
