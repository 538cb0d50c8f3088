"""`kubekeep host collect` on a node. Real processes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_scan import BAD, kubekeep
from tests.sources.host import nodes


def node(root: Path) -> Path:
    nodes.write_kubeadm(root)
    with nodes.run_programs(nodes.PROGRAMS) as pids:
        nodes.write_kernel_data(root, pids)
    return root


def test_host_file_is_scanned(tmp_path: Path) -> None:
    root, file = node(tmp_path / "node"), tmp_path / "node-1.json"
    result = kubekeep("host", "collect", "--root", root, "-o", file)
    assert result.returncode == 0
    assert result.stdout == ""
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["not read"]
    assert json.loads(file.read_text(encoding="utf-8"))["kind"] == "List"
    scan_result = kubekeep("scan", "control", "C-0112", file, "--view", "file")
    assert "/etc/kubernetes/pki/sa.key: mode is 644, expected 600 or stricter" in " ".join(scan_result.stdout.split())


def test_host_documents_are_written_to_a_pipe(tmp_path: Path) -> None:
    root = node(tmp_path)
    collected = kubekeep("host", "collect", "--root", root, "--node-name", "worker-7")
    assert collected.stdout.startswith('apiVersion: "v1"\nkind: "List"\n')
    scan_result = kubekeep("scan", "control", "C-0070", "-", "-f", "json", stdin=collected.stdout.encode())
    (resource,) = json.loads(scan_result.stdout)["resources"]
    assert (resource["object"]["kind"], resource["object"]["metadata"]["name"]) == ("KubeletInfo", "worker-7")


def test_unread_files_are_reported_without_control_characters(tmp_path: Path) -> None:
    nodes.write_system(tmp_path)
    with nodes.run_programs({nodes.KUBELET: ["--kubeconfig=/a\x1b[31mb"]}) as pids:
        nodes.write_kernel_data(tmp_path, pids)
    result = kubekeep("host", "collect", "--root", tmp_path)
    assert result.returncode == 0
    assert r"not read: KubeletInfo kubeConfigFile: /a\x1b[31mb: no such file" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def test_missing_kubelet_exits_with_3(tmp_path: Path) -> None:
    nodes.write_system(tmp_path)
    result = kubekeep("host", "collect", "--root", tmp_path)
    assert result.returncode == 3
    assert "no kubelet found" in result.stderr
    assert "KernelVersion" in result.stdout


def test_unknown_node_name_is_an_error(tmp_path: Path) -> None:
    result = kubekeep("host", "collect", "--root", tmp_path)
    assert result.returncode == 2
    assert "the name of the node is unknown: set it with --node-name" in result.stderr


def test_unwritable_file_is_an_error(tmp_path: Path) -> None:
    result = kubekeep("host", "collect", "--root", node(tmp_path), "-o", tmp_path / "none" / "node.yaml")
    assert result.returncode == 3
    assert "No such file or directory" in result.stderr


def test_scan_without_host_data_names_host_collect() -> None:
    output = kubekeep("scan", "framework", "allcontrols", BAD, "--view", "all").stdout
    assert "add ControlPlaneInfo, or collect it with kubekeep host collect" in " ".join(output.split())
