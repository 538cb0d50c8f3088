"""Last commits of lines in real repositories, and facts of the repository."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from pathlib import Path

import pytest

from kubekeep.model.git import Commit
from kubekeep.sources.git.blame import Blame
from kubekeep.sources.git.errors import GitError
from kubekeep.sources.git.root import find_repository_root
from kubekeep.sources.git.worktree import parse_time, read_repository, remove_credentials
from tests.sources.git.service import Repo


@pytest.fixture
def changed_repo(repo: Repo) -> Repo:
    """Commit a file of three lines, each last changed by another commit, and add an uncommitted file."""
    repo.environment |= {
        "GIT_AUTHOR_NAME": "Grace Höpper",
        "GIT_AUTHOR_EMAIL": "grace@example.com",
        "GIT_AUTHOR_DATE": "2026-03-04T05:06:07+0530",
    }
    repo.commit({"deploy/pod.yaml": "a: 1\nb: 1\nc: 1\n"}, "first\n\nmore")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE"):
        del repo.environment[name]
    repo.commit({"deploy/pod.yaml": "a: 1\nb: 2\nc: 1\n"}, "second")
    repo.commit({"deploy/pod.yaml": "a: 1\nb: 2\nc: 3\n"}, "third")
    repo.write({"deploy/pod.yaml": "new: 1\na: 1\nb: 2\nc: 3\nd: 4"})
    return repo


def list_subjects(blame: Blame, file: Path, lines: range) -> list[str | None]:
    return [commit.subject if (commit := blame.find_commit(str(file), line)) else None for line in lines]


def test_lines_and_their_commits(changed_repo: Repo) -> None:
    blame = Blame(str(changed_repo.root), changed_repo.environment)
    file = changed_repo.root / "deploy/pod.yaml"
    assert list_subjects(blame, file, range(8)) == [None, None, "first", "second", "third", None, None, None]
    assert blame.find_commit(str(file), 2) == Commit(
        hash=changed_repo.git("rev-parse", "HEAD~2"),
        author="Grace Höpper",
        email="grace@example.com",
        date=dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
        subject="first",
    )
    assert blame.unread == ()


def test_only_requested_lines_are_blamed(changed_repo: Repo, commands: list[list[str]]) -> None:
    file = changed_repo.root / "deploy/pod.yaml"
    changed_repo.commit({"deploy/pod.yaml": "".join(f"k{n}: 1\n" for n in range(100))}, "many")
    blame = Blame(str(changed_repo.root), changed_repo.environment)
    blame.add_lines(str(file), [3, 5, 90])
    assert list_subjects(blame, file, range(3, 6)) == ["many"] * 3
    assert list_subjects(blame, file, range(50, 51)) == [None]
    assert list_subjects(blame, file, range(90, 91)) == ["many"]
    (arguments,) = [command for command in commands if "blame" in command]
    assert [argument for argument in arguments if argument.startswith("-L")] == ["-L3,5", "-L90,90"]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record the arguments of every started program."""
    started: list[list[str]] = []
    popen = subprocess.Popen

    def record(arguments: list[str], **rest: object) -> object:
        started.append(arguments)
        return popen(arguments, **rest)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", record)
    return started


def test_blame_runs_one_process_per_file(repo: Repo, commands: list[list[str]]) -> None:
    repo.commit({f"{n}.yaml": "a: 1\n" * 10 for n in range(4)})
    started = len(commands)
    blame = Blame(str(repo.root), repo.environment)
    for n in range(4):
        for line in range(1, 11):
            assert blame.find_commit(str(repo.root / f"{n}.yaml"), line)
    assert len([command for command in commands[started:] if "blame" in command]) == 4
    # The other two processes check for configured programs and for a shallow history.
    assert len(commands) - started == 4 + 2


def test_untracked_lines_have_no_commit(repo: Repo, tmp_path: Path) -> None:
    repo.commit({".gitignore": "ignored.yaml\n", "empty.yaml": ""})
    repo.write({"new.yaml": "a: 1\n", "ignored.yaml": "a: 1\n"})
    (tmp_path / "outside.yaml").write_text("a: 1\n")
    blame = Blame(str(repo.root), repo.environment)
    for file in ("new.yaml", "ignored.yaml", "empty.yaml", "nothing.yaml", ".git/config", "../../../outside.yaml"):
        assert blame.find_commit(str(repo.root / file), 1) is None, file
    assert blame.unread == ()


def test_no_commit_yet(repo: Repo) -> None:
    repo.write({"new.yaml": "a: 1\n"})
    repo.git("add", "new.yaml")
    blame = Blame(str(repo.root), repo.environment)
    assert blame.find_commit(str(repo.root / "new.yaml"), 1) is None
    assert blame.unread == ()


def test_blame_without_repository(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "pod.yaml").write_text("a: 1\n")
    blame = Blame(str(tmp_path), environment)
    assert blame.find_commit(str(tmp_path / "pod.yaml"), 1) is None
    assert blame.unread == ()
    assert read_repository(str(tmp_path), environment) is None
    assert find_repository_root(str(tmp_path / "nothing")) is None


def test_blame_with_unusual_line_ends(repo: Repo) -> None:
    repo.commit({"crlf.yaml": b"a: 1\r\nb: 1\r\n", "cr.yaml": b"a: 1\rb: 1\rc: 1\n"}, "first")
    repo.commit({"crlf.yaml": b"a: 1\r\nb: 2\r\n"}, "second")
    blame = Blame(str(repo.root), repo.environment)
    assert list_subjects(blame, repo.root / "crlf.yaml", range(1, 3)) == ["first", "second"]
    # Editors see three lines and git one, so no line has a commit.
    assert list_subjects(blame, repo.root / "cr.yaml", range(1, 4)) == [None] * 3


def test_names_with_everything(repo: Repo) -> None:
    names = [
        "a\nb.yaml",
        "-L1.yaml",
        "\x1b[31m.yaml",
        os.fsdecode(b"\xff.yaml"),
        ":(glob)*.yaml",
        "ä b.yaml",
        '"q".yaml',
    ]
    for name in names:
        (repo.root / name).write_text("a: 1\n")
    repo.commit({}, "odd")
    blame = Blame(str(repo.root), repo.environment)
    for name in names:
        assert list_subjects(blame, repo.root / name, range(1, 2)) == ["odd"], name
    assert blame.unread == ()


def test_blame_of_linked_and_relative_paths(
    changed_repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(changed_repo.root / "deploy")
    monkeypatch.chdir(tmp_path)
    blame = Blame("link", changed_repo.environment)
    assert list_subjects(blame, Path("link/pod.yaml"), range(2, 3)) == ["first"]


def test_linked_working_tree(changed_repo: Repo, tmp_path: Path) -> None:
    changed_repo.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    blame = Blame(str(tmp_path / "other"), changed_repo.environment)
    assert list_subjects(blame, tmp_path / "other/deploy/pod.yaml", range(1, 4)) == ["first", "second", "third"]
    facts = read_repository(str(tmp_path / "other/deploy"), changed_repo.environment)
    assert facts is not None
    assert (facts.root, facts.branch) == (str(tmp_path / "other"), "other")


def test_facts_of_a_repository(changed_repo: Repo) -> None:
    changed_repo.git("remote", "add", "mirror", "https://mirror.example/r")
    changed_repo.git("remote", "add", "origin", "https://ada:secret@host.example/o/r.git")
    facts = read_repository(str(changed_repo.root / "deploy"), changed_repo.environment)
    assert facts is not None
    assert (facts.root, facts.remote, facts.branch) == (str(changed_repo.root), "https://host.example/o/r.git", "main")
    assert facts.head is not None
    assert (facts.head.hash, facts.head.subject) == (changed_repo.git("rev-parse", "HEAD"), "third")
    assert (facts.head.author, facts.head.email) == ("Ada", "ada@example.com")
    assert facts.head.date.utcoffset() is not None
    changed_repo.git("config", "branch.main.remote", "mirror")
    changed_repo.git("checkout", "-q", "--detach")
    detached = read_repository(str(changed_repo.root), changed_repo.environment)
    assert detached is not None
    assert (detached.branch, detached.remote) == ("", "https://host.example/o/r.git")
    changed_repo.git("checkout", "-q", "main")
    tracking = read_repository(str(changed_repo.root), changed_repo.environment)
    assert tracking is not None
    assert tracking.remote == "https://mirror.example/r"


def test_facts_before_the_first_commit(repo: Repo) -> None:
    facts = read_repository(str(repo.root), repo.environment)
    assert facts is not None
    assert (facts.branch, facts.head, facts.remote) == ("main", None, "")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada:secret@host.example/o/r.git", "https://host.example/o/r.git"),
        ("https://secret@host.example/o/r.git?token=secret", "https://host.example/o/r.git"),
        ("ssh://git:secret@host.example:22/o/r.git", "ssh://git@host.example:22/o/r.git"),
        ("git@host.example:o/r.git", "git@host.example:o/r.git"),
        ("/srv/r\x1b[31m", "/srv/r\\x1b[31m"),
        ("https://[", ""),
    ],
)
def test_remote_without_credentials(address: str, shown: str) -> None:
    assert remove_credentials(address) == shown


@pytest.mark.parametrize(
    ("seconds", "zone", "shown"),
    [
        ("0", "+0000", "1970-01-01T00:00:00+00:00"),
        ("1700000000", "-0930", "2023-11-14T12:43:20-09:30"),
        ("1700000000", "+9999", "2023-11-14T22:13:20+00:00"),
        ("1700000000", "x", "2023-11-14T22:13:20+00:00"),
        ("99999999999999999999", "+0000", "9999-12-31T23:59:59.999999+00:00"),
        ("-99999999999999999999", "+0000", "0001-01-01T00:00:00+00:00"),
        ("253402300799", "+1400", "9999-12-31T23:59:59+00:00"),
        ("", "", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_commit_times(seconds: str, zone: str, shown: str) -> None:
    assert parse_time(seconds, zone).isoformat() == shown


def test_git_is_missing_or_too_old(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    blame = Blame(str(repo.root), repo.environment | {"PATH": str(tmp_path)})
    assert blame.find_commit(str(repo.root / "a.yaml"), 1) is None
    assert [entry.message for entry in blame.unread] == ["last commit unknown: git is not installed"]
    program = tmp_path / "old" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho git version 2.30.2\n")
    program.chmod(0o755)
    with pytest.raises(GitError, match=r"git 2\.32 or newer is required"):
        read_repository(str(repo.root), repo.environment | {"PATH": str(program.parent)})
