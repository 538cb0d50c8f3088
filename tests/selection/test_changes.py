"""Changed files of a repository: committed, staged, new and deleted ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.selection.changes import UnknownCommitError, has_changes, list_changed_files, read_head


def run_git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@kubekeep.example")
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    run_git(tmp_path, "init", "--quiet")
    for name in ("kept", "changed", "moved", "deleted"):
        (tmp_path / f"{name}.py").write_text(f"{name} = 1\n")
    (tmp_path / ".gitignore").write_text("ignored\n")
    run_git(tmp_path, "add", ".")
    run_git(tmp_path, "commit", "--quiet", "--message", "base")
    return tmp_path


def test_changes_since_a_commit(repository: Path) -> None:
    base = read_head(repository)
    assert list_changed_files(repository, base) == []
    assert not has_changes(repository)
    (repository / "changed.py").write_text("changed = 2\n")
    run_git(repository, "mv", "moved.py", "new name.py")
    run_git(repository, "commit", "--quiet", "--all", "--message", "change")
    (repository / "deleted.py").unlink()
    (repository / "ü\n.py").touch()
    (repository / "ignored").touch()
    expected = ["changed.py", "deleted.py", "moved.py", "new name.py", "ü\n.py"]
    assert list_changed_files(repository, base) == expected
    assert has_changes(repository)


@pytest.mark.parametrize("commit", ["0" * 40, "no-such-branch", ""])
def test_unknown_commit(repository: Path, commit: str) -> None:
    with pytest.raises(UnknownCommitError):
        list_changed_files(repository, commit)
