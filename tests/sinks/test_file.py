"""Atomically written files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.sinks.file import atomic, atomic_bytes


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def write_half(target: Path, error: type[BaseException]) -> None:
    with atomic(target) as stream:
        stream.write("half")
        raise error


def test_new_file_appears_when_complete(tmp_path: Path, umask: int) -> None:
    target = tmp_path / "report.json"
    with atomic(target) as stream:
        stream.write("数据\n")
        assert not target.exists()
    assert target.read_bytes() == "数据\n".encode()
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask
    assert names(tmp_path) == ["report.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_keeps_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(error):
        write_half(target, error)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["report.json"]


def test_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    target.chmod(0o640)
    with atomic(target) as stream:
        stream.write("new")
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o640)


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "report.json"
    target.write_text("old")
    link = tmp_path / "latest.json"
    link.symlink_to(target)
    with atomic(link) as stream:
        stream.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_devices_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    with atomic(Path("/dev/null")) as stream:
        stream.write("gone")
    assert Path("/dev/null").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with atomic(pipe) as stream:
        stream.write("through")
    reader.join()
    assert read == ["through"]
    assert pipe.is_fifo()


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "none" / "report.json"):
        pass
    with pytest.raises(IsADirectoryError), atomic(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change owners")
def test_owner_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("before")
    os.chown(target, 1234, 1235)
    target.chmod(0o640)
    with atomic(target) as stream:
        stream.write("after")
    status = target.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 1235, 0o640)


def test_bytes_are_unchanged(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    with atomic_bytes(target) as stream:
        stream.write(b"%PDF\r\n\xff\x00")
        assert not target.exists()
    assert target.read_bytes() == b"%PDF\r\n\xff\x00"
    assert names(tmp_path) == ["report.pdf"]
