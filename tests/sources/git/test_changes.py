"""Changes since a revision in real repositories, without writing to them."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from kubekeep.sources.git.changes import Changes
from kubekeep.sources.git.diff import find_changes
from kubekeep.sources.git.errors import GitError
from tests.sources.git.service import Repo


def list_names(changes: Changes, root: Path) -> tuple[list[str], list[str]]:
    """Return changed and deleted paths relative to the repository."""
    return (
        sorted(os.path.relpath(path, root) for path in changes.changed),
        sorted(os.path.relpath(path, root) for path in changes.deleted),
    )


def test_committed_staged_unstaged_and_new(repo: Repo) -> None:
    repo.commit({f"{n}.yaml": f"n: {n}\n" for n in range(8)} | {".gitignore": "ignored/\n"})
    repo.git("tag", "before")
    repo.git("mv", "0.yaml", "renamed.yaml")
    repo.commit({"1.yaml": "committed: 1\n"})
    repo.write({"2.yaml": "staged: 1\n"})
    repo.git("add", "2.yaml")
    repo.write({"3.yaml": "unstaged: 1\n", "new/a.yaml": "a: 1\n", "ignored/b.yaml": "b: 1\n", "4.yaml": "n: 4\n"})
    (repo.root / "5.yaml").unlink()
    repo.git("rm", "-q", "--cached", "6.yaml")
    repo.git("rm", "-q", "7.yaml")
    changes = find_changes(str(repo.root / "new"), "before", repo.environment)
    assert list_names(changes, repo.root) == (
        ["1.yaml", "2.yaml", "3.yaml", "6.yaml", "new/a.yaml", "renamed.yaml"],
        ["0.yaml", "5.yaml", "7.yaml"],
    )


def test_commits_of_the_other_branch_are_no_changes(repo: Repo) -> None:
    repo.commit({"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"})
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit({"b.yaml": "b: 2\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a.yaml": "a: 2\n"})
    repo.git("checkout", "-q", "topic")
    assert list_names(find_changes(str(repo.root), "main", repo.environment), repo.root) == (["b.yaml"], [])


def test_nothing_is_written_and_new_file_times_are_no_change(repo: Repo) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    os.utime(repo.root / "a.yaml", (1, 1))
    index = repo.root / ".git" / "index"
    hash_before = hashlib.sha256(index.read_bytes()).digest()
    files_before = sorted((repo.root / ".git").rglob("*"))
    assert list_names(find_changes(str(repo.root), "HEAD", repo.environment), repo.root) == ([], [])
    assert hashlib.sha256(index.read_bytes()).digest() == hash_before
    assert sorted((repo.root / ".git").rglob("*")) == files_before
    assert list(Path(repo.environment["TMPDIR"]).iterdir()) == []


def test_names_with_everything(repo: Repo) -> None:
    unusual_names = [
        "a\nb.yaml",
        "-x.yaml",
        "\x1b[31m.yaml",
        os.fsdecode(b"\xff.yaml"),
        "ä b.yaml",
        'q"t.yaml',
        "D",
        "tab\t.yaml",
    ]
    repo.commit({"a.yaml": "a: 1\n"})
    for name in unusual_names[:4]:
        (repo.root / name).write_text("a: 1\n")
    repo.commit({})
    for name in unusual_names[4:]:
        (repo.root / name).write_text("a: 1\n")
    assert find_changes(str(repo.root), "HEAD~1", repo.environment).changed == {
        str(repo.root / name) for name in unusual_names
    }


def test_submodule_and_repository_inside(repo: Repo, tmp_path: Path) -> None:
    vendored_source = Repo(tmp_path / "other", repo.environment)
    vendored_source.commit({"x.yaml": "x: 1\n"})
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(vendored_source.root), "vendored")
    repo.commit({"a.yaml": "a: 1\n"})
    nested = Repo(repo.root / "inside", repo.environment)
    nested.commit({"y.yaml": "y: 1\n"})
    vendored = Repo(repo.root / "vendored", repo.environment)
    assert str(repo.root / "vendored/x.yaml") not in find_changes(str(repo.root), "HEAD", repo.environment)
    vendored.commit({"x.yaml": "x: 2\n"})
    changes = find_changes(str(repo.root), "HEAD", repo.environment)
    assert list_names(changes, repo.root) == (["inside", "vendored"], [])
    assert str(repo.root / "vendored/x.yaml") in changes
    assert str(repo.root / "inside/y.yaml") in changes
    assert str(repo.root / "a.yaml") not in changes


def test_paths_by_links(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit({"base.yaml": "a: 1\n", "same.yaml": "a: 1\n"})
    (repo.root / "link.yaml").symlink_to("base.yaml")
    repo.commit({})
    (tmp_path / "there").symlink_to(repo.root)
    repo.write({"base.yaml": "a: 2\n"})
    (repo.root / "turned.yaml").symlink_to("same.yaml")
    monkeypatch.chdir(tmp_path)
    changes = find_changes("there", "HEAD", repo.environment)
    assert [name for name in ("base.yaml", "link.yaml", "same.yaml", "turned.yaml") if f"there/{name}" in changes] == [
        "base.yaml",
        "link.yaml",
        "turned.yaml",
    ]


def test_change_in_the_second_of_the_commit_is_seen(repo: Repo) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    repo.git("config", "core.trustctime", "false")
    file, index = repo.root / "a.yaml", repo.root / ".git" / "index"
    second = int(file.stat().st_mtime) - 100
    os.utime(file, (second, second))
    repo.git("update-index", "--refresh")
    os.utime(index, (second, second))
    file.write_text("a: 2\n")
    os.utime(file, (second, second))
    assert list_names(find_changes(str(repo.root), "HEAD", repo.environment), repo.root) == (["a.yaml"], [])


def test_conflict_is_a_change(repo: Repo) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit({"a.yaml": "a: 2\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a.yaml": "a: 3\n"})
    with pytest.raises(AssertionError):
        repo.git("merge", "topic")
    assert list_names(find_changes(str(repo.root), "HEAD", repo.environment), repo.root) == (["a.yaml"], [])


@pytest.mark.parametrize(
    ("rev", "message"),
    [
        ("nothing", "revision nothing does not exist in "),
        ("--output=x", "--output=x is not a valid revision"),
        ("", "(empty) is not a valid revision"),
        ("a b\x1b", "revision a b\\x1b does not exist in "),
        ("HEAD:a.yaml", "revision HEAD:a.yaml does not exist in "),
        ("main..topic", "revision main..topic does not exist in "),
        ("apart", "apart and HEAD have no common ancestor"),
    ],
)
def test_unknown_revision_is_an_error(rev: str, message: str, repo: Repo) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    repo.git("checkout", "-q", "--orphan", "apart")
    repo.commit({"b.yaml": "a: 1\n"})
    repo.git("checkout", "-q", "main")
    with pytest.raises(GitError) as caught:
        find_changes(str(repo.root), rev, repo.environment)
    assert message in str(caught.value)
    assert not (repo.root / "x").exists()


def test_changes_without_repository_or_commit(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="is not in a Git repository"):
        find_changes(str(tmp_path), "main", repo.environment)
    with pytest.raises(GitError, match="revision main does not exist"):
        find_changes(str(repo.root), "main", repo.environment)


def test_shallow_clone_is_reported(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit({"a.yaml": "a: 2\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"b.yaml": "a: 3\n"})
    clone = tmp_path / "clone"
    repo.git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{repo.root}", str(clone))
    with pytest.raises(GitError, match=r"have no common ancestor; the clone is shallow; fetch its history"):
        find_changes(str(clone), "origin/topic", repo.environment)
    with pytest.raises(GitError, match=r"revision v1 does not exist in .*; the clone is shallow"):
        find_changes(str(clone), "v1", repo.environment)
    assert find_changes(str(clone), "origin/main", repo.environment) == Changes(frozenset(), frozenset())


def test_copy_with_new_file_times_has_no_changes(repo: Repo, tmp_path: Path) -> None:
    repo.commit({f"{n}.yaml": "a: 1\n" for n in range(5)})
    copy = tmp_path / "copy"
    shutil.copytree(repo.root, copy, copy_function=shutil.copyfile)
    repo.write({})
    assert list_names(find_changes(str(copy), "HEAD", repo.environment), copy) == ([], [])


def test_all_files_are_new_before_the_first_commit(repo: Repo) -> None:
    repo.write({"staged.yaml": "a: 1\n", "untracked.yaml": "a: 1\n"})
    repo.git("add", "staged.yaml")
    changes = find_changes(str(repo.root), "HEAD", repo.environment)
    assert list_names(changes, repo.root) == (["staged.yaml", "untracked.yaml"], [])
    with pytest.raises(GitError, match="revision main does not exist"):
        find_changes(str(repo.root), "main", repo.environment)
