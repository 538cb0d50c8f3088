"""Programs in containers: their files are read in their own root, not at the same paths of the node."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.sources.host.control_plane import collect_control_plane
from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.files import NodeFiles, read_accounts
from kubekeep.sources.host.layout import detect_layout
from kubekeep.sources.host.network import collect_kube_proxy
from kubekeep.sources.host.processes import HostProcess, RunningProcesses, list_processes
from kubekeep.sources.host.root import NodeRoot
from tests.cluster.cluster import eventually
from tests.sources.host import nodes

SCRIPT = """\
mount -t tmpfs none /mnt && cp "$1"/* /mnt && chmod 640 /mnt/* && echo ready && exec -a "$2" bash -s -- "$3"
"""
pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None or shutil.which("bash") is None, reason="needs util-linux and bash"
)


@contextlib.contextmanager
def is_contained(folder: Path, program: str, flag: str) -> Iterator[None]:
    """Run a process with its own PID namespace and root, as in a container, with files at /mnt."""
    words = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount", "bash", "-c", SCRIPT, "bash"]
    with subprocess.Popen(
        [*words, str(folder), program, flag], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        if started.stdout.readline() != "ready\n":
            pytest.skip("this system lets nobody make namespaces")
        yield
        started.communicate()


def node_with(root: NodeRoot, program: str, flag: str) -> HostNode:
    """Return a node with this process, after it has set its name."""

    def find_process() -> HostProcess | None:
        return next(
            (
                process
                for process in list_processes(root).processes
                if process.program == program and flag in process.words
            ),
            None,
        )

    process = eventually(find_process)
    assert process.is_contained
    return HostNode("node-1", NodeFiles(root, read_accounts(root)), RunningProcesses((process,)), detect_layout(root))


def test_file_is_read_in_the_root_of_the_process(tmp_path: Path) -> None:
    nodes.write_file(tmp_path, "/encryption.yaml", nodes.ENCRYPTION)
    program, flag = "kube-apiserver", "--encryption-provider-config=/mnt/encryption.yaml"
    with is_contained(tmp_path, program, flag), NodeRoot.open("/") as root:
        draft = collect_control_plane(node_with(root, program, flag))
        assert not Path("/mnt/encryption.yaml").exists()
    entry = draft.data["APIServerInfo"]["encryptionProviderConfigFile"]
    assert (entry["path"], entry["permissions"]) == ("/mnt/encryption.yaml", 0o640)
    assert json.loads(entry["content"])["resources"][0]["resources"] == ["secrets"]


def test_kubeconfig_without_credentials_is_skipped(tmp_path: Path) -> None:
    nodes.write_file(tmp_path, "/config.conf", nodes.PROXY_CONFIG.replace("/var/lib/kube-proxy", "/mnt"))
    nodes.write_file(tmp_path, "/kubeconfig.conf", "users: [{name: default, user: {tokenFile: /var/run/token}}]\n")
    program, flag = "kube-proxy", "--config=/mnt/config.conf"
    with is_contained(tmp_path, program, flag), NodeRoot.open("/") as root:
        draft, configuration = collect_kube_proxy(node_with(root, program, flag))
    assert isinstance(draft, HostDocument)
    assert "kubeConfigFile" not in draft.data
    assert isinstance(configuration, dict)
    assert configuration["clientConnection"] == {"kubeconfig": "/mnt/kubeconfig.conf"}


def test_container_path_is_not_read_on_the_node(tmp_path: Path) -> None:
    nodes.write_kubeadm(tmp_path)
    flag = "--encryption-provider-config=/etc/kubernetes/encryption.yaml"
    process = HostProcess(pid=7, words=("kube-apiserver", flag), is_contained=True, uid=0, network="")
    with NodeRoot.open(str(tmp_path)) as root:
        (tmp_path / "proc/7").mkdir(parents=True)
        (tmp_path / "proc/7/root").symlink_to(tmp_path)
        document = collect_control_plane(
            HostNode("node-1", NodeFiles(root, read_accounts(root)), RunningProcesses((process,)), detect_layout(root))
        )
    assert "encryptionProviderConfigFile" not in document.data["APIServerInfo"]
    (refusal,) = [gap for gap in document.not_read if gap.field == "APIServerInfo.encryptionProviderConfigFile"]
    assert refusal.why == "files of process 7: /proc is not the process file system"
