"""Rules, dashboards and alerts with real metrics: a watch and a scan, a Prometheus server and an Alertmanager."""

from __future__ import annotations

import contextlib
import http.server
import json
import queue
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.cluster.cluster import Cluster
from tests.cluster.samples import samples
from tests.loopback import serving
from tests.prometheus.servers import PrometheusServer, find_program, run_alertmanager, run_prometheus, wait_for

ROOT = Path(__file__).parents[2]
RULES = ROOT / "integrations" / "prometheus" / "rules.yaml"
GRAFANA = ROOT / "integrations" / "grafana"
DASHBOARDS = ("posture", "watch")
UNREADABLE = "kind: *missing\n"


class Monitoring(msgspec.Struct):
    """A running Prometheus server, and the alerts that the webhook receives."""

    prometheus: PrometheusServer
    alerts: queue.Queue[dict[str, Any]]


@pytest.fixture(scope="module")
def monitoring(module_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    """Yield monitoring of a watch of the cluster, and of the metrics of a scan as a file."""
    folder = tmp_path_factory.mktemp("monitoring")
    module_cluster.apply(samples())
    alerts: queue.Queue[dict[str, Any]] = queue.Queue()
    with (
        _watch(module_cluster.kubeconfig, folder) as watch_address,
        _serve_file(_scan(folder)) as file_address,
        _receive(alerts) as receiver,
        run_alertmanager(folder / "alertmanager", receiver) as alertmanager,
        run_prometheus(
            folder / "prometheus",
            _make_immediate(folder),
            {"watch": watch_address, "scan": file_address},
            alertmanager,
        ) as prometheus,
    ):
        wait_for(lambda: len(prometheus.query("count_over_time(kubekeep_watch_objects[1m]) > 3")) == 1)
        wait_for(lambda: len(prometheus.query("kubekeep:findings:sum")) == 2)
        yield Monitoring(prometheus, alerts)


@contextlib.contextmanager
def _watch(kubeconfig: Path, folder: Path) -> Iterator[str]:
    """Yield the address of the metrics of `kubekeep watch`."""
    with (folder / "watch.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "kubekeep", "watch", "--kubeconfig", str(kubeconfig), "--metrics", "0"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            match = re.search(r"http://(127\.0\.0\.1:\d+)/metrics", process.stderr.readline())
            assert match
            yield match[1]
        finally:
            process.terminate()
            process.communicate(timeout=120)


def _scan(folder: Path) -> str:
    """Return the metrics of a scan, of the example and of a file that cannot be read."""
    deploy = folder / "deploy"
    shutil.copytree(ROOT / "examples" / "online-shop", deploy)
    (deploy / "broken.yaml").write_text(UNREADABLE)
    command = [sys.executable, "-m", "kubekeep", "scan", "framework", "nsa,recommended", "deploy"]
    result = subprocess.run(
        [*command, "-f", "prometheus", "-o", "m.prom"], cwd=folder, capture_output=True, check=False, timeout=60
    )
    assert result.returncode == 3, result.stderr
    # The textfile collector reads only files with this extension.
    assert [path.name for path in folder.glob("m.prom*")] == ["m.prom"]
    text = (folder / "m.prom").read_text()
    check = [find_program("promtool"), "check", "metrics"]
    subprocess.run(check, input=text, text=True, check=True, timeout=120)
    return text


@contextlib.contextmanager
def _serve_file(text: str) -> Iterator[str]:
    """Yield the address of a server that answers with the metrics."""

    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

    with serving(Metrics) as port:
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def _receive(alerts: queue.Queue[dict[str, Any]]) -> Iterator[str]:
    """Yield the URL of a webhook that puts its alerts into a queue."""

    class Webhook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for alert in json.loads(body)["alerts"]:
                alerts.put(alert)
            self.send_response(200)
            self.end_headers()

    with serving(Webhook) as port:
        yield f"http://127.0.0.1:{port}/alerts"


def _make_immediate(folder: Path) -> Path:
    """Return a copy of the rules whose alerts do not wait."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(rules))
    return path


def test_rules_pass_their_unit_tests() -> None:
    promtool = find_program("promtool")
    for command in (["check", "rules", RULES.name], ["test", "rules", "rules.test.yaml"]):
        result = subprocess.run(
            [promtool, *command], cwd=RULES.parent, capture_output=True, text=True, check=False, timeout=60
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert "SUCCESS" in result.stdout


def test_every_alert_has_a_unit_test() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    tests = yaml.safe_load(RULES.with_name("rules.test.yaml").read_text())["tests"]
    firing = {alert["alertname"] for test in tests for alert in test.get("alert_rule_test", ()) if alert["exp_alerts"]}
    assert firing == {rule["alert"] for rule in rules if "alert" in rule}


def test_guide_lists_alerts_and_metrics() -> None:
    guide = (ROOT / "docs" / "guides" / "prometheus.md").read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert re.findall(r"^\| `(Kubekeep\w+)` \|", guide, re.MULTILINE) == [
        rule["alert"] for rule in rules if "alert" in rule
    ]
    golden = ROOT / "tests" / "reports" / "golden"
    reports = (golden / "prometheus.prom", golden / "vulnerabilities" / "prometheus.prom")
    report = "".join(path.read_text(encoding="utf-8") for path in reports)
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `kubekeep_")]
    listed = {name for row in rows for name in re.findall(r"`(kubekeep_\w+)`", row)}
    assert listed == {*re.findall(r"^# TYPE (\w+)", report, re.MULTILINE)}


def test_dashboards_are_up_to_date() -> None:
    # A process of its own: the SDK warns that the layout of Grafana 12 and older is not the newest.
    check = [sys.executable, str(GRAFANA / "dashboards.py"), "--check"]
    result = subprocess.run(check, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert sorted(path.stem for path in GRAFANA.glob("*.json")) == sorted(DASHBOARDS)


def _list_queries(dashboard: str) -> list[tuple[str, str, bool]]:
    """Return title, expression and kind of each query of a dashboard: True for one moment."""
    document = json.loads((GRAFANA / f"{dashboard}.json").read_text(encoding="utf-8"))
    return [
        (panel["title"], target["expr"], target["instant"])
        for panel in document["panels"]
        for target in panel.get("targets", ())
    ]


def test_query_of_every_panel_has_a_result(monitoring: Monitoring) -> None:
    queries = [query for name in DASHBOARDS for query in _list_queries(name)]
    assert len(queries) > 20
    empty = []
    for title, expression, is_instant in queries:
        query = expression.replace("$instance", ".*").replace("$__rate_interval", "1m")
        assert "$" not in query
        series = monitoring.prometheus.query(query) if is_instant else monitoring.prometheus.query_range(query)
        samples = [value for entry in series for value in entry.get("values", [entry.get("value")])]
        if not samples or any(value == "NaN" for _, value in samples):
            empty.append(title)
    assert empty == []


def test_tables_have_their_columns(monitoring: Monitoring) -> None:
    for name in DASHBOARDS:
        for panel in json.loads((GRAFANA / f"{name}.json").read_text())["panels"]:
            for transformation in panel.get("transformations", ()):
                columns = {*transformation["options"]["renameByName"]} - {"Value"}
                query = panel["targets"][0]["expr"].replace("$instance", ".*")
                for sample in monitoring.prometheus.query(query):
                    assert columns <= {*sample["metric"]}, panel["title"]


def test_variables_have_values(monitoring: Monitoring) -> None:
    assert {target["health"] for target in monitoring.prometheus.list_targets()} == {"up"}
    for name, jobs in (("posture", {"watch", "scan"}), ("watch", {"watch"})):
        document = json.loads((GRAFANA / f"{name}.json").read_text())
        query = next(entry["query"] for entry in document["templating"]["list"] if entry["name"] == "instance")
        match = re.fullmatch(r"label_values\((\w+), instance\)", query)
        assert match
        assert {sample["metric"]["job"] for sample in monitoring.prometheus.query(match[1])} == jobs


def test_figures_are_those_of_the_scan(monitoring: Monitoring) -> None:
    (unread,) = monitoring.prometheus.query('kubekeep_unread{job="scan"}')
    assert unread["value"][1] == "1"
    (by_severity,) = monitoring.prometheus.query('sum(kubekeep_findings{job="scan"})')
    (by_namespace,) = monitoring.prometheus.query('sum(kubekeep_namespace_findings{job="scan"})')
    (recorded,) = monitoring.prometheus.query('kubekeep:findings:sum{job="scan"}')
    assert by_severity["value"][1] == by_namespace["value"][1] == recorded["value"][1] != "0"


def test_alert_is_delivered(monitoring: Monitoring) -> None:
    def receive() -> dict[str, Any] | None:
        with contextlib.suppress(queue.Empty):
            while alert := monitoring.alerts.get_nowait():
                if alert["labels"]["alertname"] == "KubekeepInputUnread":
                    return alert
        return None

    alert = wait_for(receive)
    assert alert["status"] == "firing"
    assert alert["labels"]["job"] == "scan"
    assert alert["labels"]["severity"] == "warning"
    assert alert["annotations"]["summary"].startswith("1 parts of the input of 127.0.0.1:")
