"""The programs that K3s runs inside its own process, by the command lines that it logs when it starts them.

The log is the word of the process that runs: flags, configuration files, variables and defaults came together in it,
and those files may have been changed since. Never reads the memory of a process, and no token.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Final

import msgspec

from kubekeep.sources.host.journal import read_messages
from kubekeep.sources.host.processes import Process, RunningProcesses
from kubekeep.sources.host.root import HostReadError, NodeRoot

PROGRAMS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
"""Those that K3s logs; etcd has no command line there."""
_TASKS: Final = frozenset({"server", "agent"})
_LOGGER: Final = "init"
"""What the process calls itself that writes the log of another one to a file (`k3s server --log`)."""
_LOGGED: Final = re.compile(
    rf'time="(?P<time>[^"]{{1,64}})" level=info msg="Running (?P<program>{"|".join(PROGRAMS)}) (?P<flags>(?:[^"\\]|\\.)*)"'
)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_FLAGS: Final = re.compile(r"\s+(?=--)")
_STAT: Final = 1 << 22
_LOG: Final = 256 << 20
_ROUNDING: Final = 1.0
"""Seconds that a moment of the log or of the start of the node may be cut by."""
_MOST_FILES: Final = 50


def add_embedded(root: NodeRoot, seen: RunningProcesses, program: str) -> RunningProcesses:
    """`seen` with what `program` (`k3s`) runs inside its process; with nothing more where no program does that."""
    if not program:
        return seen
    found: dict[str, Process] = {}
    why = "its log does not say how it was started"
    try:
        host = _host(seen, program)
        with closing(_logged(root, seen, host)) as lines:
            _gather(found, host, lines)
    except HostReadError as error:
        why = str(error)
    hidden = {name: f"{program} runs it in its own process: {why}" for name in PROGRAMS if name not in found}
    return msgspec.structs.replace(seen, processes=(*seen.processes, *found.values()), hidden=hidden)


def _host(seen: RunningProcesses, program: str) -> Process:
    """The process that runs the others. Raises UnreadableError if none is certain."""
    found = [process for process in seen.list_on_node(program) if _TASKS.intersection(process.words[1:2])]
    found = [process for process in found if process.uid == 0] or found
    if len(found) == 1:
        return found[0]
    raise HostReadError(
        f"{len(found)} processes are called {program}"
        if found
        else seen.problem or f"no process called {program} is seen"
    )


def _gather(found: dict[str, Process], host: Process, lines: Iterator[str]) -> None:
    """Put the programs that a log tells of into `found`, as far as it can be read. Raises UnreadableError.

    The first word counts: K3s starts each of them once, and before it serves anybody.
    """
    for line in lines:
        match = _LOGGED.fullmatch(line.strip())
        if match is None or match["program"] in found:
            continue
        flags = _FLAGS.split(_ESCAPED.sub(r"\1", match["flags"]).strip())
        found[match["program"]] = msgspec.structs.replace(host, words=(match["program"], *filter(None, flags)))
        if len(found) == len(PROGRAMS):
            return


def _logged(root: NodeRoot, seen: RunningProcesses, host: Process) -> Generator[str, None, None]:
    """What a process has logged since it started, where its standard error leads. Raises UnreadableError."""
    try:
        parent, started = _birth(root, host.pid)
        place = root.read_link(f"/proc/{host.pid}/fd/2")
        paths = _written_by(root, seen, host, parent) if place.startswith("pipe:") else [place]
    except HostReadError as error:
        raise HostReadError(f"where it logs to is not known: {error}") from None
    if place.startswith("socket:"):
        try:
            yield from read_messages(root, host.pid, started)
        except HostReadError as error:
            raise HostReadError(f"the journal was not read: {error}") from None
        return
    since = _boot(root) + started - _ROUNDING
    for path in paths:
        try:
            for line in root.read_lines(path, _LOG):
                # A log goes on where that of the process before ended.
                if 'msg="Running ' in line and _moment(line) >= since:
                    yield line
        except HostReadError as error:
            raise HostReadError(f"its log was not read: {path}: {error}") from None


def _written_by(root: NodeRoot, seen: RunningProcesses, host: Process, parent: int) -> list[str]:
    """The files that the process has open which reads what `host` logs. Raises UnreadableError."""
    logger = next((process for process in seen.processes if process.pid == parent), None)
    if logger is None or logger.program != host.program or logger.words[1:2] != (_LOGGER,):
        raise HostReadError("a pipe")
    links = [
        root.read_link(f"/proc/{parent}/fd/{number}") for number in root.list_names(f"/proc/{parent}/fd")[:_MOST_FILES]
    ]
    return list(dict.fromkeys(link for link in links if link.startswith("/") and not link.startswith("/dev/")))


def _birth(root: NodeRoot, pid: int) -> tuple[int, float]:
    """(its parent, the seconds from the start of the node to its own) of a process (proc(5)). Raises UnreadableError."""
    # Its name, in brackets, may hold anything.
    fields = root.read_text(f"/proc/{pid}/stat", _STAT).rpartition(")")[2].split()
    try:
        return int(fields[1]), int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (IndexError, ValueError, OverflowError):
        raise HostReadError("when it started is not told") from None


def _boot(root: NodeRoot) -> float:
    """The moment at which the node was started, in seconds since 1970. Raises UnreadableError."""
    try:
        lines = root.read_text("/proc/stat", _STAT).splitlines()
    except HostReadError as error:
        raise HostReadError(f"when the node was started is not known: /proc/stat: {error}") from None
    for line in lines:
        name, _, value = line.partition(" ")
        if name == "btime" and value.isdecimal():
            return float(value)
    raise HostReadError("when the node was started is not known")


def _moment(line: str) -> float:
    """The moment of a line, in seconds since 1970; the first of all where it has none."""
    match = _LOGGED.fullmatch(line.strip())
    try:
        moment = dt.datetime.fromisoformat(match["time"]) if match else None
    except ValueError:
        moment = None
    return moment.timestamp() if moment is not None and moment.tzinfo is not None else 0.0
