"""A control plane lives until its last user ends or it is stopped, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import supervisor
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.control_plane import free_port
from tests.cluster.layout import Layout

_ROOT = Path(__file__).parent.parent.parent
_USE = """
import sys
from pathlib import Path
from tests.cluster.supervisor import used
with used(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def user(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the cluster of `folder` until its standard input is closed."""
    command = [sys.executable, "-c", _USE, str(folder)]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        yield process


def addresses(folder: Path) -> list[str]:
    """Return the addresses of the programs of a cluster."""
    return [Cluster.at(folder).address, Layout(folder).storage_address.read_text()]


def listening(address: str) -> bool:
    url = urllib.parse.urlsplit(address)
    try:
        socket.create_connection((url.hostname, url.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.cluster", *map(str, arguments)],
        cwd=_ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_last_user_ends_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    with user(tmp_path) as first:
        owner, where = supervisor.pid(tmp_path), addresses(tmp_path)
        with user(tmp_path) as second:
            assert supervisor.pid(tmp_path) == owner
            first.communicate("")
            assert cluster.address not in where
            assert [listening(address) for address in where] == [True, True]
            second.kill()
        eventually(lambda: supervisor.pid(tmp_path) is None)
    assert [listening(address) for address in where] == [False, False]
    assert not (tmp_path / "kubeconfig").exists()
    assert not (tmp_path / "run").exists()


_TWO_TESTS = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_writes_down_where_its_cluster_is(cluster, worker_id, number):
    with open(f"{__file__}.{worker_id}", "w") as written:
        written.write(cluster.address)
"""


def run_tests(folder: Path, environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a new process, on two tests that record the address of their cluster."""
    file = folder / "test_shared.py"
    file.write_text(_TWO_TESTS)
    plugins = ["-p", "no:cacheprovider", "-p", "tests.cluster.fixtures"]
    folders = [f"--basetemp={folder / 'temporary'}", f"--rootdir={folder}"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, *plugins, *folders, str(file)],
        cwd=_ROOT,
        env={name: value for name, value in environment.items() if not name.startswith("PYTEST_")},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_workers_share_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    ran = run_tests(tmp_path, dict(os.environ), "-n2", "--dist=each")
    assert ran.returncode == 0, ran.stdout
    recorded = [written.read_text() for written in tmp_path.glob("test_shared.py.gw*")]
    assert (len(recorded), len(set(recorded))) == (2, 1)
    assert cluster.address not in recorded
    eventually(lambda: not listening(recorded[0]))


@pytest.mark.parametrize(("extra", "summary"), [({}, "2 skipped"), ({"CI": "true"}, "2 errors")])
def test_without_go_tests_are_skipped_except_in_ci(extra: dict[str, str], summary: str, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "PATH"}}
    ran = run_tests(tmp_path, kept | extra | {"XDG_CACHE_HOME": str(tmp_path / "cache")}, "-rs")
    assert summary in ran.stdout
    assert "go is not installed" in ran.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_programs_end_with_a_killed_supervisor(own_cluster: Cluster) -> None:
    folder = own_cluster.layout.folder
    where, owner = addresses(folder), supervisor.pid(folder)
    assert owner is not None
    os.kill(owner, signal.SIGKILL)
    eventually(lambda: not any(listening(address) for address in where))
    assert supervisor.pid(folder) is None
    own_cluster.layout.clear()  # its own supervisor was killed


def checkout(folder: Path) -> Path:
    """A checkout with a setup script that does nothing, as this one is already set up."""
    (folder / "scripts").mkdir(parents=True)
    for name in ("tests", "examples", ".venv"):
        (folder / name).symlink_to(_ROOT / name)
    shutil.copy(_ROOT / "scripts" / "cluster", folder / "scripts" / "cluster")
    setup = folder / "scripts" / "setup"
    setup.write_text("#!/bin/sh\necho setup >&2\n")
    setup.chmod(0o755)
    return folder


def test_up_and_down(cluster: Cluster, tmp_path: Path) -> None:
    """Runs the script from another folder, next to a cluster that must not change."""
    root = checkout(tmp_path / "checkout")

    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            [root / "scripts" / "cluster", *map(str, arguments)],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ran.stderr.startswith("setup\n")
        return ran

    assert cluster.layout.folder != tmp_path
    folder, port = tmp_path / "mine", free_port()
    assert command("status", "--dir", "mine").returncode == 1
    try:
        up = command("up", "--dir", "mine", "--port", port)
        assert up.returncode == 0, up.stderr
        assert f"https://127.0.0.1:{port}" in up.stdout
        assert f"export KUBECONFIG={folder}/kubeconfig" in up.stdout
        names = {
            deployment["metadata"]["name"]
            for deployment in Cluster.at(folder).admin("GET", "/apis/apps/v1/deployments")["items"]
        }
        assert "storefront" in names
        again = command("up", "--dir", folder)
        assert (again.returncode, again.stderr.splitlines()[-1]) == (1, f"cluster: a cluster runs in {folder}")
        assert command("status", "--dir", folder).stdout == up.stdout
        where = addresses(folder)
    finally:
        down = command("down", "--dir", folder)
    assert (down.returncode, down.stdout) == (0, "ended\n")
    assert [listening(address) for address in where] == [False, False]
    assert not folder.exists()
    assert command("down", "--dir", folder).stdout == f"there is no cluster in {folder}\n"
    assert cluster.admin("GET", "/version")["gitVersion"]


def test_unrelated_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    refused = command("up", "--dir", tmp_path)
    assert (refused.returncode, "it holds letter.txt" in refused.stderr) == (1, True)
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


def test_stale_pid_file_ends_no_process(tmp_path: Path) -> None:
    Layout(tmp_path).claim()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (tmp_path / "pid").write_text(str(bystander.pid))
        ended = command("down", "--dir", tmp_path)
        assert (ended.returncode, bystander.poll()) == (0, None)
        bystander.kill()


def test_end_of_the_log_is_reported(cluster: Cluster, tmp_path: Path) -> None:
    port = urllib.parse.urlsplit(cluster.address).port
    failed = command("up", "--dir", tmp_path / "mine", "--port", port)
    assert failed.returncode == 1
    assert "kube-apiserver has ended" in failed.stderr
    assert "address already in use" in failed.stderr
    assert command("down", "--dir", tmp_path / "mine").returncode == 0


_RACE = """
import socket, sys
from pathlib import Path
from tests.cluster import control_plane
from tests.cluster.layout import Layout

def taken():
    listener = socket.create_server((control_plane.LOOPBACK, choose()))
    held.append(listener)
    return listener.getsockname()[1]

held, choose = [], control_plane.free_port
# Ports of API server and etcd for each attempt.
ports = iter([taken(), choose(), choose(), taken()])
control_plane.free_port = lambda: next(ports, None) or choose()
with control_plane.running(Layout(Path(sys.argv[1])), None, 'a,b,c,""\\n') as plane:
    print(plane.address)
    print(*(listener.getsockname()[1] for listener in held), len([*ports]))
"""


def test_taken_port_is_replaced(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.address
    ran = subprocess.run(
        [sys.executable, "-c", _RACE, tmp_path / "one"],
        cwd=_ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    address, held = ran.stdout.splitlines()
    first, second, left = held.split()
    assert str(urllib.parse.urlsplit(address).port) not in (first, second)
    assert left == "0"


def test_halted_api_server_keeps_its_data(own_cluster: Cluster) -> None:
    folder = own_cluster.layout.folder
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    own_cluster.apply([shop])
    with supervisor.without_server(folder):
        assert not listening(own_cluster.address)
        assert supervisor.pid(folder) is not None
    assert own_cluster.admin("GET", "/api/v1/namespaces/shop")["metadata"]["name"] == "shop"
