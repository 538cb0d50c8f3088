"""Programs that K3s runs inside its own process, with the command lines that it logs at start.

The log shows the effective settings: flags, configuration files, variables and defaults combined. The files may have
changed since. Never reads the memory of a process, and no token.
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
from kubekeep.sources.host.processes import HostProcess, RunningProcesses
from kubekeep.sources.host.root import HostReadError, NodeRoot

PROGRAMS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
"""Programs that K3s logs; etcd has no command line there."""
_TASKS: Final = frozenset({"server", "agent"})
_LOGGER: Final = "init"
"""First argument of the process that writes the log of another one to a file (`k3s server --log`)."""
_START_MESSAGE: Final = re.compile(
    rf'time="(?P<time>[^"]{{1,64}})" level=info msg="Running (?P<program>{"|".join(PROGRAMS)}) (?P<flags>(?:[^"\\]|\\.)*)"'
)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_FLAGS: Final = re.compile(r"\s+(?=--)")
_STAT_BYTES: Final = 1 << 22
_LOG_BYTES: Final = 256 << 20
_ROUNDING: Final = 1.0
"""Seconds by which timestamps of the log or the boot time may be rounded."""
_MOST_FILES: Final = 50


def add_embedded(root: NodeRoot, processes: RunningProcesses, program: str) -> RunningProcesses:
    """Add the programs embedded in `program` (`k3s`) to `processes`; no change if the layout embeds none."""
    if not program:
        return processes
    programs: dict[str, HostProcess] = {}
    why = "its log does not contain its arguments"
    try:
        host = _find_host(processes, program)
        with closing(_read_log(root, processes, host)) as lines:
            _parse_log(programs, host, lines)
    except HostReadError as error:
        why = str(error)
    hidden = {name: f"it runs inside the process of {program}: {why}" for name in PROGRAMS if name not in programs}
    return msgspec.structs.replace(processes, processes=(*processes.processes, *programs.values()), hidden=hidden)


def _find_host(processes: RunningProcesses, program: str) -> HostProcess:
    """Return the process that embeds the others. Raises HostReadError if it is not unique."""
    matches = [process for process in processes.list_on_node(program) if _TASKS.intersection(process.words[1:2])]
    matches = [process for process in matches if process.uid == 0] or matches
    if len(matches) == 1:
        return matches[0]
    raise HostReadError(
        f"{len(matches)} processes have the name {program}"
        if matches
        else processes.problem or f"no process with the name {program} is visible"
    )


def _parse_log(programs: dict[str, HostProcess], host: HostProcess, lines: Iterator[str]) -> None:
    """Parse the programs in a log into `programs`, as far as it can be read. Raises HostReadError.

    The first entry of each program counts: K3s starts each once, before it accepts requests.
    """
    for line in lines:
        match = _START_MESSAGE.fullmatch(line.strip())
        if match is None or match["program"] in programs:
            continue
        flags = _FLAGS.split(_ESCAPED.sub(r"\1", match["flags"]).strip())
        programs[match["program"]] = msgspec.structs.replace(host, words=(match["program"], *filter(None, flags)))
        if len(programs) == len(PROGRAMS):
            return


def _read_log(root: NodeRoot, processes: RunningProcesses, host: HostProcess) -> Generator[str, None, None]:
    """Yield the log lines of a process since its start, from the target of its standard error. Raises HostReadError."""
    try:
        parent, started = _read_start(root, host.pid)
        target = root.read_link(f"/proc/{host.pid}/fd/2")
        paths = _list_log_files(root, processes, host, parent) if target.startswith("pipe:") else [target]
    except HostReadError as error:
        raise HostReadError(f"the destination of its log is unknown: {error}") from None
    if target.startswith("socket:"):
        try:
            yield from read_messages(root, host.pid, started)
        except HostReadError as error:
            raise HostReadError(f"the journal cannot be read: {error}") from None
        return
    since = _read_boot_time(root) + started - _ROUNDING
    for path in paths:
        try:
            for line in root.read_lines(path, _LOG_BYTES):
                # The log file may begin with entries of previous processes.
                if 'msg="Running ' in line and _parse_time(line) >= since:
                    yield line
        except HostReadError as error:
            raise HostReadError(f"its log cannot be read: {path}: {error}") from None


def _list_log_files(root: NodeRoot, processes: RunningProcesses, host: HostProcess, parent: int) -> list[str]:
    """Return the open files of the process that reads the output of `host`. Raises HostReadError."""
    logger = next((process for process in processes.processes if process.pid == parent), None)
    if logger is None or logger.program != host.program or logger.words[1:2] != (_LOGGER,):
        raise HostReadError("it logs to a pipe")
    links = [
        root.read_link(f"/proc/{parent}/fd/{number}") for number in root.list_names(f"/proc/{parent}/fd")[:_MOST_FILES]
    ]
    return list(dict.fromkeys(link for link in links if link.startswith("/") and not link.startswith("/dev/")))


def _read_start(root: NodeRoot, pid: int) -> tuple[int, float]:
    """Return the parent of a process and its start time in seconds after boot (proc(5)). Raises HostReadError."""
    # The program name, in brackets, may contain any character.
    fields = root.read_text(f"/proc/{pid}/stat", _STAT_BYTES).rpartition(")")[2].split()
    try:
        return int(fields[1]), int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (IndexError, ValueError, OverflowError):
        raise HostReadError("its start time is unknown") from None


def _read_boot_time(root: NodeRoot) -> float:
    """Return the boot time in seconds since 1970. Raises HostReadError."""
    try:
        lines = root.read_text("/proc/stat", _STAT_BYTES).splitlines()
    except HostReadError as error:
        raise HostReadError(f"the boot time of the node is unknown: /proc/stat: {error}") from None
    for line in lines:
        name, _, value = line.partition(" ")
        if name == "btime" and value.isdecimal():
            return float(value)
    raise HostReadError("the boot time of the node is unknown")


def _parse_time(line: str) -> float:
    """Return the time of a line in seconds since 1970; 0 if it has none."""
    match = _START_MESSAGE.fullmatch(line.strip())
    try:
        moment = dt.datetime.fromisoformat(match["time"]) if match else None
    except ValueError:
        moment = None
    return moment.timestamp() if moment is not None and moment.tzinfo is not None else 0.0
