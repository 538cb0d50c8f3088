"""The files of network plugins, whatever they hold and wherever they are. Real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kubekeep.sources.host.collect import collect
from tests.sources.host import nodes
from tests.sources.host.nodes import put
from tests.sources.host.test_collect import of

FOLDER = "/etc/cni/net.d"


def cni(root: Path) -> dict[str, Any]:
    nodes.system(root)
    return of(collect(str(root)), "CNIInfo")


def test_every_file_of_the_folder_is_told(tmp_path: Path) -> None:
    put(tmp_path, f"{FOLDER}/10-calico.conflist", json.dumps({"plugins": [{"type": "calico"}]}))
    put(tmp_path, f"{FOLDER}/calico-kubeconfig", nodes.KUBECONFIG, 0o644)
    put(tmp_path, f"{FOLDER}/multus.d/multus.kubeconfig", nodes.KUBECONFIG, 0o640)
    put(tmp_path, f"{FOLDER}/00-old/00-flannel.conf", json.dumps({"type": "flannel"}))
    found = cni(tmp_path)
    assert {entry["path"]: entry["permissions"] for entry in found["data"]["CNIConfigFiles"]} == {
        f"{FOLDER}/00-old/00-flannel.conf": 0o600,
        f"{FOLDER}/10-calico.conflist": 0o600,
        f"{FOLDER}/calico-kubeconfig": 0o644,
        f"{FOLDER}/multus.d/multus.kubeconfig": 0o640,
    }
    assert found["data"]["CNINames"] == ["calico"], "runtimes look into no folder below"
    assert "notRead" not in found
    assert nodes.HIDDEN not in json.dumps(found)


def test_a_folder_of_plugins_that_is_too_deep_is_said(tmp_path: Path) -> None:
    put(tmp_path, f"{FOLDER}/10-calico.conflist", json.dumps({"plugins": [{"type": "calico"}]}))
    put(tmp_path, f"{FOLDER}/1/2/3/4/5/token", nodes.HIDDEN)
    assert cni(tmp_path)["notRead"] == [
        {"field": "CNIConfigFiles", "path": f"{FOLDER}/1/2/3/4/5", "why": "it is too deep"}
    ]


def test_a_folder_with_too_many_files_is_said(tmp_path: Path) -> None:
    put(tmp_path, f"{FOLDER}/10-calico.conflist", json.dumps({"plugins": [{"type": "calico"}]}))
    for number in range(2000):
        (tmp_path / FOLDER.lstrip("/") / str(number)).touch()
    found = cni(tmp_path)
    assert "CNIConfigFiles" not in found["data"]
    assert found["notRead"] == [{"field": "CNIConfigFiles", "path": FOLDER, "why": "there are more than 2000 files"}]
