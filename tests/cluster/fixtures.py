"""The fixtures of tests that talk to a cluster; `tests/conftest.py` gives them to all. Never start one before it is asked for."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.supervisor import used
from tests.oracles.program import NoGoError


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Cluster]:
    """The control plane that all tests of this run share, from all workers. Skips the test where there is no Go."""
    base = tmp_path_factory.getbasetemp()
    yield from started((base if worker_id == "master" else base.parent) / "cluster")


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A control plane for a test that does to it what others would not survive."""
    yield from started(tmp_path / "cluster")


@pytest.fixture(scope="module")
def module_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane for the tests of one module, for who looks at all of a cluster: nothing changes but by them."""
    yield from started(tmp_path_factory.mktemp("module") / "cluster")


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a namespace of the test's own, which goes afterwards with all that is in it."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
    yield name
    cluster.remove_namespace(name)


def started(folder: Path) -> Iterator[Cluster]:
    """The control plane in `folder`, as a fixture yields it. Skips the test where there is no Go."""
    try:
        with used(folder) as found:
            yield found
    except NoGoError as error:
        assert "CI" not in os.environ, "CI needs go: it builds the control plane"
        pytest.skip(str(error))
