"""Programs in containers: their files are those that they see themselves, not what the node has at the same paths."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.sources.host.control_plane import control_plane
from kubekeep.sources.host.files import Files, accounts
from kubekeep.sources.host.layout import layout_of
from kubekeep.sources.host.node import Node
from kubekeep.sources.host.processes import Process, Running, running
from kubekeep.sources.host.root import Root
from tests.cluster.cluster import eventually
from tests.sources.host import nodes

INSIDE = "/mnt/encryption.yaml"
SCRIPT = """\
mount -t tmpfs none /mnt && cp "$1" /mnt/encryption.yaml && chmod 640 /mnt/encryption.yaml && echo ready &&
exec -a kube-apiserver bash -s -- --encryption-provider-config=/mnt/encryption.yaml
"""
pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None or shutil.which("bash") is None, reason="needs util-linux and bash"
)


@contextlib.contextmanager
def contained(file: Path) -> Iterator[None]:
    """A process called kube-apiserver with a PID namespace and a file system of its own, as a container has them."""
    words = [
        "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount",
        "bash",
        "-c",
        SCRIPT,
        "bash",
        str(file),
    ]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        if started.stdout.readline() != "ready\n":
            pytest.skip("this system lets nobody make namespaces")
        yield
        started.communicate()


def found(root: Root) -> Process:
    """The process, as soon as it has taken its name."""
    flag = f"--encryption-provider-config={INSIDE}"
    return eventually(
        lambda: next(
            (item for item in running(root).processes if item.program == "kube-apiserver" and flag in item.words), None
        )
    )


def test_a_file_is_read_where_the_process_sees_it(tmp_path: Path) -> None:
    file = nodes.put(tmp_path, "/encryption.yaml", nodes.ENCRYPTION)
    with contained(file), Root.at("/") as root:
        process = found(root)
        assert process.contained
        node = Node("node-1", Files(root, accounts(root)), Running((process,)), layout_of(root))
        draft = control_plane(node)
        assert not Path(INSIDE).exists()
    entry = draft.data["APIServerInfo"]["encryptionProviderConfigFile"]
    assert (entry["path"], entry["permissions"]) == (INSIDE, 0o640)
    assert json.loads(entry["content"])["resources"][0]["resources"] == ["secrets"]


def test_what_a_process_saw_is_not_looked_for_on_the_node(tmp_path: Path) -> None:
    nodes.kubeadm(tmp_path)
    flag = "--encryption-provider-config=/etc/kubernetes/encryption.yaml"
    process = Process(pid=7, words=("kube-apiserver", flag), contained=True, uid=0, network="")
    with Root.at(str(tmp_path)) as root:
        (tmp_path / "proc/7").mkdir(parents=True)
        (tmp_path / "proc/7/root").symlink_to(tmp_path)
        draft = control_plane(Node("node-1", Files(root, accounts(root)), Running((process,)), layout_of(root)))
    assert "encryptionProviderConfigFile" not in draft.data["APIServerInfo"]
    (refusal,) = [item for item in draft.not_read if item.field == "APIServerInfo.encryptionProviderConfigFile"]
    assert refusal.why == "the files of process 7: what stands at /proc is not the process file system"
