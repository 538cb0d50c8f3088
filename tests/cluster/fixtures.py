"""Fixtures for tests with a cluster; `tests/conftest.py` exports them. A cluster is started only on demand."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.node import NoNodeError
from tests.cluster.node_cluster import NodeCluster
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


@pytest.fixture(scope="session")
def node_cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[NodeCluster]:
    """A cluster with a node that runs pods, shared by all tests and workers. Skips the test where no node can run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "node-cluster"
    try:
        for running_cluster in run_cluster(folder, has_node=True):
            cluster_with_node = NodeCluster(running_cluster.layout, running_cluster.address)
            yield cluster_with_node
            cluster_with_node.images.close()
    except NoNodeError as error:
        pytest.skip(str(error))


@pytest.fixture
def node_namespace(node_cluster: NodeCluster) -> Iterator[str]:
    """The name of a namespace with the Pod Security Standard `restricted`; its pods end after the test."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    node_cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}])
    yield name
    # The namespace controller removes the objects.
    node_cluster.admin("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a namespace for this test, removed afterwards with all its objects."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
    yield name
    cluster.remove_namespace(name)


def run_cluster(folder: Path, *, has_node: bool = False) -> Iterator[Cluster]:
    """Run the control plane in `folder` for a fixture. Skips the test without Go."""
    try:
        with use_cluster(folder, has_node=has_node) as running_cluster:
            yield running_cluster
    except NoGoError as error:
        assert "CI" not in os.environ, "CI needs go: it builds the control plane"
        pytest.skip(str(error))
