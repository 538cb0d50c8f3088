"""`watch --submit` sends the state of a real cluster and its changes, and the last state at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kubekeep.model.scanned_source import SourceCluster
from tests.cluster.cluster import Cluster, eventually
from tests.command_line import run_command_line
from tests.uplink.service import TOKEN, Service, serve
from tests.usecases.test_watch import deployment


def list_findings(service: Service) -> list[str]:
    """Return the definitions of the findings in the state of the server."""
    return [
        finding.definition
        for state in service.states.values()
        for entry in state.subjects
        for finding in entry.findings
    ]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_watch_sends_its_states(cluster: Cluster, namespace: str, ending: signal.Signals, tmp_path: Path) -> None:
    with serve() as service:
        variables = {"KUBECONFIG": str(cluster.kubeconfig), "KUBEKEEP_TOKEN": TOKEN, "XDG_STATE_HOME": str(tmp_path)}
        options = ("control", "C-0057", "--include-namespaces", namespace, "--submit", "--server", service.address)
        with subprocess.Popen(
            [sys.executable, "-m", "kubekeep", "watch", *options],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                eventually(lambda: service.documents)
                cluster.apply([deployment(namespace, privileged=True)])
                # Printed after the evaluation; the interval between two submissions has not ended.
                assert process.stdout is not None
                while "C-0057" not in process.stdout.readline():
                    pass
                process.send_signal(ending)
                _, messages = process.communicate()
            finally:
                process.kill()
        assert process.returncode == 0
        assert list_findings(service) == ["C-0057"]
        assert [bool(document.base) for document in service.documents] == [False, True]
        assert isinstance(service.documents[0].source, SourceCluster)
        assert f"Submitted to {service.address}: 2 opened, 1 closed" in messages


def test_watch_of_an_absent_server_goes_on(cluster: Cluster, namespace: str) -> None:
    variables = {"KUBECONFIG": str(cluster.kubeconfig), "KUBEKEEP_TOKEN": TOKEN}
    options = ("control", "C-0057", "-n", namespace, "--submit", "--server", "http://127.0.0.1:1")
    with subprocess.Popen(
        [sys.executable, "-m", "kubekeep", "watch", *options],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert "the watch sends its latest state later" in process.stderr.readline()
            cluster.apply([deployment(namespace, privileged=True)])
            assert process.stdout is not None
            while "C-0057" not in process.stdout.readline():
                pass
            process.terminate()
            _, messages = process.communicate()
        finally:
            process.kill()
    assert process.returncode == 0
    assert "the last state is not on the server" in messages


def test_scan_of_a_cluster_is_sent(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.apply([deployment(namespace, privileged=True)])
    variables = {"KUBECONFIG": str(cluster.kubeconfig), "KUBEKEEP_TOKEN": TOKEN, "XDG_STATE_HOME": str(tmp_path)}
    with serve() as service:
        options = ("-n", namespace, "--quiet", "--submit", "--server", service.address)
        result = run_command_line("scan", "control", "C-0057", *options, variables=variables)
        assert result.returncode == 0, result.stderr
        assert list_findings(service) == ["C-0057"]
        assert isinstance(service.documents[0].source, SourceCluster)


@pytest.mark.parametrize("command", ["scan", "watch"])
def test_missing_permission_is_named(cluster: Cluster, namespace: str, command: str) -> None:
    kubeconfig = cluster.user("blind", [])
    process = subprocess.run(
        [sys.executable, "-m", "kubekeep", command, "-n", namespace, "--submit", "--server", "http://127.0.0.1:1"],
        env=os.environ | {"KUBECONFIG": str(kubeconfig), "KUBEKEEP_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert "grant the permission get for this namespace" in " ".join(process.stderr.split())
