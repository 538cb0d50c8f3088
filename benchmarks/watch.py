"""Run `kubekeep watch` under churn: `PYTHONPATH=. python benchmarks/watch.py --minutes 30`.

Fills a real API server (tests/cluster) with generated objects, changes them at a steady rate, and prints a table with
the latency of verdicts, the memory of the watch, and the differences between its final state and a scan. Asserts
nothing, because machines differ and are shared. All content is fictitious.
"""

from __future__ import annotations

import argparse
import copy
import http.client
import json
import os
import queue
import random
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import corpus
from tests.cluster.cluster import Cluster
from tests.cluster.supervisor import use_cluster

NAMESPACES = 40
ACCOUNTS = 60
WRITERS = 4
RESULT_FAMILIES = ("kubescape_", "kubekeep_control_")
"""Families of metrics with results; the others contain times."""
MERGE = "application/strategic-merge-patch+json"
WATCHED_CONTROL = "privileged-container"
PLURALS = {"NetworkPolicy": "networkpolicies"}
KubernetesObject = dict[str, Any]


class Writer:
    """A persistent connection to the API server."""

    def __init__(self, cluster: Cluster) -> None:
        pair = cluster.layout.pair("admin")
        context = ssl.create_default_context(cafile=cluster.authority)
        context.load_cert_chain(pair.certificate, pair.key)
        host = urllib.parse.urlsplit(cluster.address).netloc
        self._connection = http.client.HTTPSConnection(host, timeout=120, context=context)

    def __call__(
        self, method: str, path: str, body: KubernetesObject | None = None, content_type: str = "application/json"
    ) -> int:
        """Send a request and return the status of the response."""
        self._connection.request(
            method, path, None if body is None else json.dumps(body), {"Content-Type": content_type}
        )
        response = self._connection.getresponse()
        response.read()
        return response.status


def collection(resource: KubernetesObject) -> str:
    """Return the path of the collection of an object."""
    version, kind, metadata = resource["apiVersion"], resource["kind"], resource["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace_part = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{namespace_part}/{PLURALS.get(kind, kind.lower() + 's')}"


def path(resource: KubernetesObject) -> str:
    """Return the path of an object."""
    return f"{collection(resource)}/{resource['metadata']['name']}"


def adapt(resource: KubernetesObject) -> KubernetesObject:
    """Return a generated object with the changes that an API server requires."""
    spec = resource.get("spec", {})
    for template in (spec.get("template"), spec.get("jobTemplate", {}).get("spec", {}).get("template")):
        if template and resource["kind"] in ("Job", "CronJob"):
            template["spec"]["restartPolicy"] = "Never"
    if resource["kind"] == "DaemonSet":
        spec.pop("replicas")
    pod = find_pod_spec(resource)
    for container in (*pod.get("containers", ()), *pod.get("initContainers", ())) if pod else ():
        if container.get("securityContext", {}).get("privileged"):
            container["securityContext"]["allowPrivilegeEscalation"] = True
        if any(
            capability.startswith("SYS_ADMIN")
            for capability in container.get("securityContext", {}).get("capabilities", {}).get("add", ())
        ):
            container["securityContext"]["allowPrivilegeEscalation"] = True
    for container in pod.get("initContainers", ()) if pod else ():
        container.pop("readinessProbe", None)
    return resource


def find_pod_spec(resource: KubernetesObject) -> KubernetesObject | None:
    """Return the pod spec of an object, or None."""
    spec = resource.get("spec", {})
    if resource["kind"] == "Pod":
        pod_spec: KubernetesObject = spec
        return pod_spec
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return None if template is None else template["spec"]


def is_privileged(container: KubernetesObject) -> bool:
    """Return True if `privileged` is set."""
    return bool((container.get("securityContext") or {}).get("privileged"))


def is_equally_privileged(container: KubernetesObject) -> bool:
    """Return True if a capability makes the container as powerful as `privileged`: it fails the control anyway."""
    return "SYS_ADMIN" in (container.get("securityContext") or {}).get("capabilities", {}).get("add", ())


def fill(cluster: Cluster, count: int) -> list[KubernetesObject]:
    """Create up to `count` objects in the cluster and return the ones that it accepted."""
    admin = Writer(cluster)
    for number in range(NAMESPACES):
        name = f"ns-{number}"
        admin("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for account in ("default", *(f"account-{one}" for one in range(0, ACCOUNTS, 6))):
            metadata = {"name": account, "namespace": name}
            admin("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": metadata})
    started_count = NAMESPACES * (2 + ACCOUNTS // 6)
    local = threading.local()
    created: list[KubernetesObject] = []

    def create(resource: KubernetesObject) -> None:
        writer = getattr(local, "writer", None) or Writer(cluster)
        local.writer = writer
        if (
            len(created) < count - started_count
            and writer("POST", collection(resource), resource) == http.HTTPStatus.CREATED
        ):
            created.append(resource)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(create, map(adapt, corpus.objects(count * 5 // 4))))
    return created


class OutputReader:
    """Reader of the output of the watch."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.start_events: queue.Queue[KubernetesObject] = queue.Queue()
        self.changed_at: dict[tuple[str, str, str], float] = {}
        self.count = 0
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            now = time.monotonic()
            event = json.loads(line)
            self.count += 1
            if event["event"] == "began":
                self.start_events.put(event)
            elif event.get("control", {}).get("name") == WATCHED_CONTROL:
                subject = event["resource"]
                self.changed_at[subject["kind"], subject["name"], event["event"]] = now


class Churn:
    """Changes to the objects of a cluster at a fixed rate."""

    def __init__(self, cluster: Cluster, resources: list[KubernetesObject], lines: OutputReader) -> None:
        self._cluster = cluster
        self._lines = lines
        self._dice = random.Random(1)
        self._lock = threading.Lock()
        self._extra_count = 0
        self.pending: dict[tuple[str, str, str], float] = {}
        self.latencies: list[float] = []
        self.missing = self.request_count = self.refused = 0
        by_kind: dict[str, list[KubernetesObject]] = {}
        for resource in resources:
            by_kind.setdefault(resource["kind"], []).append(resource)
        self._kinds = by_kind
        self._turn = self._turns([*by_kind["Deployment"], *by_kind["StatefulSet"]])
        self._extra: list[KubernetesObject] = []
        self._makers: tuple[Callable[[], tuple[str, str, KubernetesObject | None, str]], ...] = (
            *(self._toggle_privileged,) * 8,
            *(self._annotate,) * 4,
            *(self._change_config_map,) * 2,
            *(self._change_service,) * 2,
            self._change_policy,
            self._change_binding,
            self._create_extra,
            self._delete_extra,
        )

    def _turns(self, resources: list[KubernetesObject]) -> Iterator[KubernetesObject]:
        while True:
            yield from resources

    def _toggle_privileged(self) -> tuple[str, str, KubernetesObject | None, str]:
        """Return a request that switches `privileged` of a workload's first container, which changes a verdict."""
        resource = next(self._turn)
        containers = resource["spec"]["template"]["spec"]["containers"]
        others = any(map(is_equally_privileged, containers)) or any(map(is_privileged, containers[1:]))
        context = containers[0].setdefault("securityContext", {})
        was_privileged = bool(context.get("privileged"))
        context["privileged"] = not was_privileged
        inits = resource["spec"]["template"]["spec"].get("initContainers", ())
        if not others and not any(map(is_privileged, inits)) and not any(map(is_equally_privileged, inits)):
            self.pending[resource["kind"], resource["metadata"]["name"], "mended" if was_privileged else "failed"] = (
                time.monotonic()
            )
        change = {
            "name": containers[0]["name"],
            "securityContext": {"privileged": not was_privileged, "allowPrivilegeEscalation": True},
        }
        return "PATCH", path(resource), {"spec": {"template": {"spec": {"containers": [change]}}}}, MERGE

    def _annotate(self) -> tuple[str, str, KubernetesObject | None, str]:
        resource = self._dice.choice(self._kinds["Deployment"])
        return "PATCH", path(resource), {"metadata": {"annotations": {"touched": str(time.time())}}}, MERGE

    def _change_config_map(self) -> tuple[str, str, KubernetesObject | None, str]:
        resource = self._dice.choice(self._kinds["ConfigMap"])
        return "PATCH", path(resource), {"data": {"key-0": str(time.time())}}, MERGE

    def _change_service(self) -> tuple[str, str, KubernetesObject | None, str]:
        resource = self._dice.choice(self._kinds["Service"])
        change = {
            "type": self._dice.choice(("ClusterIP", "NodePort")),
            "selector": {"app": f"app-{self._dice.randrange(97)}"},
        }
        return "PATCH", path(resource), {"spec": change}, MERGE

    def _change_policy(self) -> tuple[str, str, KubernetesObject | None, str]:
        resource = self._dice.choice(self._kinds["NetworkPolicy"])
        selector = {"matchLabels": {"app": f"app-{self._dice.randrange(97)}"}}
        return "PATCH", path(resource), {"spec": {"podSelector": selector}}, MERGE

    def _change_binding(self) -> tuple[str, str, KubernetesObject | None, str]:
        resource = self._dice.choice(self._kinds["RoleBinding"])
        subject = {"kind": "ServiceAccount", "name": f"account-{self._dice.randrange(ACCOUNTS)}", "namespace": "ns-1"}
        return "PATCH", path(resource), {"subjects": [subject]}, MERGE

    def _create_extra(self) -> tuple[str, str, KubernetesObject | None, str]:
        resource = copy.deepcopy(self._dice.choice(self._kinds["Deployment"]))
        self._extra_count += 1
        resource["metadata"]["name"] = f"extra-{self._extra_count}"
        self._extra.append(resource)
        return "POST", collection(resource), resource, "application/json"

    def _delete_extra(self) -> tuple[str, str, KubernetesObject | None, str]:
        if not self._extra:
            return self._create_extra()
        return "DELETE", path(self._extra.pop(0)), None, "application/json"

    def run(self, rate: float, seconds: float) -> None:
        """Change objects `rate` times per second."""
        started = time.monotonic()
        threads = [threading.Thread(target=self._write, args=(started, rate, seconds, one)) for one in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _write(self, started: float, rate: float, seconds: float, first_number: int) -> None:
        writer = Writer(self._cluster)
        number = first_number
        while (due := number / rate) < seconds:
            time.sleep(max(0.0, started + due - time.monotonic()))
            with self._lock:
                earlier = self.pending.keys() | set()
                method, request_path, body, content_type = self._dice.choice(self._makers)()
                awaited = self.pending.keys() - earlier
                self.request_count += 1
                self._settle(60)
            if writer(method, request_path, body, content_type) >= http.HTTPStatus.BAD_REQUEST:
                with self._lock:
                    self.refused += 1
                    for key in awaited:
                        self.pending.pop(key, None)
            number += WRITERS

    def _settle(self, timeout: float) -> None:
        """Collect the latency of pending changes."""
        now = time.monotonic()
        for key, sent_at in [*self.pending.items()]:
            changed_at = self._lines.changed_at.pop(key, None)
            if changed_at is not None:
                self.latencies.append(changed_at - sent_at)
                del self.pending[key]
            elif now - sent_at > timeout:
                self.missing += 1
                del self.pending[key]

    def measure_single_changes(self, times: int, timeout: float = 20) -> list[float]:
        """Return the latencies of verdicts for single changes without other load."""
        writer = Writer(self._cluster)
        latencies = []
        for _ in range(times):
            self._lines.changed_at.clear()
            self.pending.clear()
            while not self.pending:
                # Other containers of the pod may be privileged too; then no verdict changes.
                method, request_path, body, content_type = self._toggle_privileged()
            started = time.monotonic()
            writer(method, request_path, body, content_type)
            while not self._lines.changed_at and time.monotonic() - started < timeout:
                time.sleep(0.005)
            latencies.append(time.monotonic() - started)
            self.pending.clear()
            time.sleep(1)
        self._lines.changed_at.clear()
        return latencies

    def wait(self) -> None:
        """Wait for the verdicts of pending changes."""
        until = time.monotonic() + 60
        while self.pending and time.monotonic() < until:
            self._settle(60)
            time.sleep(0.1)
        self.missing += len(self.pending)


def read_memory(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def sample_memory(pid: int, samples: list[float], stopped: threading.Event) -> None:
    """Sample the memory of a process."""
    while not stopped.wait(5):
        samples.append(read_memory(pid))


def list_results(text: str) -> list[str]:
    """Return the results in the text of metrics."""
    return sorted(line for line in text.splitlines() if line.startswith(RESULT_FAMILIES) and "scan" not in line)


def read_metrics(port: int) -> str:
    """Return the metrics of the watch."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as response:
        text: str = response.read().decode()
    return text


def read_figure(text: str, name: str) -> float:
    """Return one metric of the watch."""
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"kubekeep_watch_{name} ")))


def wait_until_idle(port: int) -> str:
    """Return the metrics after a period without evaluations."""
    before = -1.0
    while True:
        time.sleep(8)
        text = read_metrics(port)
        now = read_figure(text, "assessments_total")
        if now == before:
            return text
        before = now


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def quantile(values: list[float], share: float) -> float:
    """Return the value at the quantile `share`."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def print_table(rows: list[tuple[str, str]]) -> None:
    """Print a table."""
    print("| what | |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")


def main() -> None:
    """Fill the cluster, watch, change objects, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=50, help="changes a second")
    parser.add_argument("--minutes", type=float, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, use_cluster(Path(scratch) / "cluster") as cluster:
        started = time.monotonic()
        resources = fill(cluster, arguments.objects)
        print(f"{len(resources)} objects in {time.monotonic() - started:.0f} s", file=sys.stderr)
        port = free_port()
        kubekeep = [sys.executable, "-m", "kubekeep"]
        environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
        command = [*kubekeep, "watch", "--format", "json", "--metrics", str(port)]
        started = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                run_churn(
                    process, cluster, resources, (arguments.rate, arguments.minutes * 60, port, started), environment
                )
            finally:
                process.terminate()


def run_churn(
    process: subprocess.Popen[str],
    cluster: Cluster,
    resources: list[KubernetesObject],
    load: tuple[float, float, int, float],
    environment: dict[str, str],
) -> None:
    """Change objects and compare the final state with a scan."""
    rate, seconds, port, started = load
    lines = OutputReader(process)
    start_event = lines.start_events.get(timeout=900)
    first_seconds = time.monotonic() - started
    print(f"watching after {first_seconds:.0f} s: {start_event}", file=sys.stderr)
    churn = Churn(cluster, resources, lines)
    single_latencies = churn.measure_single_changes(20)
    memory: list[float] = []
    stopped = threading.Event()
    sampler = threading.Thread(target=sample_memory, args=(process.pid, memory, stopped))
    sampler.start()
    churn_started = time.monotonic()
    churn.run(rate, seconds)
    duration = time.monotonic() - churn_started
    churn.wait()
    # The watch has caught up when it reports the last change.
    churn.measure_single_changes(2, timeout=600)
    text = wait_until_idle(port)
    stopped.set()
    sampler.join()
    scanned = subprocess.run(
        [sys.executable, "-m", "kubekeep", "scan", "--format", "prometheus"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    watch_series, scan_series = list_results(read_metrics(port)), list_results(scanned.stdout)
    difference_count = len(set(watch_series) ^ set(scan_series))
    third = max(1, len(memory) // 3)
    print_table(
        [
            ("objects, findings at the beginning", f"{start_event['objects']:,}, {start_event['findings']:,}"),
            ("first assessment", f"{first_seconds:.0f} s"),
            (
                "a single change until its line, p50, max",
                f"{statistics.median(single_latencies):.2f} s, {max(single_latencies):.2f} s",
            ),
            (
                "changes sent, refused, a second",
                f"{churn.request_count:,}, {churn.refused}, {churn.request_count / duration:.1f}",
            ),
            ("events seen", f"{read_figure(text, 'events_total'):,.0f}"),
            ("lines printed", f"{lines.count:,}"),
            (
                "under churn until its line, p50, p99, max",
                ", ".join(f"{quantile(churn.latencies, share):.2f} s" for share in (0.5, 0.99, 1)),
            ),
            ("verdicts awaited, never told", f"{len(churn.latencies) + churn.missing:,}, {churn.missing}"),
            (
                "memory: first, middle, last third (median)",
                ", ".join(
                    f"{statistics.median(part):.0f} MB"
                    for part in (memory[:third], memory[third : 2 * third], memory[2 * third :])
                    if part
                ),
            ),
            ("memory: most", f"{max(memory):.0f} MB"),
            (
                "lists, streams lost",
                f"{read_figure(text, 'lists_total'):.0f}, {read_figure(text, 'disconnects_total'):.0f}",
            ),
            ("series of metrics, other than those of a scan", f"{len(scan_series):,}, {difference_count}"),
        ]
    )
    for line in sorted(set(watch_series) ^ set(scan_series))[:20]:
        print("!", line in watch_series, line, file=sys.stderr)


if __name__ == "__main__":
    main()
