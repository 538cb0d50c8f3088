"""The command line of a watch: what it prints and serves, how it ends, and what it refuses."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tests.cluster.cluster import Cluster, eventually
from tests.usecases.test_watch import deployment

from kubekeep.cli.arguments import loopback
from kubekeep.cli.watch import command
from kubekeep.model.control import Control
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.resource import Resource
from kubekeep.model.watch import Turn, Turned
from kubekeep.reports.shared.watched import document, line


class Running:
    """A watch that runs, and its lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: queue.Queue[str] = queue.Queue()
        for stream, into in ((process.stdout, self.lines), (process.stderr, self.errors)):
            threading.Thread(target=self._read, args=(stream, into), daemon=True).start()

    def _read(self, stream: Any, into: queue.Queue[str]) -> None:
        for text in stream:
            into.put(text)

    def next(self) -> str:
        return self.lines.get(timeout=60)

    def until(self, words: str) -> str:
        """The next line with these words."""
        while words not in (text := self.next()):
            pass
        return text


@contextlib.contextmanager
def running(cluster: Cluster, *arguments: str) -> Iterator[Running]:
    """`kubekeep watch` with `arguments`, on the cluster."""
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
    with subprocess.Popen(
        [sys.executable, "-m", "kubekeep", "watch", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Running(process)
        finally:
            if process.poll() is None:
                process.kill()


def asked(port: int, path: str) -> tuple[int, str]:
    """Status and text of what is served."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_changes_serves_metrics_and_ends_when_told(
    cluster: Cluster, namespace: str, ending: signal.Signals
) -> None:
    options = ("control", "C-0057", "--include-namespaces", namespace, "--format", "json", "--metrics", "0")
    with running(cluster, *options) as watch:
        served = re.fullmatch(r"metrics: http://127\.0\.0\.1:(\d+)/metrics\n", watch.errors.get(timeout=60))
        assert served
        port = int(served[1])
        began = json.loads(watch.next())
        assert (began["event"], began["notShown"]) == ("began", 0)
        cluster.apply([deployment(namespace, privileged=True)])
        turned = json.loads(watch.next())
        assert (turned["event"], turned["control"]["id"]) == ("failed", "C-0057")
        assert turned["resource"] == {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": namespace,
            "name": "cart",
        }
        assert [item["path"] for item in turned["evidence"]] == [
            "spec.template.spec.containers[0].securityContext.privileged"
        ]
        eventually(lambda: asked(port, "/readyz") == (200, "ok\n"))
        assert asked(port, "/healthz") == (200, "ok\n")
        assert asked(port, "/other")[0] == 404

        def metrics() -> bool:
            status, text = asked(port, "/metrics")
            failed = f'kubescape_resource_count_controls_failed{{apiVersion="apps/v1",kind="Deployment",namespace="{namespace}",name="cart"}} 1'
            return status == 200 and failed in text and "\nkubekeep_watch_gaps 0\n" in text

        eventually(metrics)
        watch.process.send_signal(ending)
        assert watch.process.wait(10) == 0
        assert watch.errors.empty()


def test_it_prints_lines_for_people(cluster: Cluster, namespace: str) -> None:
    with running(cluster, "control", "C-0057", "--include-namespaces", namespace) as watch:
        assert re.fullmatch(r"\d\d:\d\d:\d\d watching admin: [\d,]+ objects, 0 findings\n", watch.next())
        cluster.apply([deployment(namespace, privileged=True)])
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\d FAILED   High     Deployment {namespace}/cart: .+ \(C-0057\): "
            r"spec\.template\.spec\.containers\[0\]\.securityContext\.privileged.*\n",
            watch.next(),
        )
        cluster.apply([deployment(namespace, privileged=False)])
        assert " mended   High     Deployment " in watch.next()
        watch.process.terminate()
        assert watch.process.wait(10) == 0


def test_a_cluster_that_cannot_be_reached_ends_it(cluster: Cluster, tmp_path: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": f"https://name.invalid:{port}"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a"}}],
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    result = CliRunner().invoke(command, ["--kubeconfig", str(path)])
    assert result.exit_code == 3
    assert "cannot be reached" in result.output
    assert cluster.address not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["."], "watch is for a cluster"),
        (["workload", "shop/deployment/cart"], "no single workload"),
        (["--incremental"], "is for scans"),
        (["--metrics", "ninety"], "is no [ADDRESS:]PORT"),
        (["--metrics", "70000"], "is no [ADDRESS:]PORT"),
    ],
)
def test_what_cannot_be_watched_is_a_usage_error(cluster: Cluster, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(
        command, [*arguments, *(() if "." in arguments else ("--kubeconfig", str(cluster.kubeconfig)))]
    )
    assert result.exit_code == 2
    assert message in result.output


def test_a_port_that_is_taken_is_a_usage_error(cluster: Cluster) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = ["--kubeconfig", str(cluster.kubeconfig), "--metrics", str(taken.getsockname()[1])]
        result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert "cannot listen" in result.output


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9090", ("127.0.0.1", 9090)),
        (":9090", ("127.0.0.1", 9090)),
        ("10.0.0.1:9090", ("10.0.0.1", 9090)),
        ("[::1]:0", ("::1", 0)),
        (None, None),
    ],
)
def test_without_an_address_it_is_this_machine(text: str | None, address: tuple[str, int] | None) -> None:
    assert loopback(click.Context(command), click.Option(["--metrics"]), text) == address


def test_names_of_a_cluster_steer_no_terminal_and_break_no_line() -> None:
    control = Control(slug="one", title="One", severity=8.0, asks="", why="", fix="")
    hostile = "a\x1b[31m\nFAILED b"
    resource = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": hostile}})
    verdict = Verdict(Status.FAILED, (Evidence(path="", exists=False, message=hostile),))
    now = dt.datetime.now(dt.UTC)
    turned = Turned(now, Turn.FAILED, control, resource, verdict)
    assert "\x1b" not in line(turned)
    assert "\n" not in line(turned)
    assert json.loads(document(turned))["resource"]["name"] == hostile
    assert "\n" not in document(turned)
