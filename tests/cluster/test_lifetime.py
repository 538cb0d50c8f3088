"""A control plane lives until its last user ends or it is stopped, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import supervisor
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.control_plane import is_listening
from tests.cluster.layout import Layout
from tests.ports import check_port, start_on_free_port

_ROOT = Path(__file__).parent.parent.parent
_USE = """
import sys
from pathlib import Path
from tests.cluster.supervisor import use_cluster
with use_cluster(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def run_user(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the cluster of `folder` until its standard input is closed."""
    arguments = [sys.executable, "-c", _USE, str(folder)]
    with subprocess.Popen(arguments, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        yield process


def addresses(folder: Path) -> list[str]:
    """Return the addresses of the programs of a cluster."""
    return [Cluster.at(folder).address, Layout(folder).storage_address.read_text()]


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.cluster", *map(str, arguments)],
        cwd=_ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_last_user_ends_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    with run_user(tmp_path) as first:
        supervisor_pid, program_addresses = supervisor.pid(tmp_path), addresses(tmp_path)
        with run_user(tmp_path) as second:
            assert supervisor.pid(tmp_path) == supervisor_pid
            first.communicate("")
            assert cluster.address not in program_addresses
            assert [is_listening(address) for address in program_addresses] == [True, True]
            second.kill()
        eventually(lambda: supervisor.pid(tmp_path) is None)
    assert [is_listening(address) for address in program_addresses] == [False, False]
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
    process = run_tests(tmp_path, dict(os.environ), "-n2", "--dist=each")
    assert process.returncode == 0, process.stdout
    recorded = [written.read_text() for written in tmp_path.glob("test_shared.py.gw*")]
    assert (len(recorded), len(set(recorded))) == (2, 1)
    assert cluster.address not in recorded
    eventually(lambda: not is_listening(recorded[0]))


@pytest.mark.parametrize(("extra", "summary"), [({}, "2 skipped"), ({"CI": "true"}, "2 errors")])
def test_without_go_tests_are_skipped_except_in_ci(extra: dict[str, str], summary: str, tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in {"CI", "PATH"}}
    process = run_tests(tmp_path, inherited | extra | {"XDG_CACHE_HOME": str(tmp_path / "cache")}, "-rs")
    assert summary in process.stdout
    assert "go is not installed" in process.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_programs_end_with_a_killed_supervisor(own_cluster: Cluster) -> None:
    folder = own_cluster.layout.folder
    program_addresses, supervisor_pid = addresses(folder), supervisor.pid(folder)
    assert supervisor_pid is not None
    os.kill(supervisor_pid, signal.SIGKILL)
    eventually(lambda: not any(is_listening(address) for address in program_addresses))
    assert supervisor.pid(folder) is None
    own_cluster.layout.clear()  # its own supervisor was killed


def create_checkout(folder: Path) -> Path:
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
    root = create_checkout(tmp_path / "checkout")

    def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
        process = subprocess.run(
            [root / "scripts" / "cluster", *map(str, arguments)],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert process.stderr.startswith("setup\n")
        return process

    assert cluster.layout.folder != tmp_path

    def bring_up(port: int) -> subprocess.CompletedProcess[str]:
        up = run_command("up", "--dir", "mine", "--port", port)
        check_port(up.stderr)
        assert up.returncode == 0, up.stderr
        assert f"https://127.0.0.1:{port}" in up.stdout
        return up

    folder = tmp_path / "mine"
    assert run_command("status", "--dir", "mine").returncode == 1
    try:
        up = start_on_free_port(bring_up)
        assert f"export KUBECONFIG={folder}/kubeconfig" in up.stdout
        names = {
            deployment["metadata"]["name"]
            for deployment in Cluster.at(folder).admin("GET", "/apis/apps/v1/deployments")["items"]
        }
        assert "storefront" in names
        second_up = run_command("up", "--dir", folder)
        assert (second_up.returncode, second_up.stderr.splitlines()[-1]) == (1, f"cluster: a cluster runs in {folder}")
        assert run_command("status", "--dir", folder).stdout == up.stdout
        program_addresses = addresses(folder)
    finally:
        down = run_command("down", "--dir", folder)
    assert (down.returncode, down.stdout) == (0, "ended\n")
    assert [is_listening(address) for address in program_addresses] == [False, False]
    assert not folder.exists()
    assert run_command("down", "--dir", folder).stdout == f"there is no cluster in {folder}\n"
    assert cluster.admin("GET", "/version")["gitVersion"]


def test_unrelated_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    refused = run_command("up", "--dir", tmp_path)
    assert (refused.returncode, "it holds letter.txt" in refused.stderr) == (1, True)
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


def test_stale_pid_file_ends_no_process(tmp_path: Path) -> None:
    Layout(tmp_path).claim()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (tmp_path / "pid").write_text(str(bystander.pid))
        ended = run_command("down", "--dir", tmp_path)
        assert (ended.returncode, bystander.poll()) == (0, None)
        bystander.kill()


def test_end_of_the_log_is_reported(cluster: Cluster, tmp_path: Path) -> None:
    port = urllib.parse.urlsplit(cluster.address).port
    failed = run_command("up", "--dir", tmp_path / "mine", "--port", port)
    assert failed.returncode == 1
    assert "kube-apiserver has ended" in failed.stderr
    assert "address already in use" in failed.stderr
    assert run_command("down", "--dir", tmp_path / "mine").returncode == 0


_RACE = """
import socket, sys
from pathlib import Path
from tests import ports
from tests.cluster import control_plane
from tests.cluster.layout import Layout

def taken():
    listener = socket.create_server(("127.0.0.1", choose()))
    held.append(listener)
    return listener.getsockname()[1]

held, choose = [], ports.select_port
# Ports of API server and etcd for each attempt.
prepared = iter([taken(), choose(), choose(), taken()])
ports.select_port = lambda *_: next(prepared, None) or choose()
with control_plane.run_control_plane(Layout(Path(sys.argv[1])), None, 'a,b,c,""\\n') as plane:
    print(plane.address)
    print(*(listener.getsockname()[1] for listener in held), len([*prepared]))
"""


def test_taken_port_is_replaced(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.address
    process = subprocess.run(
        [sys.executable, "-c", _RACE, tmp_path / "one"],
        cwd=_ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    address, taken_ports = process.stdout.splitlines()
    first, second, unused_count = taken_ports.split()
    assert str(urllib.parse.urlsplit(address).port) not in (first, second)
    assert unused_count == "0"


def test_halted_api_server_keeps_its_data(own_cluster: Cluster) -> None:
    folder = own_cluster.layout.folder
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    own_cluster.apply([shop])
    with supervisor.without_server(folder):
        assert not is_listening(own_cluster.address)
        assert supervisor.pid(folder) is not None
    assert own_cluster.admin("GET", "/api/v1/namespaces/shop")["metadata"]["name"] == "shop"
