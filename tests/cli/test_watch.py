"""The command line of a watch: output, HTTP pages, shutdown and usage errors."""

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
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tests.cluster.cluster import Cluster, eventually
from tests.kube.faults import Exchange, always, front
from tests.usecases.test_watch import deployment

from kubekeep.cli.console.arguments import parse_listen_address
from kubekeep.cli.watch import command
from kubekeep.kube.errors import KubeconfigError
from kubekeep.model.control import Control
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.model.watch import ConnectionChanged, VerdictChange, VerdictChanged, WatchEvent, WatchStarted
from kubekeep.reports.shared.watch_output import event_lines, json_lines
from kubekeep.usecases.cluster_access import ClusterSelection, request_cluster


class Running:
    """Running watch with its output lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: queue.Queue[str] = queue.Queue()
        for stream, lines in ((process.stdout, self.lines), (process.stderr, self.errors)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    def _read(self, stream: Any, lines: queue.Queue[str]) -> None:
        for text in stream:
            lines.put(text)

    def next(self) -> str:
        return self.lines.get(timeout=60)

    def list_errors(self) -> list[str]:
        """Return the lines of standard error that were read until now."""
        return list(self.errors.queue)


@contextlib.contextmanager
def running(kubeconfig: Path, *arguments: str) -> Iterator[Running]:
    """Run `kubekeep watch` with `arguments` on the cluster of a kubeconfig."""
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
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


def fetch(port: int, path: str) -> tuple[int, str]:
    """Return status and text of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_prints_changes_serves_metrics_and_ends_on_a_signal(
    cluster: Cluster, namespace: str, ending: signal.Signals
) -> None:
    options = ("control", "C-0057", "--include-namespaces", namespace, "--format", "json", "--metrics", "0")
    with running(cluster.kubeconfig, *options, "--kubescape-metrics") as watch:
        served = re.fullmatch(r"metrics: http://127\.0\.0\.1:(\d+)/metrics\n", watch.errors.get(timeout=60))
        assert served
        port = int(served[1])
        began = json.loads(watch.next())
        assert (began["event"], began["notShown"]) == ("began", 0)
        cluster.apply([deployment(namespace, privileged=True)])
        verdict_change = json.loads(watch.next())
        assert (verdict_change["event"], verdict_change["control"]["id"]) == ("failed", "C-0057")
        assert verdict_change["resource"] == {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": namespace,
            "name": "cart",
        }
        assert [evidence["path"] for evidence in verdict_change["evidence"]] == [
            "spec.template.spec.containers[0].securityContext.privileged"
        ]
        eventually(lambda: fetch(port, "/readyz") == (200, "ok\n"))
        assert fetch(port, "/healthz") == (200, "ok\n")
        assert fetch(port, "/other")[0] == 404

        def metrics() -> bool:
            status, text = fetch(port, "/metrics")
            failed = f'kubekeep_namespace_findings{{namespace="{namespace}",severity="high"}} 1'
            by_resource = f'kubescape_resource_count_controls_failed{{apiVersion="apps/v1",kind="Deployment",namespace="{namespace}",name="cart"}} 1'
            return status == 200 and failed in text and by_resource in text and "\nkubekeep_watch_gaps 0\n" in text

        eventually(metrics)
        watch.process.send_signal(ending)
        assert watch.process.wait(120) == 0
        assert watch.errors.empty()


def test_prints_text(cluster: Cluster, namespace: str) -> None:
    with running(cluster.kubeconfig, "control", "C-0057", "--include-namespaces", namespace) as watch:
        assert re.fullmatch(r"\d\d:\d\d:\d\d watching admin: [\d,]+ objects?, 0 findings\n", watch.next())
        cluster.apply([deployment(namespace, privileged=True)])
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\d FAILED   High     Deployment {namespace}/cart: .+ \(C-0057\): "
            r"spec\.template\.spec\.containers\[0\]\.securityContext\.privileged.*\n",
            watch.next(),
        )
        cluster.apply([deployment(namespace, privileged=False)])
        assert " fixed    High     Deployment " in watch.next()
        watch.process.terminate()
        assert watch.process.wait(60) == 0, watch.list_errors()


def config(server: str) -> dict[str, Any]:
    """Return a kubeconfig without a user."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "contexts": [{"name": "a", "context": {"cluster": "a"}}],
    }


def test_unreachable_cluster_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    with socket.socket() as used_port:
        used_port.bind(("127.0.0.1", 0))
        port = used_port.getsockname()[1]
    path = tmp_path / "config"
    path.write_text(json.dumps(config(f"https://name.invalid:{port}")))
    result = CliRunner().invoke(command, ["--kubeconfig", str(path)])
    assert result.exit_code == 3
    assert "cannot be reached" in result.output
    assert cluster.address not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["."], "watch requires a live cluster"),
        (["workload", "shop/deployment/cart"], "does not accept a single workload"),
        (["--incremental"], "No such option"),
        (["--snapshot"], "No such option"),
        (["--values", "values.yaml"], "No such option"),
        (["--cluster-policies"], "No such option"),
        (["--use-from", "bundle.json"], "No such option"),
        (["--cloud"], "No such option"),
        (["--host-scan"], "No such option"),
        (["--metrics", "ninety"], "is not [ADDRESS:]PORT"),
        (["--metrics", "70000"], "is not [ADDRESS:]PORT"),
    ],
)
def test_unsupported_options_are_usage_errors(cluster: Cluster, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(
        command, [*arguments, *(() if "." in arguments else ("--kubeconfig", str(cluster.kubeconfig)))]
    )
    assert result.exit_code == 2
    assert message in result.output


def test_used_port_is_a_usage_error(cluster: Cluster) -> None:
    with socket.socket() as used_port:
        used_port.bind(("127.0.0.1", 0))
        used_port.listen()
        arguments = ["--kubeconfig", str(cluster.kubeconfig), "--metrics", str(used_port.getsockname()[1])]
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
def test_default_address_is_loopback(text: str | None, address: tuple[str, int] | None) -> None:
    assert parse_listen_address(click.Context(command), click.Option(["--metrics"]), text) == address


def verdict_change(name: str, number: int, change: VerdictChange, message: str = "") -> VerdictChanged:
    """Return a changed verdict of a control on a Pod."""
    control = Control(slug=f"c{number}", title=f"Control {number}", severity=9.0 - number, asks="", why="", fix="")
    resource = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}})
    evidence = Evidence(path="", exists=False, message=message)
    verdict = None if change in (VerdictChange.GONE, VerdictChange.UNKNOWN) else Verdict(Status.FAILED, (evidence,))
    return VerdictChanged(dt.datetime.now(dt.UTC), change, control, resource, verdict)


def test_hostile_names_are_escaped_in_events() -> None:
    hostile = "a\x1b[31m\nFAILED b"
    events: list[WatchEvent] = [
        verdict_change(hostile, 1, VerdictChange.FAILED, hostile),
        ConnectionChanged(dt.datetime.now(dt.UTC), hostile),
    ]
    for line in event_lines(events):
        assert line.isprintable()
    documents = [json.loads(text) for text in json_lines(events)]
    assert documents[0]["resource"]["name"] == documents[1]["why"] == hostile
    assert not any("\n" in text for text in json_lines(events))


def test_findings_of_deleted_object_share_a_text_line() -> None:
    """Text output has one line per object, JSON output one line per finding."""
    events = [
        verdict_change("a", 1, VerdictChange.GONE),
        verdict_change("b", 1, VerdictChange.GONE),
        verdict_change("a", 2, VerdictChange.GONE),
    ]
    events.append(verdict_change("a", 3, VerdictChange.FIXED))
    ids = [event.control.id for event in events]
    assert [text[9:] for text in event_lines(events)] == [
        f"removed  High     Pod shop/a: 2 findings: {ids[0]}, {ids[2]}",
        f"fixed    Medium   Pod shop/a: Control 3 ({ids[3]})",
        f"removed  High     Pod shop/b: Control 1 ({ids[1]})",
    ]
    assert [text if text.startswith(" ") else text[9:] for text in event_lines(events, 60)] == [
        "Pod shop/a",
        f"  removed  High     2 findings: {ids[0]}, {ids[2]}",
        f"  fixed    Medium   Control 3 ({ids[3]})",
        "Pod shop/b",
        f"  removed  High     Control 1 ({ids[1]})",
    ]
    assert [json.loads(text)["event"] for text in json_lines(events)] == ["gone", "gone", "gone", "fixed"]
    hidden = [verdict_change("a", 1, VerdictChange.UNKNOWN), verdict_change("a", 2, VerdictChange.UNKNOWN)]
    assert [text[9:] for text in event_lines(hidden)] == [
        f"unknown  High     Pod shop/a: 2 findings: {ids[0]}, {ids[2]}"
    ]


@pytest.mark.parametrize("width", [20, 60, 100])
def test_event_lines_fit_the_terminal_width(width: int) -> None:
    events: list[WatchEvent] = [verdict_change("n" * 250, 1, VerdictChange.FAILED, "there is no reason " * 20)]
    events.append(ConnectionChanged(dt.datetime.now(dt.UTC), "nobody is there " * 20))
    lines = [*event_lines(events, width)]
    assert max(map(len, lines)) <= max(width, 60)
    text = " ".join(" ".join(line.split()) for line in lines)
    assert text.count("there is no reason") == 20
    assert text.count("nobody is there") == 20


def test_singular_forms() -> None:
    now = dt.datetime.now(dt.UTC)
    events: list[WatchEvent] = [
        WatchStarted(now, "a", 1, 1, 1),
        WatchStarted(now, "a", 2000, 0, 0),
        ConnectionChanged(now, ""),
    ]
    assert [text[9:] for text in event_lines(events)] == [
        "watching a: 1 object, 1 finding, 1 coverage gap",
        "watching a: 2,000 objects, 0 findings",
        "connection to the cluster restored",
    ]
    assert [json.loads(text)["event"] for text in json_lines(events)] == ["began", "began", "resumed"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_ends_during_a_pending_request(cluster: Cluster, tmp_path: Path, ending: signal.Signals) -> None:
    """End the watch during the first list requests."""
    end_time = threading.Event()

    def wait(exchange: Exchange) -> None:
        end_time.wait(60)
        exchange.drop()

    with front(cluster, always(lambda request: "limit" in request.query, wait)) as before:
        kubeconfig = tmp_path / "config"
        kubeconfig.write_text(json.dumps(config(before.url)))
        with running(kubeconfig) as watch:
            eventually(before.lists)
            watch.process.send_signal(ending)
            assert watch.process.wait(120) == 0
            assert watch.lines.empty()
            assert watch.errors.empty()
        end_time.set()


def test_reloaded_kubeconfig_keeps_the_context(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(json.dumps(config("https://one.example.com")))
    request = request_cluster(ClusterSelection(kubeconfig=str(kubeconfig), user="ann"))
    assert request.reload_access is not None
    assert request.reload_access() == request.access
    changed_kubeconfig = config("https://two.example.com")
    changed_kubeconfig["contexts"].append({"name": "b", "context": {"cluster": "c"}})
    kubeconfig.write_text(json.dumps(changed_kubeconfig | {"current-context": "b"}))
    access = request.reload_access()
    assert (access.name, access.server, access.impersonation.user) == ("a", "https://two.example.com", "ann")
    kubeconfig.unlink()
    with pytest.raises(KubeconfigError):
        request.reload_access()
