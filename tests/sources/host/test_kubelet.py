"""Configuration of a kubelet with a folder of drop-in files. Real files, and a real process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sources.host.nodes import write_file
from tests.sources.host.test_collect import collect_kubelet, get_reasons


def test_drop_in_files_override_the_file(tmp_path: Path) -> None:
    write_file(
        tmp_path,
        "/config",
        "kind: KubeletConfiguration\nreadOnlyPort: 10255\nauthentication: {anonymous: {enabled: false}}\n",
    )
    write_file(tmp_path, "/more/20-b.conf", "kind: KubeletConfiguration\nreadOnlyPort: 0\nmaxPods: 20\n")
    write_file(
        tmp_path,
        "/more/10-a.conf",
        "kind: KubeletConfiguration\nreadOnlyPort: 1\nauthentication: {webhook: {enabled: true}}\n",
    )
    write_file(tmp_path, "/more/README", "none of it")
    document = collect_kubelet(tmp_path, "--config=/config", "--config-dir=/more")["data"]["configFile"]
    assert json.loads(document["content"]) == {
        "kind": "KubeletConfiguration",
        "readOnlyPort": 0,
        "maxPods": 20,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}},
    }
    assert document["path"] == "/config"


def test_folder_without_file_is_a_configuration(tmp_path: Path) -> None:
    write_file(tmp_path, "/more/00-k3s.conf", "kind: KubeletConfiguration\nreadOnlyPort: 0\n")
    document = collect_kubelet(tmp_path, "--config-dir=/more")["data"]["configFile"]
    assert json.loads(document["content"])["readOnlyPort"] == 0


def test_files_in_subfolders_are_merged(tmp_path: Path) -> None:
    texts = {
        "00-defaults.conf": "authentication: {anonymous: {enabled: false}}",
        "20-cli/10-a.conf": "authentication: {anonymous: {enabled: true}}\nmaxPods: 1",
        "20-cli/deep/x.conf": "readOnlyPort: 10255",
        "20-cli.conf": "maxPods: 2",
        "20-cli/old.conf.bak": "maxPods: 3",
    }
    for name, text in texts.items():
        write_file(tmp_path, f"/more/{name}", f"kind: KubeletConfiguration\n{text}\n", 0o640)
    write_file(tmp_path, "/other/z.conf", "kind: KubeletConfiguration\nmaxPods: 4\n")
    (tmp_path / "more/30-link").symlink_to("/other")
    document = collect_kubelet(tmp_path, "--config-dir=/more")["data"]
    assert json.loads(document["configFile"]["content"]) == {
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}},
        "readOnlyPort": 10255,
        "maxPods": 2,
    }
    assert {entry["path"]: entry["permissions"] for entry in document["dropInFiles"]} == {
        f"/more/{name}": 0o640 for name in texts if name.endswith(".conf")
    }


@pytest.mark.parametrize(("folder", "port"), [("/link", 10255), ("/link/", 0)])
def test_linked_folder_is_empty_as_for_the_kubelet(tmp_path: Path, folder: str, port: int) -> None:
    write_file(tmp_path, "/config", "kind: KubeletConfiguration\nreadOnlyPort: 10255\n")
    write_file(tmp_path, "/other/a.conf", "kind: KubeletConfiguration\nreadOnlyPort: 0\n")
    (tmp_path / "link").symlink_to("/other")
    document = collect_kubelet(tmp_path, "--config=/config", f"--config-dir={folder}")["data"]["configFile"]
    assert json.loads(document["content"])["readOnlyPort"] == port


@pytest.mark.parametrize(
    ("files", "why", "path"),
    [
        (["a/b/c/d/e/f/g/h/i/x.conf"], "nested too deeply", "/more/a/b/c/d/e/f/g/h/i"),
        ([f"{number}.conf" for number in range(201)], "more than 200 files", "/more"),
    ],
)
def test_partly_unreadable_folder_has_no_content(tmp_path: Path, files: list[str], why: str, path: str) -> None:
    for name in files:
        write_file(tmp_path, f"/more/{name}", "kind: KubeletConfiguration\n")
    write_file(tmp_path, "/config", "kind: KubeletConfiguration\nreadOnlyPort: 0\n")
    document = collect_kubelet(tmp_path, "--config=/config", "--config-dir=/more")
    assert "content" not in document["data"]["configFile"]
    for field in ("configFile.content", "dropInFiles"):
        assert {"field": field, "why": why, "path": path} in document["notRead"]


def test_relative_folder_is_reported(tmp_path: Path) -> None:
    write_file(tmp_path, "/config", "kind: KubeletConfiguration\nreadOnlyPort: 0\n")
    document = collect_kubelet(tmp_path, "--config=/config", "--config-dir=more")
    assert "content" not in document["data"]["configFile"]
    assert get_reasons(document)["configFile.content"].startswith("the path is relative to")


@pytest.mark.parametrize("folder", ["/none", "/empty"])
def test_empty_folder_is_no_configuration(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    document = collect_kubelet(tmp_path, f"--config-dir={folder}")
    assert "configFile" not in document["data"]
    assert "configFile.content" in get_reasons(document)


def test_missing_folder_keeps_the_file(tmp_path: Path) -> None:
    write_file(tmp_path, "/config", "kind: KubeletConfiguration\nreadOnlyPort: 0\n")
    document = collect_kubelet(tmp_path, "--config=/config", "--config-dir=/none")["data"]["configFile"]
    assert json.loads(document["content"])["readOnlyPort"] == 0


def test_partly_read_configuration_has_no_content(tmp_path: Path) -> None:
    write_file(tmp_path, "/config", "kind: KubeletConfiguration\nreadOnlyPort: 0\n")
    write_file(tmp_path, "/more/10-a.conf", "]")
    document = collect_kubelet(tmp_path, "--config=/config", "--config-dir=/more")
    assert "content" not in document["data"]["configFile"]
    assert get_reasons(document)["configFile.content"] == "not valid YAML"
