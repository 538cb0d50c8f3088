"""Fixtures for tests with a cluster; `tests/conftest.py` exports them. A cluster is started only on demand."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.supervisor import use_cluster
from tests.oracles.program import NoGoError


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Cluster]:
    """The control plane shared by all tests and workers of this run. Skips the test without Go."""
    base = tmp_path_factory.getbasetemp()
    yield from run_cluster((base if worker_id == "master" else base.parent) / "cluster")


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A control plane for a single test with destructive changes."""
    yield from run_cluster(tmp_path / "cluster")


@pytest.fixture(scope="module")
def module_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane for the tests of one module that depend on the whole state of the cluster."""
    yield from run_cluster(tmp_path_factory.mktemp("module") / "cluster")


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a namespace for this test, removed afterwards with all its objects."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
    yield name
    cluster.remove_namespace(name)


def run_cluster(folder: Path) -> Iterator[Cluster]:
    """Run the control plane in `folder` for a fixture. Skips the test without Go."""
    try:
        with use_cluster(folder) as running_cluster:
            yield running_cluster
    except NoGoError as error:
        assert "CI" not in os.environ, "CI needs go: it builds the control plane"
        pytest.skip(str(error))
