"""Slots for nodes on this machine: each has its own addresses, network device and control groups.

A slot belongs to the process that locks its file. The file lists what the node has outside of its namespaces, so that
the next process removes what a killed one left. Never touches anything else.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

import msgspec

from tests.cluster.cgroups import create_groups, list_groups, remove_groups
from tests.cluster.network import NodeNetwork

SLOTS_FOLDER: Final = Path("/run/kubekeep-nodes")
_COUNT: Final = 8


class Slot(msgspec.Struct, frozen=True):
    """A slot of this process: its number and its control groups."""

    number: int
    groups: tuple[Path, ...]

    @property
    def network(self) -> NodeNetwork:
        return NodeNetwork.of_slot(self.number)

    @property
    def device(self) -> str:
        return _device(self.number)


@contextlib.contextmanager
def claim_slot() -> Iterator[Slot]:
    """Claim a slot and create its control groups. Afterwards, end all processes in them and remove the network device.

    Removes what killed processes left first. Raises RuntimeError if all slots are in use.
    """
    SLOTS_FOLDER.mkdir(exist_ok=True)
    clear_slots()
    for number in range(_COUNT):
        with _file(number).open("a+", encoding="utf-8") as record:
            if not _lock(record):
                continue
            _clear(number, record)
            groups = list_groups(f"kubekeep-node-{number}")
            record.writelines(f"{group}\n" for group in groups)
            record.flush()
            try:
                create_groups(groups)
                yield Slot(number, tuple(groups))
            finally:
                _clear(number, record)
            return
    raise RuntimeError(f"{_COUNT} nodes run on this machine, which is the maximum")


def clear_slots() -> None:
    """Remove what killed processes left in their slots."""
    for number in range(_COUNT):
        with (
            contextlib.suppress(FileNotFoundError, PermissionError),
            _file(number).open("r+", encoding="utf-8") as record,
        ):
            if _lock(record):
                _clear(number, record)


def _clear(number: int, record: TextIO) -> None:
    record.seek(0)
    groups = [Path(line) for line in record.read().splitlines()]
    if groups:
        remove_groups(groups)
        subprocess.run(["ip", "link", "delete", _device(number)], check=False, stderr=subprocess.DEVNULL)
    record.truncate(0)


def _lock(record: TextIO) -> bool:
    try:
        fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file(number: int) -> Path:
    return SLOTS_FOLDER / str(number)


def _device(number: int) -> str:
    return f"kubekeep{number}"
