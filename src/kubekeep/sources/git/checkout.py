"""Temporary checkouts of remote repositories: one commit, without history unless requested, by the program git.

For an address with a folder only the content of the folder is fetched if the server supports that, and the whole commit
if a file in it refers to others. Submodules and Git LFS objects are not fetched. No hook, filter, template or
configuration of the repository or of this machine is used, except proxies and certificates. Credentials appear in no
argument, file, address or message.
"""

# Paths are text from git and for git, so os.path and not pathlib:
# ruff: noqa: PTH110, PTH118

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model import code_owners
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.text import visible
from kubekeep.sources.git import content, listing
from kubekeep.sources.git.address import Address, parse_address
from kubekeep.sources.git.errors import GitError
from kubekeep.sources.git.program import OUTPUT, TOP, Git
from kubekeep.sources.git.refs import Revision, resolve_revision
from kubekeep.sources.git.remote import configure_git
from kubekeep.sources.git.tokens import find_login
from kubekeep.sources.signals import exit_on_signals
from kubekeep.sources.temporary import temporary_folder

_SHARED_FILES: Final = re.compile(
    r"(^|/)(templates|charts|crds)(/|$)|(^|/)(Chart|values|kustomization)\.ya?ml$|\.(tf|tofu)(\.json)?$"
)
"""Files that belong to a chart, kustomization or module: the whole commit is needed to read them."""
_SETTINGS_FILES: Final = ("kubekeep.yaml", ".kubekeepignore", ".kubescapeignore")
_REFS_OUTPUT: Final = 4 << 20
_LINK: Final = b"120000"
_TREE: Final = b"040000"
_BLOBS: Final = (b"100644", b"100755", _LINK)


class CheckoutLimits(msgspec.Struct, frozen=True):
    """Limits of a checkout: total seconds, bytes on disk, number of files."""

    seconds: float = 600
    bytes: int = 2 << 30
    files: int = 200_000


DEFAULT_LIMITS: Final = CheckoutLimits()


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """One commit on disk.

    path: path to scan, below `root`, the top of the checkout. display_url: address for messages. url: address of the
    repository; both without credentials. branch: branch or tag, empty for a commit requested by hash. subpath: with
    slashes, empty for the whole repository. unread: content missing in the checkout, located relative to `root`.
    """

    path: str
    root: str
    display_url: str
    url: str
    branch: str
    commit: str
    subpath: str
    unread: tuple[UnreadInput, ...] = ()


@contextlib.contextmanager
def checkout(
    url: str,
    *,
    environment: Mapping[str, str],
    tokens: Mapping[str, str],
    branch: str | None = None,
    history: bool = False,
    limits: CheckoutLimits = DEFAULT_LIMITS,
) -> Iterator[Checkout]:
    """Check out the commit of an address into a folder that is removed afterwards, also after an error or a signal.

    url: address for `parse_address`. branch: branch, tag or commit. tokens: values by `options.TOKEN_VARIABLES`.
    environment: variables of this process. history: fetch the parents too, for blame. Raises GitError.
    """
    address = parse_address(url)
    git = configure_git(address, find_login(address, tokens), environment)
    with exit_on_signals(), temporary_folder("kubekeep-git-") as folder:
        # The path of the temporary folder may contain a link, as on macOS.
        builder = _CheckoutBuilder(git, address, os.path.realpath(folder), limits)
        yield builder.build(branch, history=history)


class _CheckoutBuilder:
    """Creation of one checkout."""

    def __init__(self, git: Git, address: Address, root: str, limits: CheckoutLimits) -> None:
        self._git = git
        self._address = address
        self._root = root
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds

    def build(self, branch: str | None, *, history: bool) -> Checkout:
        """Fetch and write the files. Raises GitError."""
        revision = resolve_revision(self._address, branch, self._list_remote_refs)
        self._run("init", "--quiet", "--template=", f"--object-format={revision.object_format}", ".")
        self._run("remote", "add", "origin", self._address.remote)
        depth = () if history else ("--depth=1", "--filter=blob:none")
        self._run("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *depth, "origin", f"+{revision.ref}")
        commit = self._run("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}").decode().strip()
        self._run("update-ref", "--no-deref", "HEAD", commit)
        names = self._write_files(commit, revision)
        path = self._resolve_path(revision.subpath)
        unread = (
            *listing.find_missing(names, self._root, revision.subpath),
            *content.find_lfs_pointers(path, self._root),
        )
        return Checkout(
            path=path,
            root=self._root,
            display_url=self._address.display_url,
            url=self._address.remote,
            branch=revision.branch,
            commit=commit,
            subpath=revision.subpath,
            unread=unread,
        )

    def _list_remote_refs(self, patterns: Sequence[str]) -> str:
        # git runs in a folder that cannot contain a repository of another user.
        return self._run(
            "ls-remote", "--symref", "--", self._address.remote, *patterns, folder=TOP, output=_REFS_OUTPUT
        ).decode("utf-8", "replace")

    def _write_files(self, commit: str, revision: Revision) -> bytes:
        """Write the files to scan, and return the listing of the requested folder."""
        mode = self._get_mode(commit, revision.subpath)
        tree = f"{commit}:{revision.subpath}" if mode == _TREE else commit
        names = self._list_tree(tree)
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
        if mode == _LINK or _SHARED_FILES.search(revision.subpath) or content.refers_outside(path):
            self._list_tree(commit)
            self._run("read-tree", "--reset", "-u", commit)
        return names

    def _write_settings(self, commit: str, subpath: str) -> None:
        """Write the configuration and ignore files of the folders above `subpath`, and CODEOWNERS."""
        folders = ["", *(subpath[: at.end()] for at in re.finditer("/", subpath))]
        names = self._run(
            "ls-tree",
            "-z",
            "--full-tree",
            "--name-only",
            commit,
            "--",
            *(f"{folder}{name}" for folder in folders for name in _SETTINGS_FILES),
            *code_owners.PATHS,
        )
        if names:
            files = os.fsdecode(names).rstrip("\0").split("\0")
            self._run("--literal-pathspecs", "checkout", "--quiet", commit, "--", *files)

    def _get_mode(self, commit: str, subpath: str) -> bytes:
        """Return the mode of the entry at `subpath`. Raises GitError if it is missing or a submodule."""
        if not subpath:
            return _TREE
        entry = self._run("ls-tree", "-z", "--full-tree", commit, "--", subpath)
        mode = entry[:6]
        if mode != _TREE and mode not in _BLOBS:
            problem = "is a submodule; submodules are not fetched" if mode else "does not exist"
            raise GitError(f"{self._address.display_url}: {visible(subpath)} {problem} in {commit[:12]}")
        return mode

    def _list_tree(self, tree: str) -> bytes:
        names = self._run("ls-tree", "-r", "-z", "--full-tree", tree)
        listing.check(names, self._limits.files)
        return names

    def _resolve_path(self, subpath: str) -> str:
        """Return the real path of `subpath`. Raises GitError if it does not exist, or is a link out of the checkout."""
        real = os.path.realpath(os.path.join(self._root, subpath))
        if real != self._root and not real.startswith(self._root + os.sep):
            raise GitError(
                f"{self._address.display_url}: {visible(subpath)} is a link to a path outside the repository"
            )
        if not os.path.exists(real) or f"{real}{os.sep}".startswith(os.path.join(self._root, ".git", "")):
            raise GitError(f"{self._address.display_url}: {visible(subpath)} does not exist in the checkout")
        return real

    def _run(self, *arguments: str, folder: str = "", output: int = OUTPUT) -> bytes:
        remaining = self._deadline - time.monotonic()
        return self._git.run(
            arguments, folder=folder or self._root, seconds=max(remaining, 0), output=output, watch=self._find_excess
        )

    def _find_excess(self) -> str | None:
        """Return the exceeded limit of size or number of files, or None."""
        size = count = 0
        todo = [self._root]
        while todo:
            # Files that git renames or removes at the same time do not count.
            with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
        if size > self._limits.bytes:
            return f"the repository is larger than {self._limits.bytes} bytes"
        return f"the repository has more than {self._limits.files} files" if count > 2 * self._limits.files else None
