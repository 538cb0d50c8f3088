"""Malicious repositories and servers: each gives a clear error within the limits, or a safe result."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.sources.git import listing
from kubekeep.sources.git.blame import Blame
from kubekeep.sources.git.checkout import CheckoutLimits, checkout
from kubekeep.sources.git.diff import find_changes
from kubekeep.sources.git.errors import GitError, GitLimitError
from kubekeep.sources.git.program import Git
from kubekeep.sources.git.worktree import Worktree, read_repository
from kubekeep.sources.inputs import read
from tests.sources.git.service import POD, Backend, Repo, Scripted, running

QUICK = CheckoutLimits(seconds=30, bytes=8 << 20, files=1000)


@pytest.fixture
def fetch(environment: dict[str, str]) -> Callable[..., str]:
    """Return the error message of a checkout, and check that nothing is left behind."""

    def fetch_error(url: str, limits: CheckoutLimits = QUICK) -> str:
        started = time.monotonic()
        with pytest.raises(GitError) as caught, checkout(url, environment=environment, tokens={}, limits=limits):
            pass
        assert time.monotonic() - started < limits.seconds + 20
        assert list(Path(environment["TMPDIR"]).iterdir()) == []
        assert str(caught.value) == visible(str(caught.value))
        return str(caught.value)

    return fetch_error


Fetch = Callable[..., str]


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch {}'",
        "ssh://-oProxyCommand=touch%20{}/x",
        "--upload-pack=touch {}",
        "git@-oProxyCommand=touch {}:x",
        "file:///nothing --upload-pack=touch {}",
        "https://127.0.0.1:1/x --upload-pack=touch {}",
    ],
)
def test_address_cannot_run_a_command(url: str, fetch: Fetch, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    fetch(url.format(trap))
    assert not trap.exists()


def test_path_through_outside_link_is_rejected(repo: Repo, backend: Backend, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(POD.format("secret"))
    (repo.root / "out").symlink_to(tmp_path)
    (repo.root / "up").symlink_to("..")
    (repo.root / "own").symlink_to(".git")
    (repo.root / "nowhere").symlink_to("missing")
    repo.commit({"a.yaml": POD.format("a")})
    page = f"{backend.url}/team/shop/tree/main"
    assert "out is a link to a path outside the repository" in fetch(f"{page}/out")
    assert "up is a link to a path outside the repository" in fetch(f"{page}/up")
    assert "own does not exist in the checkout" in fetch(f"{page}/own")
    assert "nowhere does not exist in the checkout" in fetch(f"{page}/nowhere")
    assert "out/secret.yaml does not exist" in fetch(f"{page}/out/secret.yaml")
    assert ".git/config does not exist" in fetch(f"{page}/.git/config")


# Content of repositories


def create_trap(tmp_path: Path) -> tuple[Path, str]:
    """Return a file that exists only after a command ran, and the command."""
    trap = tmp_path / "trap"
    program = tmp_path / "spring"
    program.write_text(f"#!/bin/sh\ntouch '{trap}'\ncat\n")
    program.chmod(0o755)
    return trap, str(program)


def test_hooks_filters_and_submodules_of_a_remote(repo: Repo, environment: dict[str, str], tmp_path: Path) -> None:
    trap, program = create_trap(tmp_path)
    for hook in ("post-checkout", "post-merge", "reference-transaction", "post-index-change", "pre-commit"):
        path = repo.root / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o755)
    commit = repo.commit(
        {
            "pod.yaml": POD.format("a"),
            ".gitattributes": "* filter=evil diff=evil merge=evil\n*.yaml text eol=crlf ident\n",
            ".gitconfig": f'[filter "evil"]\n\tsmudge = {program}\n\tprocess = {program}\n',
            ".gitmodules": f'[submodule "-x"]\n\tpath = x\n\turl = ext::{program}\n\tupdate = !{program}\n',
            ".lfsconfig": f"[lfs]\n\turl = https://127.0.0.1:1\n\tcustomtransfer.x.path = {program}\n",
        }
    )
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},x")
    repo.git("commit", "-q", "-m", "submodule")
    environment["GIT_TEMPLATE_DIR"] = str(repo.root)
    with checkout(f"file://{repo.root}", environment=environment, tokens={}) as result:
        assert [entry.name for entry in read([result.path]) if isinstance(entry, Resource)] == ["a"]
        assert [str(entry.location) for entry in result.unread] == ["x"]
        assert not (Path(result.root) / ".git" / "hooks").exists()
    assert not trap.exists()


def test_links_in_a_checkout_are_not_followed_out_of_it(
    repo: Repo, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "secret.yaml").write_text(POD.format("secret"))
    (repo.root / "a.yaml").symlink_to(tmp_path / "secret.yaml")
    (repo.root / "folder.yaml").symlink_to(tmp_path)
    (repo.root / "loop.yaml").symlink_to("loop.yaml")
    repo.commit({"pod.yaml": POD.format("a")})
    with checkout(f"file://{repo.root}", environment=environment, tokens={}) as result:
        results = list(read([result.path]))
    assert [entry.name for entry in results if isinstance(entry, Resource)] == ["a"]
    messages = [entry.message for entry in results if isinstance(entry, UnreadInput)]
    assert len(messages) == 3
    assert all(message.startswith("symbolic link") for message in messages)


@pytest.mark.parametrize("name", [".git", ".GIT", "git~1", "..", ".", ".git\u200c"])
def test_tree_with_git_folder_names_is_rejected(name: str, repo: Repo, fetch: Fetch) -> None:
    """Including names that only Windows and macOS treat as `.git`."""
    hook = repo.blob("#!/bin/sh\ntouch /nothing\n")
    folder = repo.git("mktree", stdin=f"100755 blob {hook}\tpost-checkout\n".encode())
    repo.tree(("040000", folder, name), ("100644", repo.blob(POD.format("a")), "pod.yaml"))
    assert "invalid path" in fetch(f"file://{repo.root}")


def test_exponential_tree_is_limited(repo: Repo, fetch: Fetch) -> None:
    """Ten levels of ten identical folders: ten thousand million files in a dozen objects."""
    oid, mode = repo.blob("a: 1\n"), "100644"
    for _ in range(10):
        rows = "".join(f"{mode} {'tree' if mode == '040000' else 'blob'} {oid}\t{n}\n" for n in range(10))
        oid, mode = repo.git("mktree", stdin=rows.encode()), "040000"
    repo.tree((mode, oid, "d"))
    message = fetch(f"file://{repo.root}")
    assert "of output" in message


def test_too_many_files(repo: Repo, fetch: Fetch) -> None:
    repo.commit({f"{n}.yaml": "a: 1\n" for n in range(12)})
    assert "the repository has more than 10 files" in fetch(f"file://{repo.root}", CheckoutLimits(files=10))


def test_folder_depth_is_limited(repo: Repo, fetch: Fetch) -> None:
    oid, mode = repo.blob("a: 1\n"), "100644"
    for _ in range(150):
        kind = "tree" if mode == "040000" else "blob"
        oid, mode = repo.git("mktree", stdin=f"{mode} {kind} {oid}\td\n".encode()), "040000"
    repo.tree((mode, oid, "d"))
    assert "nested deeper than 100 levels" in fetch(f"file://{repo.root}")


def test_repository_size_is_limited(repo: Repo, fetch: Fetch) -> None:
    repo.commit({"noise.bin": os.urandom(12 << 20)})
    assert "is larger than 8388608 bytes" in fetch(f"file://{repo.root}")


def test_unpacked_size_is_limited(repo: Repo, fetch: Fetch) -> None:
    with (repo.root / "zeros.yaml").open("wb") as stream:
        stream.truncate(64 << 20)
    repo.commit({})
    assert "is larger than 8388608 bytes" in fetch(f"file://{repo.root}")


def test_names_with_everything(repo: Repo, environment: dict[str, str]) -> None:
    names = ["a\nb.yaml", "\x1b[31m.yaml", "-rf.yaml", os.fsdecode(b"\xff.yaml"), "'$(x)`.yaml"]
    for number, name in enumerate(names):
        (repo.root / name).write_text(POD.format(f"p{number}"))
    repo.commit({})
    with checkout(f"file://{repo.root}", environment=environment, tokens={}) as result:
        results = list(read([result.path]))
    assert sorted(entry.name for entry in results if isinstance(entry, Resource)) == ["p0", "p1", "p2", "p3", "p4"]
    assert all(entry.source and entry.source.path.isprintable() for entry in results if isinstance(entry, Resource))


def test_names_that_differ_in_case(repo: Repo, environment: dict[str, str], tmp_path: Path) -> None:
    repo.tree(
        *(("100644", repo.blob(POD.format(name)), f"{name}.yaml") for name in ("A", "a")),
    )
    with checkout(f"file://{repo.root}", environment=environment, tokens={}) as result:
        names = {entry.name for entry in read([result.path]) if isinstance(entry, Resource)}
        assert len(names) + len(result.unread) == 2
    # Simulate a case-insensitive file system.
    (tmp_path / "A.yaml").touch()
    (tmp_path / "a.yaml").hardlink_to(tmp_path / "A.yaml")
    error_text = listing.find_missing(b"100644 blob 0\tA.yaml\x00100644 blob 1\ta.yaml\x00", str(tmp_path), "")
    assert [(str(entry.location), entry.message) for entry in error_text] == [
        ("a.yaml", "A.yaml has the same name on this file system: not read")
    ]


# Servers


def test_silent_server_times_out(fetch: Fetch) -> None:
    server = Scripted(lambda _: time.sleep(4))
    with running(server):
        message = fetch(f"http://127.0.0.1:{server.port}/o/r", CheckoutLimits(seconds=1))
    assert message == "git ls-remote was stopped: time limit exceeded"


@pytest.mark.parametrize(
    "answer",
    [
        b"\0" * 4096,
        b"HTTP/1.1 200 OK\r\n\r\n",
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"
            b"001e# service=git-upload-pack\n0000zzzz"
        ),
        b"",
    ],
)
def test_invalid_server_response_is_an_error(answer: bytes, fetch: Fetch) -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)

    server = Scripted(script)
    with running(server):
        message = fetch(f"http://127.0.0.1:{server.port}/o/r")
    assert "fatal: " in message or "the repository is empty" in message


def test_endless_server_response_is_limited(fetch: Fetch) -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"
        b"001e# service=git-upload-pack\n0000"
    )

    def script(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(head)
        for number in range(10**9):
            line = b"%040d refs/heads/%0200d\n" % (1, number)
            connection.sendall((b"%04x" % (len(line) + 4) + line) * 100)

    server = Scripted(script)
    with running(server):
        message = fetch(f"http://127.0.0.1:{server.port}/o/r", CheckoutLimits(seconds=3))
    assert "git ls-remote" in message or "fatal" in message


def test_endless_redirect_is_an_error(backend: Backend, fetch: Fetch) -> None:
    backend.redirects = {backend.url.removeprefix("http://"): backend.url}
    assert "fatal: " in fetch(f"{backend.url}/team/shop")


def test_redirect_to_file_url_is_rejected(backend: Backend, fetch: Fetch, repo: Repo) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    backend.redirects = {backend.url.removeprefix("http://") + "/team/shop": f"file://{repo.root}"}
    assert "fatal: " in fetch(f"{backend.url}/team/shop")


def test_server_message_is_escaped(backend: Backend, fetch: Fetch) -> None:
    backend.redirects = {backend.url.removeprefix("http://"): "http://127.0.0.1:1/\x1b[31m\u202e"}
    fetch(f"{backend.url}/team/shop")


# Repositories on this machine


def evil_config(program: str, trap: Path) -> str:
    return f"""
[core]
    fsmonitor = {program}
    hooksPath = {trap.parent}/hooks
    sshCommand = {program}
    pager = {program}
    editor = {program}
    askPass = {program}
    gitProxy = {program}
    attributesFile = {trap.parent}/attributes
    alternateRefsCommand = {program}
[pager]
    blame = {program}
    log = {program}
    diff = {program}
[alias]
    blame = !{program}
    diff = !{program}
    config = !{program}
[diff]
    external = {program}
    orderFile = /etc/passwd
    autoRefreshIndex = true
[diff "evil"]
    command = {program}
    textconv = {program}
    cachetextconv = true
[diff "an.other"]
    textconv = {program}
[filter "evil"]
    clean = {program}
    smudge = {program}
    process = {program}
    required = true
[filter "with = sign"]
    clean = {program}
    required
[merge "evil"]
    driver = {program}
[log]
    showSignature = true
[gpg]
    program = {program}
[gpg "ssh"]
    program = {program}
[credential]
    helper = !{program}
[blame]
    ignoreRevsFile = /etc/passwd
[include]
    path = more
[remote "origin"]
    url = ext::{program}
    promisor = true
    uploadpack = {program}
    vcs = evil
[protocol]
    allow = always
[protocol "ext"]
    allow = always
[submodule]
    recurse = true
[extensions]
    partialClone = origin
[core]
    repositoryFormatVersion = 1
"""


def test_configuration_of_a_local_repository_runs_nothing(repo: Repo, tmp_path: Path) -> None:
    trap, program = create_trap(tmp_path)
    repo.commit({"pod.yaml": "a: 1\n", "b.yaml": "a: 1\n", "c.yaml": "a: 1\n"}, "first")
    commit = repo.commit(
        {
            "pod.yaml": "a: 1\nb: 1\n",
            ".gitattributes": '*.yaml filter=evil diff=evil\nb.yaml diff=an.other\nc.yaml filter="with = sign"\n',
        },
        "second",
    )
    (repo.root / ".git/config").write_text((repo.root / ".git/config").read_text() + evil_config(program, trap))
    (repo.root / ".git/more").write_text(f'[filter "evil"]\n\tclean = {program} included\n')
    (repo.root / ".git/info").mkdir(exist_ok=True)
    (repo.root / ".git/info/attributes").write_text("* filter=evil\n")
    for folder in (repo.root / ".git/hooks", tmp_path / "hooks"):
        folder.mkdir(exist_ok=True)
        for hook in ("post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
            (folder / hook).write_text(f"#!/bin/sh\n{program}\n")
            (folder / hook).chmod(0o755)
    repo.write({"pod.yaml": "a: 1\nb: 1\nc: 1\n", "new.yaml": "a: 1\n", "b.yaml": "a: 22\n", "c.yaml": "a: 22\n"})
    os.utime(repo.root / ".gitattributes", (1, 1))
    blame = Blame(str(repo.root), repo.environment)
    for line, subject in ((1, "first"), (2, "second"), (3, None)):
        result = blame.find_commit(str(repo.root / "pod.yaml"), line)
        assert (result.subject if result else None, blame.unread) == (subject, ())
    changes = find_changes(str(repo.root), "HEAD", repo.environment)
    assert {Path(name).name for name in changes.changed} == {"pod.yaml", "new.yaml", "b.yaml", "c.yaml"}
    facts = read_repository(str(repo.root), repo.environment)
    assert facts is not None
    assert facts.head is not None
    assert facts.head.hash == commit
    assert not trap.exists()
    # Check the traps: plain git runs them.
    for command in (["blame", "--no-ignore-revs-file", "pod.yaml"], ["diff", "--no-ext-diff", "--name-status"]):
        subprocess.run(["git", *command], cwd=repo.root, env=repo.environment, capture_output=True, check=False)
        assert trap.exists(), command
        trap.unlink()


@pytest.mark.parametrize("url", ["ext::{}", "ssh://host.example/x", "file:///{}"])
def test_missing_objects_are_not_fetched(url: str, repo: Repo, tmp_path: Path) -> None:
    """A repository configured to get missing objects by a command or from a server."""
    trap, program = create_trap(tmp_path)
    repo.commit({"a.yaml": "a: 1\n"}, "first")
    repo.commit({"a.yaml": "a: 1\nb: 1\n"}, "second")
    lost = repo.git("rev-parse", "HEAD~1:a.yaml")
    (repo.root / ".git/objects" / lost[:2] / lost[2:]).unlink()
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", url.format(program)),
        ("core.sshCommand", program),
        ("protocol.ext.allow", "always"),
        ("remote.origin.uploadpack", program),
    ):
        repo.git("config", key, value)
    blame = Blame(str(repo.root), repo.environment)
    assert blame.find_commit(str(repo.root / "a.yaml"), 1) is None
    assert [str(entry.location) for entry in blame.unread] == ["a.yaml"]
    assert not trap.exists()


def test_working_tree_elsewhere_is_ignored(repo: Repo) -> None:
    """A configuration with the whole disk as working tree."""
    repo.commit({"a.yaml": "a: 1\n"}, "first")
    repo.git("config", "core.worktree", "/")
    (repo.root / "new.yaml").write_text("a: 1\n")
    changes = find_changes(str(repo.root), "HEAD", repo.environment)
    assert changes.changed == {str(repo.root / "new.yaml")}
    result = Blame(str(repo.root), repo.environment).find_commit(str(repo.root / "a.yaml"), 1)
    assert result is not None
    assert result.subject == "first"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_repository_of_another_user(repo: Repo) -> None:
    repo.commit({f"{n}.yaml": "a: 1\n" for n in range(3)})
    for folder, folders, files in os.walk(repo.root):
        for name in (*folders, *files, "."):
            os.chown(Path(folder) / name, 12345, 12345, follow_symlinks=False)
    blame = Blame(str(repo.root), repo.environment)
    assert [blame.find_commit(str(repo.root / f"{n}.yaml"), 1) for n in range(3)] == [None] * 3
    (error_text,) = blame.unread
    assert "detected dubious ownership" in error_text.message
    with pytest.raises(GitError, match="dubious ownership"):
        find_changes(str(repo.root), "HEAD", repo.environment)
    with pytest.raises(GitError, match="dubious ownership"):
        read_repository(str(repo.root), repo.environment)
    Path(repo.environment["HOME"], ".gitconfig").write_text(f"[safe]\n\tdirectory = {repo.root}\n")
    assert Blame(str(repo.root), repo.environment).find_commit(str(repo.root / "1.yaml"), 1) is not None


def test_bare_repository_in_a_working_tree(repo: Repo, tmp_path: Path) -> None:
    """A folder of a repository that is a repository with its own configuration."""
    trap, program = create_trap(tmp_path)
    repo.commit({"a.yaml": "a: 1\n"}, "outer")
    subprocess.run(["git", "init", "-q", "--bare", "inner"], cwd=repo.root, env=repo.environment, check=True)
    (repo.root / "inner/config").write_text(f"[core]\n\trepositoryFormatVersion = 0\n\tfsmonitor = {program}\n")
    (repo.root / "inner/b.yaml").write_text("a: 1\n")
    repo.commit({}, "both")
    blame = Blame(str(repo.root / "inner"), repo.environment)
    result = blame.find_commit(str(repo.root / "inner/b.yaml"), 1)
    assert result is not None
    assert result.subject == "both"
    assert not trap.exists()


@pytest.mark.parametrize("content", ["gitdir: /nothing\n", "gitdir: " + "a" * 5000, "", "\0"])
def test_broken_git_file(content: str, tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/.git").write_text(content)
    (tmp_path / "x/a.yaml").write_text("a: 1\n")
    with pytest.raises(GitError, match="fatal: "):
        read_repository(str(tmp_path / "x"), environment)
    blame = Blame(str(tmp_path / "x"), environment)
    assert blame.find_commit(str(tmp_path / "x/a.yaml"), 1) is None
    assert len(blame.unread) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config", "[broken"),
        ("config", "[core]\n\trepositoryFormatVersion = 99\n"),
        ("HEAD", "nonsense"),
        ("index", "nonsense"),
        ("config", "[include]\n\tpath = config\n"),
    ],
)
def test_broken_repository_is_reported(name: str, content: str, repo: Repo) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    (repo.root / ".git" / name).write_text(content)
    with pytest.raises(GitError):
        find_changes(str(repo.root), "HEAD", repo.environment)
    blame = Blame(str(repo.root), repo.environment)
    blame.find_commit(str(repo.root / "a.yaml"), 1)
    assert len(blame.unread) == 1


def test_pipe_as_configuration_does_not_block(repo: Repo) -> None:
    repo.commit({"a.yaml": "a: 1\n"})
    os.mkfifo(repo.root / ".git/pipe")
    (repo.root / ".git/config").write_text("[include]\n\tpath = pipe\n")
    with pytest.raises(GitLimitError, match="git config was stopped: time limit exceeded"):
        Worktree(str(repo.root), repo.environment, seconds=1)


def test_malicious_author_fields(repo: Repo) -> None:
    """A commit with fields that git never writes."""
    repo.commit({"a.yaml": "a: 1\n"})
    tree = repo.git("rev-parse", "HEAD^{tree}")
    raw = (
        f"tree {tree}\nauthor \x1b[31m\tfilename x <a<b>c> 99999999999999 +9999\n"
        "committer <> 0 +0000\nencoding nonsense\n\n\x1b]0;subject\x07\nmore\n"
    )
    commit = repo.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw.encode())
    repo.git("update-ref", "refs/heads/main", commit)
    result = Blame(str(repo.root), repo.environment).find_commit(str(repo.root / "a.yaml"), 1)
    assert result is not None
    assert result.hash == commit
    assert result.date.tzinfo is not None
    facts = read_repository(str(repo.root), repo.environment)
    assert facts is not None
    assert facts.head is not None
    assert facts.head.hash == commit


def test_git_is_not_started_from_the_scanned_folder(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap, program = create_trap(tmp_path)
    repo.commit({"git": Path(program).read_bytes(), "a.yaml": "a: 1\n"}, "first")
    (repo.root / "git").chmod(0o755)
    monkeypatch.chdir(repo.root)
    environment = repo.environment | {"PATH": f".{os.pathsep}{os.pathsep}{repo.environment['PATH']}"}
    result = Blame(".", environment).find_commit("a.yaml", 1)
    assert result is not None
    assert result.subject == "first"
    assert not trap.exists()


def test_memory_is_bounded(repo: Repo) -> None:
    """A small object that git would unpack into memory as a whole."""
    with (repo.root / "a.yaml").open("wb") as stream:
        stream.truncate(60 << 20)
    repo.commit({})
    repo.git("config", "core.bigFileThreshold", "1g")
    git = Git(repo.environment, memory=40 << 20)
    with pytest.raises(GitError, match=r"(?i)memory"):
        git.run(["blame", "HEAD", "--", "a.yaml"], folder=str(repo.root), seconds=60)


def test_output_is_bounded(repo: Repo) -> None:
    repo.commit({"a.yaml": "a" * 100_000})
    with pytest.raises(GitLimitError, match="more than 1000 bytes of output"):
        Git(repo.environment).run(["cat-file", "blob", "HEAD:a.yaml"], folder=str(repo.root), seconds=60, output=1000)
