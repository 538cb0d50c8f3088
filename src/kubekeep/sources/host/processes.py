"""The programs of Kubernetes that run on a node, by their command lines in /proc. Never looks into their memory."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.redaction import MASK, SECRET_FLAG, TOKEN_PATTERN
from kubekeep.sources.host.configuration import mask_queries
from kubekeep.sources.host.root import HostReadError, NodeRoot

_LINE: Final = 1 << 20
_STATUS: Final = 1 << 16
_DIGITS: Final = 10
"""Digits of the largest number of a user, which has 32 bits."""
_KEYS: Final = re.compile(r"--?[\w.-]*(?:secret|private|encryption|account)[-_]?key")
_HEADERS: Final = re.compile(r"--?[\w.-]*url[-_]headers?")
"""Flags with headers of requests (`--manifest-url-header`), not those with names of headers."""
_NEXT: Final = re.compile(r"--[a-z][\w.-]*(?:=.*)?", re.DOTALL)
"""A word that is the next flag, and not a secret that begins with dashes."""
_CONSTANTS: Final = frozenset({"", "true", "false", "t", "f", "1", "0"})


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process: the words of its command line, and whether it runs in a PID namespace of its own, as containers do.

    `network` names its network namespace; empty where this may not be known.
    """

    pid: int
    words: tuple[str, ...]
    contained: bool
    uid: int
    network: str

    @property
    def program(self) -> str:
        """What it calls itself: `kubelet`."""
        return posixpath.basename(self.words[0])

    @property
    def line(self) -> str:
        """Its command line without what is secret in it; a flag before an empty word is `--flag=`, so that it stays empty."""
        shown: list[str] = []
        for word in mask_words(self.words):
            if word:
                shown.append(word)
            elif shown and shown[-1].startswith("-") and "=" not in shown[-1]:
                shown[-1] += "="
        return " ".join(shown)

    def get_flag(self, name: str) -> str:
        """The value of a flag, the last one where it is given several times; empty without one."""
        return get_flag(self.words, name)


class NotRunningError(HostReadError):
    """No process of a program is there, of all that are seen."""


class RunningProcesses(msgspec.Struct, frozen=True):
    """All processes that are seen, and why others are not, if that is known: `hidden` says it by program."""

    processes: tuple[Process, ...]
    problem: str = ""
    hidden: Mapping[str, str] = {}

    def find(self, program: str, *, contained: bool | None = None) -> Process:
        """The one process of a program, in a container or not if that matters. Raises UnreadableError if none is certain.

        Those count that are in the network of the node, as far as that may be known, and of several with different
        command lines those of root: anyone can start a program and call it so. For that reason none counts of a program
        that is `hidden`.
        """
        if program in self.hidden:
            raise HostReadError(self.hidden[program])
        found = [process for process in self.list_on_node(program) if contained in (None, process.contained)]
        if _differ(found):
            found = [process for process in found if process.uid == 0] or found
        if not found and self.problem:
            raise HostReadError(self.problem)
        if not found:
            raise NotRunningError(f"no process called {program} is seen")
        if _differ(found):
            raise HostReadError(f"{len(found)} processes are called {program}, with different command lines")
        return found[0]

    def list_on_node(self, program: str) -> list[Process]:
        """The processes of a program that are in the network of the node, as far as that may be known."""
        own = next((process.network for process in self.processes if process.pid == 1), "")
        return [
            process
            for process in self.processes
            if process.program == program and not (own and process.network and process.network != own)
        ]


def list_processes(root: NodeRoot) -> RunningProcesses:
    """The processes that /proc below `root` shows."""
    try:
        names = root.list_names("/proc")
    except HostReadError as error:
        return RunningProcesses((), f"/proc: {error}")
    found = tuple(_processes(root, sorted(int(name) for name in names if name.isdecimal() and name.isascii())))
    return RunningProcesses(
        found, "" if found else "/proc shows no processes: it is that of the node where its PIDs are shared"
    )


def get_flag(words: Sequence[str], name: str) -> str:
    """The value of a flag in the words of a command line; the last one holds, a flag alone is `true`."""
    found = ""
    for index, word in enumerate(words):
        given, sign, value = word.partition("=")
        if not given.startswith("-") or given.lstrip("-").replace("_", "-") != name:
            continue
        following = words[index + 1] if index + 1 < len(words) else "-"
        found = value.strip("\"'") if sign else "true" if following.startswith("-") else following
    return found


def mask_words(words: Iterable[str]) -> list[str]:
    """The words of a command line with a mask in the place of what is secret; switches keep their value."""
    shown: list[str] = []
    secret = False
    for word in words:
        given, sign, value = word.partition("=")
        if secret and not _NEXT.fullmatch(word) and word.lower() not in _CONSTANTS:
            shown.append(MASK)
            secret = False
            continue
        secret = not sign and _is_secret(given)
        if sign and _is_secret(given) and value.lower() not in _CONSTANTS:
            shown.append(f"{given}={MASK}")
        else:
            shown.append(mask_queries(TOKEN_PATTERN.sub(MASK, word)))
    return shown


def _differ(processes: Iterable[Process]) -> bool:
    return len({process.words for process in processes}) > 1


def _is_secret(given: str) -> bool:
    return any(pattern.fullmatch(given) for pattern in (SECRET_FLAG, _KEYS, _HEADERS))


def _processes(root: NodeRoot, numbers: Iterable[int]) -> Iterator[Process]:
    for pid in numbers:
        try:
            words = _words(root.read_text(f"/proc/{pid}/cmdline", _LINE))
            status = dict(
                line.partition(":")[::2] for line in root.read_text(f"/proc/{pid}/status", _STATUS).splitlines()
            )
        except HostReadError:
            # It has ended, or shows itself to nobody.
            continue
        if not words and pid != 1:
            continue
        try:
            network = root.read_link(f"/proc/{pid}/ns/net")
        except HostReadError:
            network = ""
        yield Process(
            pid=pid,
            words=words or ("",),
            contained=len(status.get("NSpid", "").split()) > 1,
            uid=_first_number(status.get("Uid", "")),
            network=network,
        )


def _words(text: str) -> tuple[str, ...]:
    if not text.strip("\0 "):
        return ()
    words = text.removesuffix("\0").split("\0")
    # Who writes a title of its own in place of its arguments (k3s) leaves one text.
    return tuple(words if any(words[1:]) else words[0].split())


def _first_number(text: str) -> int:
    first = next(iter(text.split()), "")
    return int(first) if first.isdecimal() and len(first) <= _DIGITS else -1
