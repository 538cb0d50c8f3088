"""Kubernetes programs that run on a node, by their command lines in /proc. Never reads the memory of a process."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.secret_text import MASK, is_secret_flag, token_pattern
from kubekeep.sources.host.configuration import mask_queries
from kubekeep.sources.host.root import HostReadError, NodeRoot

_LINE_BYTES: Final = 1 << 20
_STATUS_BYTES: Final = 1 << 16
_DIGITS: Final = 10
"""Digits of the largest user id, which has 32 bits."""
_KEY_FLAGS: Final = re.compile(r"--?[\w.-]*(?:secret|private|encryption|account)[-_]?key")
_HEADER_FLAGS: Final = re.compile(r"--?[\w.-]*url[-_]headers?")
"""Flags with headers of requests (`--manifest-url-header`), not flags with names of headers."""
_FLAG: Final = re.compile(r"--[a-z][\w.-]*(?:=.*)?", re.DOTALL)
"""A word that is another flag, not a secret that begins with dashes."""
_CONSTANTS: Final = frozenset({"", "true", "false", "t", "f", "1", "0"})


class HostProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process.

    words: words of its command line. is_contained: it has its own PID namespace, as containers do. network: identifier
    of its network namespace; empty if access is denied.
    """

    pid: int
    words: tuple[str, ...]
    is_contained: bool
    uid: int
    network: str

    @property
    def program(self) -> str:
        """Name of the program: `kubelet`."""
        return posixpath.basename(self.words[0])

    @property
    def line(self) -> str:
        """Command line with secrets masked; a flag before an empty word becomes `--flag=`, so that it stays empty."""
        words: list[str] = []
        for word in mask_words(self.words):
            if word:
                words.append(word)
            elif words and words[-1].startswith("-") and "=" not in words[-1]:
                words[-1] += "="
        return " ".join(words)

    def get_flag(self, name: str) -> str:
        """Return the value of a flag, the last one if it is repeated; "" if it is absent."""
        return get_flag(self.words, name)


class NotRunningError(HostReadError):
    """No visible process runs the program."""


class RunningProcesses(msgspec.Struct, frozen=True):
    """All visible processes.

    problem: the reason that others are missing, or empty. hidden: reasons by program that is not visible as a process.
    """

    processes: tuple[HostProcess, ...]
    problem: str = ""
    hidden: Mapping[str, str] = {}

    def find(self, program: str, *, is_contained: bool | None = None) -> HostProcess:
        """Return the process of a program. Raises HostReadError if it is not unique, NotRunningError if there is none.

        is_contained: only processes in a container, or only others; None for both. Only processes in the network of the
        node count, if that is known. Of several with different command lines only those of root count, because any user
        can start a program with this name; for the same reason no process counts for a program in `hidden`.
        """
        if program in self.hidden:
            raise HostReadError(self.hidden[program])
        matches = [process for process in self.list_on_node(program) if is_contained in (None, process.is_contained)]
        if _have_different_words(matches):
            matches = [process for process in matches if process.uid == 0] or matches
        if not matches and self.problem:
            raise HostReadError(self.problem)
        if not matches:
            raise NotRunningError(f"no process with the name {program} is visible")
        if _have_different_words(matches):
            raise HostReadError(f"{len(matches)} processes with the name {program} have different command lines")
        return matches[0]

    def list_on_node(self, program: str) -> list[HostProcess]:
        """Return the processes of a program in the network of the node, if that is known."""
        node_network = next((process.network for process in self.processes if process.pid == 1), "")
        return [
            process
            for process in self.processes
            if process.program == program and not (node_network and process.network and process.network != node_network)
        ]


def list_processes(root: NodeRoot) -> RunningProcesses:
    """Read the processes in /proc below `root`."""
    try:
        names = root.list_names("/proc")
    except HostReadError as error:
        return RunningProcesses((), f"/proc: {error}")
    processes = tuple(_read_processes(root, sorted(int(name) for name in names if name.isdecimal() and name.isascii())))
    return RunningProcesses(
        processes,
        "" if processes else "/proc shows no processes: share the PID namespace of the node, for example with hostPID",
    )


def get_flag(words: Sequence[str], name: str) -> str:
    """Return the value of a flag in a command line, the last one if repeated; `true` for a flag without a value."""
    result = ""
    for index, word in enumerate(words):
        flag, sign, value = word.partition("=")
        if not flag.startswith("-") or flag.lstrip("-").replace("_", "-") != name:
            continue
        next_word = words[index + 1] if index + 1 < len(words) else "-"
        result = value.strip("\"'") if sign else "true" if next_word.startswith("-") else next_word
    return result


def mask_words(words: Iterable[str]) -> list[str]:
    """Return a command line with secrets masked; boolean values stay."""
    masked: list[str] = []
    is_value_secret = False
    for word in words:
        flag, sign, value = word.partition("=")
        if is_value_secret and not _FLAG.fullmatch(word) and word.lower() not in _CONSTANTS:
            masked.append(MASK)
            is_value_secret = False
            continue
        is_value_secret = not sign and _is_secret(flag)
        if sign and _is_secret(flag) and value.lower() not in _CONSTANTS:
            masked.append(f"{flag}={MASK}")
        else:
            masked.append(mask_queries(token_pattern().sub(MASK, word)))
    return masked


def _have_different_words(processes: Iterable[HostProcess]) -> bool:
    return len({process.words for process in processes}) > 1


def _is_secret(flag: str) -> bool:
    return is_secret_flag(flag) or any(pattern.fullmatch(flag) for pattern in (_KEY_FLAGS, _HEADER_FLAGS))


def _read_processes(root: NodeRoot, pids: Iterable[int]) -> Iterator[HostProcess]:
    for pid in pids:
        try:
            words = _split_words(root.read_text(f"/proc/{pid}/cmdline", _LINE_BYTES))
            status = dict(
                line.partition(":")[::2] for line in root.read_text(f"/proc/{pid}/status", _STATUS_BYTES).splitlines()
            )
        except HostReadError:
            # The process has ended, or access is denied.
            continue
        if not words and pid != 1:
            continue
        try:
            network = root.read_link(f"/proc/{pid}/ns/net")
        except HostReadError:
            network = ""
        yield HostProcess(
            pid=pid,
            words=words or ("",),
            is_contained=len(status.get("NSpid", "").split()) > 1,
            uid=_parse_first_number(status.get("Uid", "")),
            network=network,
        )


def _split_words(text: str) -> tuple[str, ...]:
    if not text.strip("\0 "):
        return ()
    words = text.removesuffix("\0").split("\0")
    # A program that overwrites its arguments with a title (k3s) leaves a single string.
    return tuple(words if any(words[1:]) else words[0].split())


def _parse_first_number(text: str) -> int:
    first = next(iter(text.split()), "")
    return int(first) if first.isdecimal() and len(first) <= _DIGITS else -1
