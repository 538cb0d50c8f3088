"""Local repositories, queried without running hooks, filters, monitors and drivers they configure.

The configuration of the user applies, and git's refusal of folders of other users. Keys of the repository's configuration
that start programs are listed first and then overridden; nothing is fetched. Never writes to the repository, including
its index.
"""

# Paths are text for git, so os.path and not pathlib:
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import stat
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from kubekeep.confinement import open_descriptor
from kubekeep.model import code_owners
from kubekeep.model.git import Commit, GitRepository
from kubekeep.model.text import visible
from kubekeep.sources.git.errors import GitError
from kubekeep.sources.git.program import OUTPUT, Git
from kubekeep.sources.git.root import find_repository_root

_SECONDS: Final = 20.0
_PROGRAM_KEYS: Final = re.compile(r"filter\..*\.(clean|smudge|process)|diff\..*\.(command|textconv)", re.DOTALL)
_REQUIRED_KEYS: Final = re.compile(r"filter\..*\.required", re.DOTALL)
_REMOTE: Final = re.compile(r"remote\.(.*)\.url", re.DOTALL)
_SHALLOW_SIZE: Final = 16 << 20
_SAFE_CONFIG: Final = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("core.sshCommand", "false"),
    ("core.splitIndex", "false"),
    ("safe.bareRepository", "explicit"),
    ("log.showSignature", "false"),
    ("diff.external", ""),
    ("diff.orderFile", os.devnull),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
)
_EARLIEST: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_LATEST: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_FORMAT: Final = "%H%x00%aN%x00%aE%x00%at%x00%ad%x00%s"


class Worktree:
    """The working tree at `root`, the absolute real path of a folder with a `.git`.

    environment: variables of this process. All methods raise GitError: git is missing, the repository belongs to another
    user, or its configuration is invalid or takes more than `seconds` to read.
    """

    def __init__(self, root: str, environment: Mapping[str, str], *, seconds: float = _SECONDS) -> None:
        self.root = root
        self._environment = environment
        self._variables = {
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_CEILING_DIRECTORIES": os.path.dirname(root),
            # Overrides core.worktree.
            "GIT_WORK_TREE": root,
        }
        self._git = Git(environment, config=_SAFE_CONFIG, variables=self._variables)
        output = self._run("config", "--list", "-z", seconds=seconds).decode("utf-8", "surrogateescape")
        self._config = [(key, value) for key, _, value in (entry.partition("\n") for entry in output.split("\0"))]
        self._overrides = [
            *_SAFE_CONFIG,
            *((key, "") for key in dict.fromkeys(key for key, _ in self._config) if _PROGRAM_KEYS.fullmatch(key)),
            *((key, "false") for key in dict.fromkeys(key for key, _ in self._config) if _REQUIRED_KEYS.fullmatch(key)),
        ]
        self._git = Git(environment, config=self._overrides, variables=self._variables)

    def run(
        self, *arguments: str, seconds: float = _SECONDS, index: str = "", exit_codes: Sequence[int] = (0,)
    ) -> bytes:
        """Run git in this working tree and return its output; index: file with another index."""
        if not index:
            return self._run(*arguments, seconds=seconds, exit_codes=exit_codes)
        variables = self._variables | {"GIT_INDEX_FILE": index}
        git = Git(self._environment, config=self._overrides, variables=variables)
        return git.run(arguments, folder=self.root, seconds=seconds, exit_codes=exit_codes, output=OUTPUT)

    def _run(self, *arguments: str, seconds: float = _SECONDS, exit_codes: Sequence[int] = (0,)) -> bytes:
        return self._git.run(arguments, folder=self.root, seconds=seconds, exit_codes=exit_codes)

    def resolve_git_path(self, name: str) -> str:
        """Return the absolute path of an internal file of the repository, such as `index`; it may be missing."""
        path = os.fsdecode(self.run("rev-parse", "--git-path", name))
        return os.path.join(self.root, path.removesuffix("\n"))

    def list_shallow_commits(self) -> frozenset[str]:
        """Return the hashes of commits without their parents; empty for a complete history."""
        try:
            content = read_regular(self.resolve_git_path("shallow"), _SHALLOW_SIZE)
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise GitError(f"the list of shallow commits cannot be read: {error.strerror}") from None
        return frozenset(content.decode("ascii", "replace").split())

    def describe(self) -> GitRepository:
        """Return remote, branch, commit and CODEOWNERS of the working tree."""
        ref = self._run("symbolic-ref", "--quiet", "HEAD", exit_codes=(0, 1)).decode("utf-8", "surrogateescape").strip()
        branch = ref.removeprefix("refs/heads/")
        head = None
        # 1: a branch without a commit yet.
        if self._run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", exit_codes=(0, 1)):
            output = self._run(
                "log", "-1", "--no-show-signature", "--no-patch", "--encoding=UTF-8", "--date=format:%z",
                f"--format={_FORMAT}", "HEAD", "--",
            )  # fmt: skip
            hash_, author, email, seconds, zone, subject = output.decode("utf-8", "replace").rstrip("\n").split("\0", 5)
            head = Commit(hash_, author, email, parse_time(seconds, zone), subject)
        return GitRepository(self.root, self._find_remote(branch), branch, head, self._read_code_owners())

    def _read_code_owners(self) -> str:
        """Return the text of CODEOWNERS; empty without one, for one that is not readable, and for a larger one than GitHub reads."""
        for name in code_owners.PATHS:
            path = os.path.join(self.root, *name.split("/"))
            # A link may lead to a file outside of the repository.
            if os.path.realpath(path) != path:
                continue
            try:
                content = read_regular(path, code_owners.MOST_BYTES + 1)
            except OSError:
                continue
            return content.decode("utf-8", "replace") if len(content) <= code_owners.MOST_BYTES else ""
        return ""

    def _find_remote(self, branch: str) -> str:
        """Return the address of the branch's remote, of `origin`, or of the only remote."""
        remotes = {match[1]: value for key, value in self._config if (match := _REMOTE.fullmatch(key))}
        tracked = dict(self._config).get(f"branch.{branch}.remote", "")
        single = next(iter(remotes.values())) if len(remotes) == 1 else ""
        return remove_credentials(remotes.get(tracked) or remotes.get("origin") or single)


def read_repository(path: str, environment: Mapping[str, str]) -> GitRepository | None:
    """Return the repository of `path`; None outside of a repository. Raises GitError."""
    root = find_repository_root(path)
    return None if root is None else Worktree(root, environment).describe()


def parse_time(seconds: str, zone: str) -> dt.datetime:
    """Parse a time of git: seconds since 1970 and a zone such as `+0130`. Out of range, the nearest valid time."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        minutes = int(zone[-4:-2]) * 60 + int(zone[-2:])
        offset = dt.timezone((-1 if zone.startswith("-") else 1) * dt.timedelta(minutes=minutes))
        return dt.datetime.fromtimestamp(int(seconds), dt.UTC).astimezone(offset)
    try:
        return dt.datetime.fromtimestamp(int(seconds), dt.UTC)
    except (ValueError, OverflowError, OSError):
        return _EARLIEST if seconds.startswith("-") else _LATEST


def remove_credentials(address: str) -> str:
    """Return an address without password, token, query and control characters."""
    try:
        parts = urlsplit(address) if "://" in address else None
        if parts is None:
            return visible(address)
        host = parts.netloc.rpartition("@")[2]
        if parts.scheme.endswith("ssh") and parts.username:
            host = f"{parts.username}@{host}"
        return visible(f"{parts.scheme}://{host}{parts.path}")
    except ValueError:
        return ""


def read_regular(path: str, size: int) -> bytes:
    """Read the first `size` bytes of a regular file. Raises OSError for other files, without waiting for a writer."""
    with open(path, "rb", opener=_open_without_waiting) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(0, "not a regular file")
        return stream.read(size)


def _open_without_waiting(path: str, flags: int) -> int:
    return open_descriptor(path, flags | getattr(os, "O_NONBLOCK", 0))
