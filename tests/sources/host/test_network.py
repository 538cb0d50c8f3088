"""Files of network plugins with various contents and locations. Real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.sources.host.collect import collect
from tests.sources.host import nodes
from tests.sources.host.nodes import write_file
from tests.sources.host.test_collect import get_document

FOLDER = "/etc/cni/net.d"


def collect_network(root: Path) -> dict[str, Any]:
    nodes.write_system(root)
    return get_document(collect(str(root)), "CNIInfo")


def test_all_files_of_the_folder_are_listed(tmp_path: Path) -> None:
    write_file(tmp_path, f"{FOLDER}/10-calico.conflist", json.dumps({"plugins": [{"type": "calico"}]}))
    write_file(tmp_path, f"{FOLDER}/calico-kubeconfig", nodes.KUBECONFIG, 0o644)
    write_file(tmp_path, f"{FOLDER}/multus.d/multus.kubeconfig", nodes.KUBECONFIG, 0o640)
    write_file(tmp_path, f"{FOLDER}/00-old/00-flannel.conf", json.dumps({"type": "flannel"}))
    document = collect_network(tmp_path)
    assert {entry["path"]: entry["permissions"] for entry in document["data"]["CNIConfigFiles"]} == {
        f"{FOLDER}/00-old/00-flannel.conf": 0o600,
        f"{FOLDER}/10-calico.conflist": 0o600,
        f"{FOLDER}/calico-kubeconfig": 0o644,
        f"{FOLDER}/multus.d/multus.kubeconfig": 0o640,
    }
    assert document["data"]["CNINames"] == ["calico"], "runtimes ignore subfolders"
    assert "notRead" not in document
    assert nodes.HIDDEN not in json.dumps(document)


def test_too_deep_plugin_folder_is_reported(tmp_path: Path) -> None:
    write_file(tmp_path, f"{FOLDER}/10-calico.conflist", json.dumps({"plugins": [{"type": "calico"}]}))
    write_file(tmp_path, f"{FOLDER}/1/2/3/4/5/token", nodes.HIDDEN)
    assert collect_network(tmp_path)["notRead"] == [
        {"field": "CNIConfigFiles", "path": f"{FOLDER}/1/2/3/4/5", "why": "nested too deeply"}
    ]


def test_too_many_files_are_reported(tmp_path: Path) -> None:
    write_file(tmp_path, f"{FOLDER}/10-calico.conflist", json.dumps({"plugins": [{"type": "calico"}]}))
    for number in range(2000):
        (tmp_path / FOLDER.lstrip("/") / str(number)).touch()
    document = collect_network(tmp_path)
    assert "CNIConfigFiles" not in document["data"]
    assert document["notRead"] == [{"field": "CNIConfigFiles", "path": FOLDER, "why": "more than 2000 files"}]


@pytest.mark.parametrize("text", ['{"plugins": null}', '{"plugins": 7}', '{"plugins": "flannel"}', "[]", "7"])
def test_configuration_without_plugins_is_reported(tmp_path: Path, text: str) -> None:
    write_file(tmp_path, f"{FOLDER}/00-a.conflist", text)
    write_file(tmp_path, f"{FOLDER}/10-flannel.conflist", json.dumps({"plugins": [{"type": "flannel"}]}))
    document = collect_network(tmp_path)
    assert "CNINames" not in document["data"]
    assert document["notRead"] == [{"field": "CNINames", "why": "a CNI configuration file has no list of plugins"}]
    assert len(document["data"]["CNIConfigFiles"]) == 2


@pytest.mark.parametrize("address", ["ABC:0016", "0100007F00:0016", f"{'0' * 40}:0016"])
def test_malformed_port_rows_are_ignored(tmp_path: Path, address: str) -> None:
    nodes.write_system(tmp_path)
    rows = [f"   0: {socket_address} 00000000:0000 0A 0\n" for socket_address in (address, "0100007F:0016")]
    write_file(tmp_path, "/proc/1/net/tcp", "".join(["head\n", *rows]))
    (port,) = get_document(collect(str(tmp_path)), "OpenPortsList")["data"]["tcpPorts"]
    assert port["localPort"] == 22
