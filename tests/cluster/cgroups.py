"""Control groups of this machine: groups of a node in every hierarchy, and the end of all processes in them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_MEMBERSHIP = Path("/proc/self/cgroup")
_SECONDS = 60


def list_groups(name: str) -> list[Path]:
    """Return the paths of the groups called `name` below those of this process, one for each hierarchy."""
    hierarchies = [*_list_hierarchies()]
    groups = []
    for line in _MEMBERSHIP.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        required = set(controllers.split(",")) - {""}
        for options, root, mount_point in hierarchies:
            if required <= options if required else not options:
                groups.append(mount_point / os.path.relpath(path, root) / name)
                break
    return groups


def has_version_1() -> bool:
    """Return True if the controllers that a node needs are in hierarchies of version 1."""
    options = {option for options, _, _ in _list_hierarchies() for option in options}
    return {"cpu", "memory", "pids"} <= options


def create_groups(groups: Sequence[Path]) -> None:
    """Create the groups."""
    for group in groups:
        group.mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):
            # A group without processors and memory accepts no process.
            if (group / name).exists():
                (group / name).write_text((group.parent / name).read_text(encoding="utf-8"), encoding="utf-8")


def remove_groups(groups: Sequence[Path]) -> None:
    """End all processes in the groups, and remove the groups with all below them. Raises TimeoutError."""
    deadline = time.monotonic() + _SECONDS
    while any(group.exists() for group in groups):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the processes in these control groups do not end: {', '.join(map(str, groups))}")
        for group in groups:
            for folder, _, _ in os.walk(group, topdown=False):
                _end_processes(Path(folder))
                # It fails until the processes have ended.
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        time.sleep(0.02)


def _end_processes(group: Path) -> None:
    with contextlib.suppress(OSError):
        for process in (group / "cgroup.procs").read_text(encoding="utf-8").split():
            os.kill(int(process), signal.SIGKILL)


def _list_hierarchies() -> Iterator[tuple[set[str], str, Path]]:
    """Yield the options, the root and the mount point of each hierarchy; that of version 2 has no options."""
    for line in _MOUNTS.read_text(encoding="utf-8").splitlines():
        mount, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, mount_point = mount.split(" ")[3:5]
            yield set() if kind == "cgroup2" else set(options.split(",")), root, Path(mount_point)
