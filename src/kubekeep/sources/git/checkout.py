"""A remote repository as a folder for the time of a scan: one commit, without its history, and gone afterwards.

The real git does it. Of a page's folder only what is in it is fetched where the server can do so, and all of the
commit when something in it reaches out of it. Submodules are not fetched, Git LFS is not asked, and no hook, filter,
template or configuration of the repository or of this machine takes part, save proxies and certificates. Credentials
are in no argument, file, address or message.
"""

# Paths are text from git and for git, so os.path and not pathlib:
# ruff: noqa: PTH110, PTH118

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.text import visible
from kubekeep.sources.git import content, listing
from kubekeep.sources.git.address import Address, parse
from kubekeep.sources.git.program import OUTPUT, TOP, Git, GitError
from kubekeep.sources.git.refs import Revision, resolve
from kubekeep.sources.git.remote import git_for
from kubekeep.sources.git.tokens import login
from kubekeep.sources.signals import ends_on_signals

_OF_MORE: Final = re.compile(r"(^|/)(templates|charts|crds)(/|$)|(^|/)(Chart|values|kustomization)\.ya?ml$|\.tf$")
"""Files that are a part of something: alone they mean nothing."""
_SETTINGS: Final = ("kubekeep.yaml", ".kubekeepignore", ".kubescapeignore")
_REFS: Final = 4 << 20
_LINK: Final = b"120000"
_TREE: Final = b"040000"
_BLOBS: Final = (b"100644", b"100755", _LINK)


class Limits(msgspec.Struct, frozen=True):
    """What a checkout may take: seconds in all, bytes on disk, and files."""

    seconds: float = 600
    bytes: int = 2 << 30
    files: int = 200_000


DEFAULT_LIMITS: Final = Limits()


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """One commit on disk.

    `path` is what to scan, below `root`, the top of the checkout; `shown` is how the address is shown to people, and
    `url` the repository's, both without credentials. `branch` is a branch or tag, empty for a commit that was asked
    for by its hash; `subpath` has slashes and is empty for all of it. `unread` is what the repository has and the
    checkout lacks, its places relative to `root`.
    """

    path: str
    root: str
    shown: str
    url: str
    branch: str
    commit: str
    subpath: str
    unread: tuple[Unread, ...] = ()


@contextlib.contextmanager
def checkout(
    url: str,
    *,
    environment: Mapping[str, str],
    tokens: Mapping[str, str],
    branch: str | None = None,
    history: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Checkout]:
    """The commit that `url` means, in a folder that is gone afterwards, also after an error or a signal.

    `url` is what `address.parse` takes, `branch` a branch, tag or commit, `tokens` values by `options.TOKEN_VARIABLES`, and
    `environment` that of this process. With `history` all commits before it are fetched too, with their files, so
    that lines have authors. Raises GitError.
    """
    address = parse(url)
    git = git_for(address, login(address, tokens), environment)
    with ends_on_signals(), tempfile.TemporaryDirectory(prefix="kubekeep-git-") as folder:
        # The temporary folder's own path may be a link, as on macOS.
        work = _Work(git, address, os.path.realpath(folder), limits)
        yield work.fetched(branch, history=history)


class _Work:
    """One checkout being made."""

    def __init__(self, git: Git, address: Address, root: str, limits: Limits) -> None:
        self._git = git
        self._address = address
        self._root = root
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds

    def fetched(self, branch: str | None, *, history: bool) -> Checkout:
        """Raises GitError."""
        revision = resolve(self._address, branch, self._remote_refs)
        self._run("init", "--quiet", "--template=", f"--object-format={revision.hashes}", ".")
        self._run("remote", "add", "origin", self._address.remote)
        depth = () if history else ("--depth=1", "--filter=blob:none")
        self._run("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *depth, "origin", f"+{revision.fetch}")
        commit = self._run("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}").decode().strip()
        self._run("update-ref", "--no-deref", "HEAD", commit)
        names = self._materialised(commit, revision)
        path = self._inside(revision.subpath)
        unread = *listing.missing(names, self._root, revision.subpath), *content.pointers(path, self._root)
        return Checkout(
            path=path,
            root=self._root,
            shown=self._address.shown,
            url=self._address.remote,
            branch=revision.branch,
            commit=commit,
            subpath=revision.subpath,
            unread=unread,
        )

    def _remote_refs(self, patterns: Sequence[str]) -> str:
        # In no folder in which somebody may have put a repository.
        return self._run(
            "ls-remote", "--symref", "--", self._address.remote, *patterns, folder=TOP, output=_REFS
        ).decode("utf-8", "replace")

    def _materialised(self, commit: str, revision: Revision) -> bytes:
        """Write the files that are to be scanned, and give the listing of what was asked for."""
        mode = self._mode(commit, revision.subpath)
        tree = f"{commit}:{revision.subpath}" if mode == _TREE else commit
        names = self._listing(tree)
        if not revision.subpath:
            self._run("read-tree", "--reset", "-u", commit)
            return names
        path = os.path.join(self._root, revision.subpath)
        if mode == _TREE:
            self._run("read-tree", "-u", f"--prefix={revision.subpath}/", tree)
        elif mode != _LINK:
            self._run("--literal-pathspecs", "checkout", "--quiet", commit, "--", revision.subpath)
            names = b""
        self._write_settings(commit, revision.subpath)
        if mode == _LINK or _OF_MORE.search(revision.subpath) or content.reaches_out(path):
            self._listing(commit)
            self._run("read-tree", "--reset", "-u", commit)
        return names

    def _write_settings(self, commit: str, subpath: str) -> None:
        """Write the files of the folders above `subpath` that say how what is below them is scanned."""
        folders = ["", *(subpath[: at.end()] for at in re.finditer("/", subpath))]
        names = self._run(
            "ls-tree",
            "-z",
            "--full-tree",
            "--name-only",
            commit,
            "--",
            *(f"{folder}{name}" for folder in folders for name in _SETTINGS),
        )
        if names:
            found = os.fsdecode(names).rstrip("\0").split("\0")
            self._run("--literal-pathspecs", "checkout", "--quiet", commit, "--", *found)

    def _mode(self, commit: str, subpath: str) -> bytes:
        """The mode of the entry at `subpath`; raises GitError when there is none, or a submodule."""
        if not subpath:
            return _TREE
        entry = self._run("ls-tree", "-z", "--full-tree", commit, "--", subpath)
        mode = entry[:6]
        if mode != _TREE and mode not in _BLOBS:
            what = "is a submodule, which is not fetched" if mode else "does not exist"
            raise GitError(f"{self._address.shown}: {visible(subpath)} {what} in {commit[:12]}")
        return mode

    def _listing(self, tree: str) -> bytes:
        names = self._run("ls-tree", "-r", "-z", "--full-tree", tree)
        listing.check(names, self._limits.files)
        return names

    def _inside(self, subpath: str) -> str:
        """The real path of `subpath`; raises GitError when a link leads it out of the checkout, or nowhere."""
        real = os.path.realpath(os.path.join(self._root, subpath))
        if real != self._root and not real.startswith(self._root + os.sep):
            raise GitError(f"{self._address.shown}: {visible(subpath)} is a link out of the repository")
        if not os.path.exists(real) or f"{real}{os.sep}".startswith(os.path.join(self._root, ".git", "")):
            raise GitError(f"{self._address.shown}: {visible(subpath)} does not exist in the checkout")
        return real

    def _run(self, *arguments: str, folder: str = "", output: int = OUTPUT) -> bytes:
        left = self._deadline - time.monotonic()
        return self._git.run(
            arguments, folder=folder or self._root, seconds=max(left, 0), output=output, watch=self._too_large
        )

    def _too_large(self) -> str | None:
        size = count = 0
        todo = [self._root]
        while todo:
            # What git renames or removes meanwhile is no matter.
            with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
        if size > self._limits.bytes:
            return f"the repository takes more than {self._limits.bytes} bytes"
        return f"the repository has more than {self._limits.files} files" if count > 2 * self._limits.files else None
