"""Supervisor process of a control plane, so that no process remains after its users have ended.

It locks its PID file during its lifetime: if that file is unlocked, the PID in it is stale. It ends on SIGTERM, if one
of its programs ends, and optionally if no process locks `users.lock` any more; the system releases that lock in any
case. Never ends a process that is not its child.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from tests.cluster.access import write_kubeconfig
from tests.cluster.builds import build_control_plane, build_node
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.control_plane import EndedError, format_log_end, is_listening, run_control_plane
from tests.cluster.layout import Layout
from tests.cluster.network import LOCAL
from tests.cluster.node import check_machine, open_host, start_node
from tests.cluster.users import ROBOT, UNAVAILABLE, create_defaults
from tests.oracles.program import lock_file

_POLL_SECONDS = 0.2
_HALT_SIGNAL, _START_SIGNAL = signal.SIGUSR1, signal.SIGUSR2
"""Signals that halt the API server and start it again."""
_SECONDS = 300
_ROOT = Path(__file__).parent.parent.parent


class AlreadyRunningError(RuntimeError):
    """A control plane is already running in the folder."""


def start(folder: Path, port: int | None = None, *, while_used: bool = False, has_node: bool = False) -> None:
    """Start a supervisor with a control plane in `folder`, and wait until it is ready, with its node if it has one.

    `port` is the port of the API server. Raises AlreadyRunningError, FileExistsError if the folder contains unrelated
    files, NoGoError, NoNodeError, and RuntimeError with the end of a log if it fails to start.
    """
    layout = Layout(folder)
    layout.claim()
    with lock_file(layout.start_lock):
        _start(layout, port, while_used=while_used, has_node=has_node)


def stop(folder: Path) -> bool:
    """End the supervisor of `folder` with its programs, and wait for that. False if none runs."""
    process = pid(folder)
    if process is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS
    while pid(folder) == process:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {process} does not end")
        time.sleep(0.05)
    return True


def pid(folder: Path) -> int | None:
    """Return the PID of the supervisor in `folder`, if it runs."""
    try:
        with Layout(folder).pid.open("rb") as opened:
            return None if _lock(opened, fcntl.LOCK_SH) else int(opened.read() or 0) or None
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def without_server(folder: Path) -> Iterator[None]:
    """Halt the API server of `folder` during the block, and wait until it is back; its data remains."""
    supervisor_pid, cluster = pid(folder), Cluster.at(folder)
    if supervisor_pid is None:
        raise RuntimeError(f"no cluster runs in {folder}")
    try:
        os.kill(supervisor_pid, _HALT_SIGNAL)
        # It stops being ready some time before it stops listening.
        eventually(lambda: not is_listening(cluster.address))
        yield
    finally:
        os.kill(supervisor_pid, _START_SIGNAL)
        deadline = time.monotonic() + _SECONDS
        while not _is_ready(cluster):
            if pid(folder) != supervisor_pid or time.monotonic() > deadline:
                raise RuntimeError(format_log_end(Layout(folder), "kube-apiserver"))
            time.sleep(0.05)


def _is_ready(cluster: Cluster) -> bool:
    """Return True if the API server is ready."""
    try:
        cluster.admin.text("GET", "/readyz")
    except (OSError, http.client.HTTPException, Refused):
        return False
    return True


@contextlib.contextmanager
def use_cluster(folder: Path, *, has_node: bool = False) -> Iterator[Cluster]:
    """Use the control plane in `folder`, started if necessary; the last user ends it.

    Raises the errors of `start`.
    """
    layout = Layout(folder)
    layout.claim()
    with layout.users.open("ab") as users_lock:
        with lock_file(layout.start_lock):
            fcntl.flock(users_lock, fcntl.LOCK_SH)
            if pid(folder) is None:
                _start(layout, None, while_used=True, has_node=has_node)
        yield Cluster.at(folder)


def _start(layout: Layout, port: int | None, *, while_used: bool, has_node: bool) -> None:
    if pid(layout.folder) is not None:
        raise AlreadyRunningError(f"a cluster runs in {layout.folder}")
    if has_node:
        check_machine()
        build_node()
    build_control_plane()
    layout.clear()
    command = [sys.executable, "-m", "tests.cluster.supervisor", str(layout.folder.resolve())]
    command += [] if port is None else [f"--port={port}"]
    command += ["--while-used"] if while_used else []
    command += ["--node"] if has_node else []
    log = layout.supervisor_log
    with log.open("wb") as opened:
        subprocess.run(
            command,
            cwd=_ROOT,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=opened,
            start_new_session=True,
        )
    deadline = time.monotonic() + _SECONDS
    while not layout.kubeconfig.exists():
        if pid(layout.folder) is None or time.monotonic() > deadline:
            stop(layout.folder)
            raise RuntimeError(log.read_text(encoding="utf-8", errors="replace").strip() or "the cluster did not start")
        time.sleep(0.05)


def main() -> int:
    """Run in the background and own a control plane until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--while-used", action="store_true")
    parser.add_argument("--node", action="store_true")
    options = parser.parse_args()
    layout = Layout(options.folder)
    os.umask(0o077)
    with layout.start_lock.open("ab") as start_lock, layout.pid.open("r+b") as pid_file:
        # Blocks only for a process that checks the lock: starting needs the start lock.
        fcntl.flock(pid_file, fcntl.LOCK_EX)
        if child := os.fork():  # the lock is the child's too, and stays
            pid_file.truncate(0)
            pid_file.write(str(child).encode())
            return 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        try:
            _supervise(
                layout,
                options.port,
                (lambda: _is_used(layout, start_lock)) if options.while_used else (lambda: True),
                has_node=options.node,
            )
        except (RuntimeError, TimeoutError) as error:
            print(error, file=sys.stderr)
            return 1
        layout.clear()
        return 0


def _supervise(layout: Layout, port: int | None, is_used: Callable[[], bool], *, has_node: bool) -> None:
    token = secrets.token_urlsafe(32)
    tokens = f'{token},{ROBOT},{ROBOT},""\n'
    requests: list[Callable[[], None]] = []
    with contextlib.ExitStack() as running:
        host = running.enter_context(open_host(layout)) if has_node else None
        network = LOCAL if host is None else host.network
        control_plane = running.enter_context(run_control_plane(layout, port, tokens, network))
        signal.signal(_HALT_SIGNAL, lambda *_: requests.append(lambda: control_plane.halt("kube-apiserver")))
        signal.signal(_START_SIGNAL, lambda *_: requests.append(lambda: control_plane.start("kube-apiserver")))
        cluster = Cluster(layout, control_plane.address)
        users = create_defaults(cluster, token)
        if host is None:
            cluster.apply([UNAVAILABLE])
        else:
            start_node(host, control_plane, cluster)
        write_kubeconfig(layout.kubeconfig, control_plane.address, layout.clients.pair.certificate, users)
        try:
            while is_used():
                if program := control_plane.find_ended_program():
                    raise EndedError(layout, program)
                while requests:
                    requests.pop(0)()
                time.sleep(_POLL_SECONDS)
        finally:
            layout.kubeconfig.unlink(missing_ok=True)


def _is_used(layout: Layout, start_lock: BinaryIO) -> bool:
    """Return True if a process locks `users.lock`. Otherwise the start lock is kept, so that no user comes meanwhile."""
    if not _lock(start_lock, fcntl.LOCK_EX):
        return True
    with layout.users.open("ab") as users:
        if _lock(users, fcntl.LOCK_EX):
            return False
    fcntl.flock(start_lock, fcntl.LOCK_UN)
    return True


def _lock(opened: BinaryIO, kind: int) -> bool:
    try:
        fcntl.flock(opened, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
