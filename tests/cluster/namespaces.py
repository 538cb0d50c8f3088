"""Program that prepares the mounts and the settings of a node in its namespaces, and keeps these open.

Runs alone, without the other modules. Never changes the mounts, the network or the settings of the machine.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_SEEN_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""Settings of the machine that a kubelet changes to these values. It sees them as set already."""
_NETWORK_SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/all/route_localnet": "1",
    "bridge/bridge-nf-call-iptables": "1",
}
"""Settings of the node's own network."""


def main(folder: Path) -> None:
    """Prepare the namespaces of this process, create the file `ready` in `folder`, and wait for a signal."""
    os.umask(0o022)
    socket.sethostname("node")
    _mount_cgroups()
    memory = folder / "memory"
    memory.mkdir()
    _mount("tmpfs", "tmpfs", memory, "mode=755")
    for name in ("upper", "work", "containerd", "kubelet"):
        (memory / name).mkdir()
    _mount("tmpfs", "tmpfs", Path("/run"), "mode=755")
    _mount("tmpfs", "tmpfs", Path("/var/log"), "mode=755")
    # Files that programs of the node add here stay in memory, which is removed faster than a disk.
    _mount("overlay", "overlay", Path("/var/lib"), f"lowerdir=/var/lib,upperdir={memory}/upper,workdir={memory}/work")
    for name in ("containerd", "kubelet"):
        Path("/var/lib", name).mkdir(exist_ok=True)
        _bind(memory / name, Path("/var/lib", name))
    for name, value in _SEEN_SETTINGS.items():
        file = memory / name.replace("/", ".")
        file.write_text(f"{value}\n", encoding="utf-8")
        _bind(file, Path("/proc/sys", name))
    _run("mount", "--make-rshared", "/")
    _run("ip", "link", "set", "lo", "up")
    for name, value in _NETWORK_SETTINGS.items():
        Path("/proc/sys/net", name).write_text(value, encoding="utf-8")
    (folder / "ready").touch()
    signal.pause()


def _mount_cgroups() -> None:
    """Mount the hierarchies of control groups again: their root is the group of this process then."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    _run("umount", "--recursive", str(_CGROUPS))
    _mount("tmpfs", "tmpfs", _CGROUPS, "mode=755")
    for line in lines:
        controllers = line.split(":")[1]
        mount_point = _CGROUPS / (controllers.removeprefix("name=") or "unified")
        mount_point.mkdir()
        if controllers:
            options = f"none,{controllers}" if controllers.startswith("name=") else controllers
            _mount("cgroup", "cgroup", mount_point, options)
        else:
            _mount("cgroup2", "cgroup2", mount_point)


def _mount(kind: str, source: str, target: Path, options: str = "defaults") -> None:
    _run("mount", "-t", kind, "-o", options, source, str(target))


def _bind(source: Path, target: Path) -> None:
    _run("mount", "--bind", str(source), str(target))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
