"""`scripts/cluster up --node`: what it says where no node can run, and what is left of a node that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import supervisor
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.layout import Layout
from tests.cluster.node_cluster import NodeCluster
from tests.cluster.slots import SLOTS_FOLDER
from tests.node.workloads import container, pod, pod_spec

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "tests.cluster")


def run_command(*arguments: str | Path, prefix: tuple[str, ...] = (), **variables: str) -> tuple[int, str]:
    """Return the exit code and the output of `scripts/cluster` without its setup."""
    done = subprocess.run(
        [*prefix, *PROGRAM, *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces are a feature of Linux")
def test_node_needs_root(tmp_path: Path) -> None:
    user = ("unshare", "--user", "--map-user=1000")
    if subprocess.run([*user, "true"], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed")
    code, output = run_command("up", "--node", "--dir", tmp_path / "cluster", prefix=user)
    assert (code, output) == (1, "cluster: a node cannot run here: it needs root\n")


def test_missing_programs_are_named(node_cluster: NodeCluster, tmp_path: Path) -> None:
    assert node_cluster.registry
    code, output = run_command("up", "--node", "--dir", tmp_path / "cluster", PATH=str(tmp_path))
    assert code == 1
    assert output.startswith("cluster: a node cannot run here: these programs are not installed: containerd, ")


@pytest.fixture
def own_folder(node_cluster: NodeCluster, tmp_path: Path) -> Iterator[Path]:
    """The folder of a second cluster with a node, started by the command."""
    assert node_cluster.registry
    folder = tmp_path / "cluster"
    code, output = run_command("up", "--node", "--dir", folder)
    assert code == 0, output
    assert "the node is ready; registry: " in output
    assert f"export KUBECONFIG={folder}/kubeconfig" in output
    yield folder
    run_command("down", "--dir", folder)


def find_record(folder: Path) -> Path:
    """Return the record of the slot of the node in a folder."""
    address = Cluster.at(folder).address
    (record,) = (
        record
        for record in SLOTS_FOLDER.iterdir()
        if record.read_text() and address.startswith(f"https://198.18.{4 * int(record.name)}.")
    )
    return record


def test_killed_node_leaves_nothing_after_down(node_cluster: NodeCluster, own_folder: Path) -> None:
    cluster = NodeCluster(Layout(own_folder), Cluster.at(own_folder).address)
    cluster.apply([pod("default", "waits", pod_spec(container("waits", f"{cluster.registry}/cluster/pause:1")))])
    cluster.wait_for_pods("default", 1)
    assert cluster.registry != node_cluster.registry
    record, process = find_record(own_folder), supervisor.pid(own_folder)
    groups = [Path(line) for line in record.read_text().splitlines()]
    device = Path(f"/sys/class/net/kubekeep{record.name}")
    assert all(group.is_dir() for group in groups)
    assert process is not None
    os.kill(process, signal.SIGKILL)
    eventually(lambda: supervisor.pid(own_folder) is None)
    # The container goes on, as it is no child of the supervisor.
    assert any(group.is_dir() for group in groups)
    code, output = run_command("down", "--dir", own_folder)
    assert (code, output) == (0, "it did not run any more; what it had left is removed\n")
    assert not any(group.exists() for group in groups)
    assert not device.exists()
    assert not own_folder.exists()
    assert record.read_text() == ""
    (node,) = node_cluster.admin("GET", "/api/v1/nodes")["items"]
    assert {"Ready"} <= {entry["type"] for entry in node["status"]["conditions"] if entry["status"] == "True"}
    assert run_command("status", "--dir", node_cluster.layout.folder)[0] == 0


def test_ended_node_leaves_nothing(own_folder: Path) -> None:
    record = find_record(own_folder)
    groups = [Path(line) for line in record.read_text().splitlines()]
    assert run_command("down", "--dir", own_folder) == (0, "ended\n")
    assert not any(group.exists() for group in groups)
    assert not Path(f"/sys/class/net/kubekeep{record.name}").exists()
    assert not own_folder.exists()
