"""Temporary checkouts: the right commit and path, no more than needed, and complete removal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.resource import Resource
from kubekeep.sources.git.blame import Blame
from kubekeep.sources.git.checkout import checkout
from kubekeep.sources.git.errors import GitError
from kubekeep.sources.git.worktree import read_repository
from kubekeep.sources.inputs import read
from tests.sources.git.service import POD, Backend, Repo


@pytest.fixture
def check_out(environment: dict[str, str]) -> Callable[..., Any]:
    """Run `checkout` without tokens, in an environment without configuration."""
    return lambda url, **rest: checkout(url, environment=environment, tokens={}, **rest)


CheckOut = Callable[..., Any]


def list_files(root: str) -> set[str]:
    """Return the names of all files below a checkout, except those of git."""
    return {
        os.path.relpath(Path(folder) / name, root)
        for folder, _, names in os.walk(root)
        for name in names
        if ".git" not in Path(folder).parts
    }


def test_whole_repository(repo: Repo, check_out: CheckOut) -> None:
    commit = repo.commit({"deploy/pod.yaml": POD.format("a"), "README.md": "x"})
    with check_out(f"file://{repo.root}") as tree:
        assert list_files(tree.root) == {"deploy/pod.yaml", "README.md"}
        assert (tree.path, tree.branch, tree.commit, tree.subpath) == (tree.root, "main", commit, "")
        assert tree.unread == ()
        names = [entry.name for entry in read([tree.path]) if isinstance(entry, Resource)]
    assert names == ["a"]
    assert not Path(tree.root).exists()


@pytest.mark.parametrize("page", ["tree/{}/deploy/app", "-/tree/{}/deploy/app", "src/branch/{}/deploy/app"])
def test_page_url_of_branch_with_slashes(page: str, repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    repo.commit({"deploy/app/pod.yaml": POD.format("old")})
    repo.git("checkout", "-q", "-b", "feature/new/app")
    commit = repo.commit({"deploy/app/pod.yaml": POD.format("new")})
    with check_out(f"{backend.url}/team/shop/{page.format('feature/new/app')}") as tree:
        assert (tree.branch, tree.commit, tree.subpath) == ("feature/new/app", commit, "deploy/app")
        assert Path(tree.path, "pod.yaml").read_text() == POD.format("new")


def test_only_the_page_folder_is_fetched_with_few_requests(repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    repo.commit({f"{folder}/{n}.yaml": POD.format(f"{folder}{n}") for folder in ("app", "other") for n in range(20)})
    with check_out(f"{backend.url}/team/shop/tree/main/app") as tree:
        assert list_files(tree.root) == {f"app/{n}.yaml" for n in range(20)}
        listing = subprocess.run(
            ["git", "rev-list", "--objects", "--missing=print", "HEAD"],
            cwd=tree.root,
            capture_output=True,
            text=True,
            check=True,
        )
        assert listing.stdout.count("\n?") == 20
    # Three fetches (refs, the commit with its trees, all blobs), each with a request for the server's capabilities.
    assert len([entry for entry in backend.requests if "info/refs" in entry.path]) == 3


def test_server_without_partial_clone(repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    repo.git("config", "uploadpack.allowFilter", "false")
    repo.commit({"app/pod.yaml": POD.format("a"), "other/pod.yaml": POD.format("b")})
    with check_out(f"{backend.url}/team/shop/tree/main/app") as tree:
        assert list_files(tree.root) == {"app/pod.yaml"}


@pytest.mark.parametrize(
    "file",
    [
        {"overlays/prod/kustomization.yaml": "resources:\n- ../../base\n"},
        {"overlays/prod/app.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"},
    ],
)
def test_references_out_of_the_folder_fetch_the_commit(
    file: dict[str, str], repo: Repo, backend: Backend, check_out: CheckOut
) -> None:
    repo.commit({"base/pod.yaml": POD.format("base"), **file})
    with check_out(f"{backend.url}/team/shop/tree/main/overlays/prod") as tree:
        assert list_files(tree.root) == {"base/pod.yaml", *file}
        assert tree.path == str(Path(tree.root, "overlays/prod"))


def test_link_in_the_folder_fetches_the_commit(repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    repo.write({"base/pod.yaml": POD.format("base"), "app/x.yaml": POD.format("x")})
    (repo.root / "app/link.yaml").symlink_to("../base/pod.yaml")
    repo.commit({})
    with check_out(f"{backend.url}/team/shop/tree/main/app") as tree:
        assert list_files(tree.root) == {"base/pod.yaml", "app/x.yaml", "app/link.yaml"}


def test_settings_above_the_folder_are_fetched(repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    expected = {"kubekeep.yaml": "x: 1", "apps/.kubekeepignore": "y", "apps/shop/pod.yaml": POD.format("a")}
    repo.commit({**expected, "apps/other.yaml": POD.format("b")})
    with check_out(f"{backend.url}/team/shop/tree/main/apps/shop") as tree:
        assert list_files(tree.root) == set(expected)


def test_page_url_of_a_file(repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    repo.commit({"app/pod.yaml": POD.format("a"), "app/other.yaml": POD.format("b")})
    with check_out(f"{backend.url}/team/shop/blob/main/app/pod.yaml") as tree:
        assert tree.path == str(Path(tree.root, "app/pod.yaml"))
        assert list_files(tree.root) == {"app/pod.yaml"}


def test_page_url_of_template_fetches_its_chart(repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    chart = {"shop/Chart.yaml": "name: shop", "shop/templates/pod.yaml": POD.format("{{ .Values.name }}")}
    repo.commit(chart)
    with check_out(f"{backend.url}/team/shop/blob/main/shop/templates/pod.yaml") as tree:
        assert list_files(tree.root) == set(chart)


def test_branch_tag_and_commit(repo: Repo, check_out: CheckOut) -> None:
    first = repo.commit({"pod.yaml": POD.format("first")})
    repo.git("tag", "-a", "v1.0", "-m", "one")
    second = repo.commit({"pod.yaml": POD.format("second")})
    repo.git("checkout", "-q", "-b", "next")
    third = repo.commit({"pod.yaml": POD.format("third")})
    repo.git("checkout", "-q", "main")
    url = f"file://{repo.root}"
    for branch, commit, name in (
        ("v1.0", first, "v1.0"),
        ("main", second, "main"),
        ("next", third, "next"),
        (first, first, ""),
        ("refs/heads/next", third, "next"),
    ):
        with check_out(url, branch=branch) as tree:
            assert (tree.commit, tree.branch) == (commit, name)


def test_repository_with_longer_hashes(create_repo: Callable[..., Repo], check_out: CheckOut) -> None:
    repo = create_repo("long", "--object-format=sha256")
    commit = repo.commit({"pod.yaml": POD.format("a")})
    for branch in (None, "main", commit):
        with check_out(f"file://{repo.root}", branch=branch) as tree:
            assert (tree.commit, len(commit)) == (commit, 64)


def test_bare_repository(repo: Repo, tmp_path: Path, check_out: CheckOut) -> None:
    commit = repo.commit({"pod.yaml": POD.format("a")})
    repo.git("clone", "-q", "--bare", str(repo.root), str(tmp_path / "bare"))
    repo.git("--git-dir", str(tmp_path / "bare"), "update-ref", "--no-deref", "HEAD", commit)
    with check_out(f"file://{tmp_path}/bare") as tree:
        # A HEAD without a branch.
        assert (tree.commit, tree.branch, list_files(tree.root)) == (commit, "", {"pod.yaml"})


def test_page_url_of_a_commit(repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    commit = repo.commit({"app/pod.yaml": POD.format("a")})
    repo.commit({"app/pod.yaml": POD.format("b")})
    with check_out(f"{backend.url}/team/shop/tree/{commit}/app") as tree:
        assert Path(tree.path, "pod.yaml").read_text() == POD.format("a")


def test_branch_option_determines_start_of_path(repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    repo.commit({"app/pod.yaml": POD.format("a")})
    with check_out(f"{backend.url}/team/shop/tree/main/app", branch="main") as tree:
        assert tree.subpath == "app"
    with (
        pytest.raises(GitError, match="the branch in the address differs from next"),
        check_out(f"{backend.url}/team/shop/tree/main/app", branch="next"),
    ):
        pass


def test_branch_named_as_an_option(repo: Repo, check_out: CheckOut) -> None:
    commit = repo.commit({"pod.yaml": POD.format("a")})
    repo.git("update-ref", "refs/heads/--upload-pack=touch", commit)
    repo.git("symbolic-ref", "HEAD", "refs/heads/--upload-pack=touch")
    with check_out(f"file://{repo.root}", branch="--upload-pack=touch") as tree:
        assert tree.branch == "--upload-pack=touch"
    with check_out(f"file://{repo.root}") as tree:
        assert (tree.branch, tree.commit) == ("--upload-pack=touch", commit)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("tree/nothing/app", "branch or tag nothing does not exist"),
        ("tree/0123abc/app", "branch or tag 0123abc does not exist; for a commit, use its full id"),
        ("tree/main/nothing", "nothing does not exist in "),
        ("tree/main/vendored", "vendored is a submodule; submodules are not fetched"),
        ("tree/main/vendored/x", "vendored/x does not exist"),
        ("tree/main/app/pod.yaml/x", "app/pod.yaml/x does not exist"),
        ("tree/a~b^c", "the branch is missing"),
    ],
)
def test_missing_refs_and_paths(page: str, message: str, repo: Repo, backend: Backend, check_out: CheckOut) -> None:
    commit = repo.commit({"app/pod.yaml": POD.format("a")})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},vendored")
    repo.git("commit", "-q", "-m", "submodule")
    with pytest.raises(GitError) as caught, check_out(f"{backend.url}/team/shop/{page}"):
        pass
    assert message in str(caught.value)


def test_missing_content_is_reported(repo: Repo, check_out: CheckOut) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    commit = repo.commit({"a/pod.yaml": POD.format("a"), "a/big.yaml": pointer, "a/big.bin": pointer})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},a/vendored")
    repo.git("commit", "-q", "-m", "submodule")
    with check_out(f"file://{repo.root}") as tree:
        error_text = [(str(entry.location), entry.message) for entry in tree.unread]
    assert error_text == [
        ("a/vendored", "submodule: not fetched, not evaluated"),
        ("a/big.yaml", "stored in Git LFS: not read"),
    ]


def test_empty_repository(repo: Repo, check_out: CheckOut) -> None:
    with pytest.raises(GitError, match="the repository is empty"), check_out(f"file://{repo.root}"):
        pass


def test_missing_repository_has_message_of_git(tmp_path: Path, check_out: CheckOut) -> None:
    with (
        pytest.raises(GitError, match="does not appear to be a git repository"),
        check_out(f"file://{tmp_path}/nothing"),
    ):
        pass


def test_history_is_fetched_on_request(repo: Repo, check_out: CheckOut) -> None:
    first = repo.commit({"pod.yaml": "a: 1\nb: 2\n"})
    repo.commit({"pod.yaml": "a: 1\nb: 3\n"})
    with check_out(f"file://{repo.root}", history=True) as tree:
        blame = Blame(tree.root, repo.environment)
        commit = blame.find_commit(str(Path(tree.path, "pod.yaml")), 1)
        assert commit is not None
        assert commit.hash == first
    with check_out(f"file://{repo.root}") as tree:
        blame = Blame(tree.root, repo.environment)
        # A shallow commit is not the last change of older lines.
        assert blame.find_commit(str(Path(tree.path, "pod.yaml")), 1) is None
        assert blame.unread == ()


def test_facts_of_a_checkout(repo: Repo, backend: Backend, environment: dict[str, str], check_out: CheckOut) -> None:
    commit = repo.commit({"pod.yaml": "a: 1\n"})
    with check_out(f"{backend.url}/team/shop") as tree:
        facts = read_repository(tree.path, environment)
    assert facts is not None
    assert facts.head is not None
    assert (facts.remote, facts.head.hash) == (f"{backend.url}/team/shop", commit)


def test_user_ssh_program_is_used(repo: Repo, environment: dict[str, str], tmp_path: Path) -> None:
    """A fake ssh program records its arguments and runs the command of the server."""
    commit = repo.commit({"app/pod.yaml": POD.format("a")})
    program, noted = tmp_path / "bin" / "ssh", tmp_path / "noted"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {noted}\nfor last; do :; done\nexec sh -c "$last"\n')
    program.chmod(0o755)
    environment["PATH"] = f"{program.parent}{os.pathsep}{environment['PATH']}"
    for url in (f"ssh://git@host.example:2222{repo.root}//app?ref=main", f"git@host.example:{repo.root}"):
        with checkout(url, environment=environment, tokens={"GITHUB_TOKEN": "x"}) as tree:
            assert tree.commit == commit
    lines = noted.read_text().splitlines()
    assert all("-o BatchMode=yes" in line for line in lines)
    assert any("-p 2222 git@host.example git-upload-pack" in line for line in lines)


def test_only_proxy_of_user_configuration_is_used(
    repo: Repo, backend: Backend, environment: dict[str, str], tmp_path: Path, check_out: CheckOut
) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    trap = tmp_path / "trap"
    Path(environment["HOME"], ".gitconfig").write_text(
        f"[core]\n\tfsmonitor = touch {trap}\n\thooksPath = {tmp_path}\n[credential]\n\thelper = !touch {trap}\n"
        f'[url "file:///nowhere"]\n\tinsteadOf = {backend.url}\n'
    )
    hook = tmp_path / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    with check_out(f"{backend.url}/team/shop"):
        pass
    assert not trap.exists()
    Path(environment["HOME"], ".gitconfig").write_text("[http]\n\tproxy = http://127.0.0.1:1\n")
    with pytest.raises(GitError, match="port 1 "), check_out(f"{backend.url}/team/shop"):
        pass


@pytest.mark.parametrize(
    "variable", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_CONFIG_PARAMETERS", "GIT_WORK_TREE", "GIT_TRACE"]
)
def test_git_hook_variables_are_ignored(
    variable: str, repo: Repo, environment: dict[str, str], check_out: CheckOut
) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    environment[variable] = str(repo.root / "elsewhere")
    with check_out(f"file://{repo.root}") as tree:
        assert list_files(tree.root) == {"pod.yaml"}
    assert not (repo.root / "elsewhere").exists()


def test_error_inside_removes_the_folder(repo: Repo, check_out: CheckOut) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    with pytest.raises(ZeroDivisionError), check_out(f"file://{repo.root}") as tree:
        raise ZeroDivisionError
    assert not Path(tree.root).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_removes_the_folder(number: signal.Signals, repo: Repo, environment: dict[str, str]) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    script = textwrap.dedent(f"""
        import os, signal, time
        from kubekeep.sources.git.checkout import checkout
        # Whoever runs the tests in the background, or under nohup, has them ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with checkout({f"file://{repo.root}"!r}, environment=os.environ, tokens={{}}) as found:
            print(found.root, flush=True)
            time.sleep(60)
    """)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        root = Path(process.stdout.readline().strip())
        assert root.exists()
        process.send_signal(number)
        assert process.wait(120) != 0
    assert not root.exists()


def test_signal_during_fetch_ends_git(repo: Repo, environment: dict[str, str], tmp_path: Path) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    noted = tmp_path / "noted"
    environment["GIT_SSH_COMMAND"] = f"echo $$ > {noted}; exec sleep 60 #"
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    script = textwrap.dedent("""
        import os
        from kubekeep.sources.git.checkout import checkout
        with checkout("git@host.example:o/r", environment=os.environ, tokens={}): pass
    """)
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL) as process:
        while not (noted.exists() and noted.read_text().strip()):
            assert process.poll() is None
            time.sleep(0.02)
        child = int(noted.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 128 + signal.SIGTERM
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
    for _ in range(500):
        if has_ended(child):
            break
        time.sleep(0.02)
    assert has_ended(child)


def test_signal_during_start_ends_git(environment: dict[str, str], tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    environment["GIT_SSH_COMMAND"] = f"echo $$ > {noted}; exec sleep 60 #"
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    script = textwrap.dedent(f"""
        import os, pathlib, signal, subprocess, time
        from kubekeep.sources.git.checkout import checkout
        start = subprocess.Popen._execute_child
        def and_signal(self, arguments, *rest):
            start(self, arguments, *rest)
            noted = pathlib.Path({str(noted)!r})
            while "ls-remote" in arguments and not (noted.exists() and noted.read_text().strip()):
                time.sleep(0.02)
            if "ls-remote" in arguments:
                os.kill(os.getpid(), signal.SIGTERM)
        subprocess.Popen._execute_child = and_signal
        with checkout("git@host.example:o/r", environment=os.environ, tokens={{}}): pass
    """)
    result = subprocess.run([sys.executable, "-c", script], env=environment, check=False, timeout=120)
    assert result.returncode == 128 + signal.SIGTERM
    for _ in range(500):
        if has_ended(int(noted.read_text())):
            break
        time.sleep(0.02)
    assert has_ended(int(noted.read_text()))


def has_ended(process: int) -> bool:
    """Return True if the process has ended; zombies count as ended."""
    try:
        os.kill(process, 0)
        return sys.platform == "linux" and Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True
