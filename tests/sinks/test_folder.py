"""Atomically written folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.sinks.folder import atomic_folder

FILES = {"a/b/c.txt": b"new", "d.txt": b""}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_new_folder_appears_when_complete(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new", FILES) as new_folder:
        assert tree(new_folder) == FILES
        assert not (tmp_path / "new").exists()
    assert tree(tmp_path) == {f"new/{name}": content for name, content in FILES.items()}


def test_existing_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("old")
    (tmp_path / "link").symlink_to("old")
    with atomic_folder(tmp_path / "link", FILES):
        assert tree(tmp_path / "old") == {"mine.txt": b"old"}
    assert tree(tmp_path / "old") == FILES
    assert (tmp_path / "link").is_symlink()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "old"]


def test_failure_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("old")

    def failing(files: dict[str, bytes]) -> None:
        with atomic_folder(tmp_path / "old", files):
            raise KeyboardInterrupt

    for files, error in ((FILES, KeyboardInterrupt), ({"a": b"", "a/b": b""}, OSError)):
        with pytest.raises(error):
            failing(files)
        assert tree(tmp_path) == {"old/mine.txt": b"old"}


def test_failed_replacement_restores_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("old")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.suffix == ".tmp":
            raise OSError("the disk is full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="full"), atomic_folder(tmp_path / "old", FILES):
        pass
    assert tree(tmp_path) == {"old/mine.txt": b"old"}
