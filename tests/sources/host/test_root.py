"""Files below a hostile root: nothing outside is read, nothing blocks, and everything is limited."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.sources.host.root import HostReadError, MissingFileError, NodeRoot
from tests.sources.host.nodes import write_file

LIMIT = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A root next to a secret file."""
    (tmp_path / "outside").write_text("outside", encoding="utf-8")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").write_text("inside", encoding="utf-8")
    return root


@pytest.fixture
def root(folder: Path) -> Iterator[NodeRoot]:
    with NodeRoot.open(str(folder)) as opened:
        yield opened


@pytest.mark.parametrize(
    "target", ["/etc/hostname", "../etc/hostname", "../../../../../etc/hostname", "/../etc/hostname"]
)
def test_links_end_below_the_root(folder: Path, root: NodeRoot, target: str) -> None:
    (folder / "var").mkdir()
    (folder / "var/link").symlink_to(target)
    assert root.read_text("/var/link", LIMIT) == "inside"


@pytest.mark.parametrize("path", ["/../outside", "/etc/../../outside", "/link", "/folder/outside"])
def test_links_cannot_leave_the_root(folder: Path, root: NodeRoot, path: str) -> None:
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "folder").symlink_to("..")
    with pytest.raises(MissingFileError):
        root.read_text(path, LIMIT)
    with pytest.raises(MissingFileError):
        root.get_status(path)


def test_links_to_folders_are_followed_on_the_way(folder: Path, root: NodeRoot) -> None:
    (folder / "usr").symlink_to("/etc")
    assert root.read_text("/usr/hostname", LIMIT) == "inside"
    assert root.list_names("/usr") == ["hostname"]
    assert root.get_status("/usr").is_folder
    assert root.read_link("/usr") == "/etc"


def test_cyclic_links_end(folder: Path, root: NodeRoot) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(HostReadError, match="too many levels of symbolic links"):
        root.get_status("/a")


def test_pipe_does_not_block(folder: Path, root: NodeRoot) -> None:
    os.mkfifo(folder / "pipe")
    assert not root.get_status("/pipe").is_folder
    with pytest.raises(HostReadError, match="not a regular file"):
        root.read_text("/pipe", LIMIT)


def test_device_is_not_opened(root: NodeRoot) -> None:
    with NodeRoot.open("/") as system, pytest.raises(HostReadError, match="not a regular file"):
        system.read_text("/dev/zero", LIMIT)
    with pytest.raises(HostReadError, match="not a regular file"):
        root.read_text("/etc", LIMIT)


def test_large_file_is_rejected(folder: Path, root: NodeRoot) -> None:
    with (folder / "large").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(HostReadError, match="larger than 1000 bytes"):
        root.read_text("/large", LIMIT)


def test_lines_are_limited(folder: Path, root: NodeRoot) -> None:
    (folder / "log").write_bytes(b"one\ntw\xff\n" + b"x" * LIMIT)
    lines = root.read_lines("/log", LIMIT)
    assert [next(lines), next(lines)] == ["one\n", "tw\ufffd\n"]
    with pytest.raises(HostReadError, match="larger than 1000 bytes"):
        next(lines)
    os.mkfifo(folder / "pipe")
    with pytest.raises(HostReadError, match="not a regular file"):
        next(root.read_lines("/pipe", LIMIT))


def test_folder_descriptor_stays_below_the_root(folder: Path, root: NodeRoot) -> None:
    with root.open_folder("/etc") as descriptor:
        assert [entry.name for entry in Path(f"/proc/self/fd/{descriptor}").iterdir()] == ["hostname"]
    (folder / "out").symlink_to(folder.parent)
    with pytest.raises(MissingFileError), root.open_folder("/out"):
        pass
    with pytest.raises(MissingFileError), root.open_folder("/etc/hostname"):
        pass


def test_file_without_length_is_read() -> None:
    with NodeRoot.open("/") as system:
        assert system.read_text("/proc/version", LIMIT).startswith("Linux version")


def test_path_with_nul_is_missing(root: NodeRoot) -> None:
    with pytest.raises(MissingFileError):
        root.get_status("/etc/host\0name")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_denied_access_is_reported(folder: Path, root: NodeRoot) -> None:
    (folder / "etc").chmod(0)
    try:
        with pytest.raises(HostReadError, match="permission denied"):
            root.read_text("/etc/hostname", LIMIT)
    finally:
        (folder / "etc").chmod(0o700)


def test_list_files_follows_no_links(folder: Path, root: NodeRoot) -> None:
    (folder / "etc/pki/etcd").mkdir(parents=True)
    (folder / "etc/pki/etcd/ca.key").touch()
    (folder / "etc/pki/ca.crt").touch()
    (folder / "etc/pki/loop").symlink_to("..")
    expected = ["/etc/pki/ca.crt", "/etc/pki/etcd/ca.key", "/etc/pki/loop"]
    assert root.list_files("/etc/pki", 3) == (expected, {})
    assert root.list_files("/etc/pki", 0) == (
        ["/etc/pki/ca.crt", "/etc/pki/loop"],
        {"/etc/pki/etcd": "nested too deeply"},
    )


def test_files_are_in_the_order_of_go(folder: Path, root: NodeRoot) -> None:
    for name in ("b/2.conf", "b/1.conf", "b-c.conf", "a.conf", "b.d/x.conf"):
        write_file(folder, f"/conf/{name}", "")
    expected = ["a.conf", "b/1.conf", "b/2.conf", "b-c.conf", "b.d/x.conf"]
    assert root.list_files("/conf", 1)[0] == [f"/conf/{name}" for name in expected]


def test_too_many_files_are_rejected(folder: Path, root: NodeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1", "a/2", "b/1", "b/2"):
        write_file(folder, f"/conf/{name}", "")
    assert len(root.list_files("/conf", 1)[0]) == 4
    monkeypatch.setattr("kubekeep.sources.host.root._MOST_ENTRIES", 5)
    with pytest.raises(HostReadError, match="more than 5 entries"):
        root.list_files("/conf", 1)


def test_process_root_is_opened(folder: Path) -> None:
    with NodeRoot.open("/") as system, system.open_process_root(os.getpid()) as process_root:
        assert process_root.read_text(str(folder / "etc/hostname"), LIMIT) == "inside"


def test_fake_proc_is_rejected(folder: Path, root: NodeRoot) -> None:
    (folder / "proc/7").mkdir(parents=True)
    (folder / "proc/7/root").symlink_to(folder.parent)
    with pytest.raises(HostReadError, match="not the process file system"):
        root.open_process_root(7)


def test_no_descriptor_is_leaked(folder: Path) -> None:
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    with NodeRoot.open(str(folder)) as root:
        looks = (
            root.get_status,
            lambda path: root.read_text(path, LIMIT),
            lambda path: list(root.read_lines(path, LIMIT)),
        )
        for path in ("/etc/hostname", "/etc/none", "/none/none", "/etc/../.."):
            for look in (*looks, root.list_names, root.read_link):
                try:
                    look(path)
                except HostReadError:
                    continue
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files
