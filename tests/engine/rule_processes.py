"""Processes that evaluate custom rules, as Linux lists them."""

from __future__ import annotations

import os
from pathlib import Path


def find_processes(scan: int) -> set[int]:
    """Return the IDs of the processes that the process `scan` has started for custom rules."""
    children = Path(f"/proc/{scan}/task").glob("*/children")
    pids = {int(pid) for file in children for pid in _read(file).split()}
    return {pid for pid in pids if b"kubekeep.engine.isolation" in _read(Path(f"/proc/{pid}/cmdline"))}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def read_processor_seconds(pid: int) -> float:
    """Return the processor time of a process; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_alive(pid: int) -> bool:
    """Return True unless the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
