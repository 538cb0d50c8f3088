"""Hold `kubekeep watch` under churn: `PYTHONPATH=. python benchmarks/watch.py --minutes 30`.

Fills a real API server (tests/cluster) with generated objects, changes some of them at a steady rate, and prints as a
table how long verdicts took to come, how the memory of the watch went, and whether what it knows in the end is what a scan
finds. Asserts nothing: machines differ and are shared. Nothing in it is real.
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
from tests.cluster.supervisor import used

NAMESPACES = 40
ACCOUNTS = 60
WRITERS = 4
KEPT = ("kubescape_", "kubekeep_control_")
"""Families of metrics that say what was found; the others tell times."""
MERGE = "application/strategic-merge-patch+json"
WATCHED = "privileged-container"
PLURALS = {"NetworkPolicy": "networkpolicies"}
Thing = dict[str, Any]


class Writer:
    """One connection to the API server that stays open."""

    def __init__(self, cluster: Cluster) -> None:
        pair = cluster.layout.pair("admin")
        context = ssl.create_default_context(cafile=cluster.authority)
        context.load_cert_chain(pair.certificate, pair.key)
        host = urllib.parse.urlsplit(cluster.address).netloc
        self._connection = http.client.HTTPSConnection(host, timeout=120, context=context)

    def __call__(self, method: str, path: str, body: Thing | None = None, sent: str = "application/json") -> int:
        """The status that is answered."""
        self._connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": sent})
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


def collection(thing: Thing) -> str:
    """Where objects like this one are."""
    version, kind, metadata = thing["apiVersion"], thing["kind"], thing["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inside = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{inside}/{PLURALS.get(kind, kind.lower() + 's')}"


def path(thing: Thing) -> str:
    """Where this object is."""
    return f"{collection(thing)}/{thing['metadata']['name']}"


def accepted(thing: Thing) -> Thing:
    """A generated object as an API server takes it."""
    spec = thing.get("spec", {})
    for template in (spec.get("template"), spec.get("jobTemplate", {}).get("spec", {}).get("template")):
        if template and thing["kind"] in ("Job", "CronJob"):
            template["spec"]["restartPolicy"] = "Never"
    if thing["kind"] == "DaemonSet":
        spec.pop("replicas")
    pod = pod_of(thing)
    for container in (*pod.get("containers", ()), *pod.get("initContainers", ())) if pod else ():
        if container.get("securityContext", {}).get("privileged"):
            container["securityContext"]["allowPrivilegeEscalation"] = True
        if any(
            item.startswith("SYS_ADMIN")
            for item in container.get("securityContext", {}).get("capabilities", {}).get("add", ())
        ):
            container["securityContext"]["allowPrivilegeEscalation"] = True
    for container in pod.get("initContainers", ()) if pod else ():
        container.pop("readinessProbe", None)
    return thing


def pod_of(thing: Thing) -> Thing | None:
    """The pod spec of an object."""
    spec = thing.get("spec", {})
    if thing["kind"] == "Pod":
        found: Thing = spec
        return found
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return None if template is None else template["spec"]


def is_privileged(container: Thing) -> bool:
    """Whether it is privileged by name."""
    return bool((container.get("securityContext") or {}).get("privileged"))


def is_as_good(container: Thing) -> bool:
    """Whether it may do as much: its verdict does not change then."""
    return "SYS_ADMIN" in (container.get("securityContext") or {}).get("capabilities", {}).get("add", ())


def filled(cluster: Cluster, count: int) -> list[Thing]:
    """`count` objects in the cluster, beside its own; those that it does not take are left out."""
    admin = Writer(cluster)
    for number in range(NAMESPACES):
        name = f"ns-{number}"
        admin("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for account in ("default", *(f"account-{one}" for one in range(0, ACCOUNTS, 6))):
            metadata = {"name": account, "namespace": name}
            admin("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": metadata})
    begun = NAMESPACES * (2 + ACCOUNTS // 6)
    local = threading.local()
    made: list[Thing] = []

    def make(thing: Thing) -> None:
        writer = getattr(local, "writer", None) or Writer(cluster)
        local.writer = writer
        if len(made) < count - begun and writer("POST", collection(thing), thing) == http.HTTPStatus.CREATED:
            made.append(thing)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(make, map(accepted, corpus.objects(count * 5 // 4))))
    return made


class Lines:
    """What the watch prints, as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.began: queue.Queue[Thing] = queue.Queue()
        self.seen: dict[tuple[str, str, str], float] = {}
        self.count = 0
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            now = time.monotonic()
            said = json.loads(line)
            self.count += 1
            if said["event"] == "began":
                self.began.put(said)
            elif said.get("control", {}).get("name") == WATCHED:
                resource = said["resource"]
                self.seen[resource["kind"], resource["name"], said["event"]] = now


class Churn:
    """Changes to the objects of a cluster, at a rate."""

    def __init__(self, cluster: Cluster, things: list[Thing], lines: Lines) -> None:
        self._cluster = cluster
        self._lines = lines
        self._dice = random.Random(1)
        self._lock = threading.Lock()
        self._spare = 0
        self.pending: dict[tuple[str, str, str], float] = {}
        self.latencies: list[float] = []
        self.lost = self.sent = self.refused = 0
        by_kind: dict[str, list[Thing]] = {}
        for thing in things:
            by_kind.setdefault(thing["kind"], []).append(thing)
        self._kinds = by_kind
        self._turn = self._turns([*by_kind["Deployment"], *by_kind["StatefulSet"]])
        self._extra: list[Thing] = []
        self._makers: tuple[Callable[[], tuple[str, str, Thing | None, str]], ...] = (
            *(self._privileged,) * 8,
            *(self._touched,) * 4,
            *(self._setting,) * 2,
            *(self._service,) * 2,
            self._policy,
            self._binding,
            self._come,
            self._go,
        )

    def _turns(self, things: list[Thing]) -> Iterator[Thing]:
        while True:
            yield from things

    def _privileged(self) -> tuple[str, str, Thing | None, str]:
        """A workload whose first container becomes privileged, or is not any more: a verdict changes."""
        thing = next(self._turn)
        containers = thing["spec"]["template"]["spec"]["containers"]
        others = any(map(is_as_good, containers)) or any(map(is_privileged, containers[1:]))
        context = containers[0].setdefault("securityContext", {})
        was = bool(context.get("privileged"))
        context["privileged"] = not was
        inits = thing["spec"]["template"]["spec"].get("initContainers", ())
        if not others and not any(map(is_privileged, inits)) and not any(map(is_as_good, inits)):
            self.pending[thing["kind"], thing["metadata"]["name"], "mended" if was else "failed"] = time.monotonic()
        change = {
            "name": containers[0]["name"],
            "securityContext": {"privileged": not was, "allowPrivilegeEscalation": True},
        }
        return "PATCH", path(thing), {"spec": {"template": {"spec": {"containers": [change]}}}}, MERGE

    def _touched(self) -> tuple[str, str, Thing | None, str]:
        thing = self._dice.choice(self._kinds["Deployment"])
        return "PATCH", path(thing), {"metadata": {"annotations": {"touched": str(time.time())}}}, MERGE

    def _setting(self) -> tuple[str, str, Thing | None, str]:
        thing = self._dice.choice(self._kinds["ConfigMap"])
        return "PATCH", path(thing), {"data": {"key-0": str(time.time())}}, MERGE

    def _service(self) -> tuple[str, str, Thing | None, str]:
        thing = self._dice.choice(self._kinds["Service"])
        change = {
            "type": self._dice.choice(("ClusterIP", "NodePort")),
            "selector": {"app": f"app-{self._dice.randrange(97)}"},
        }
        return "PATCH", path(thing), {"spec": change}, MERGE

    def _policy(self) -> tuple[str, str, Thing | None, str]:
        thing = self._dice.choice(self._kinds["NetworkPolicy"])
        selector = {"matchLabels": {"app": f"app-{self._dice.randrange(97)}"}}
        return "PATCH", path(thing), {"spec": {"podSelector": selector}}, MERGE

    def _binding(self) -> tuple[str, str, Thing | None, str]:
        thing = self._dice.choice(self._kinds["RoleBinding"])
        subject = {"kind": "ServiceAccount", "name": f"account-{self._dice.randrange(ACCOUNTS)}", "namespace": "ns-1"}
        return "PATCH", path(thing), {"subjects": [subject]}, MERGE

    def _come(self) -> tuple[str, str, Thing | None, str]:
        thing = copy.deepcopy(self._dice.choice(self._kinds["Deployment"]))
        self._spare += 1
        thing["metadata"]["name"] = f"extra-{self._spare}"
        self._extra.append(thing)
        return "POST", collection(thing), thing, "application/json"

    def _go(self) -> tuple[str, str, Thing | None, str]:
        if not self._extra:
            return self._come()
        return "DELETE", path(self._extra.pop(0)), None, "application/json"

    def run(self, rate: float, seconds: float) -> None:
        """Change something `rate` times a second."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._write, args=(began, rate, seconds, one)) for one in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _write(self, began: float, rate: float, seconds: float, first: int) -> None:
        writer = Writer(self._cluster)
        number = first
        while (due := number / rate) < seconds:
            time.sleep(max(0.0, began + due - time.monotonic()))
            with self._lock:
                known = self.pending.keys() | set()
                method, where, body, sent = self._dice.choice(self._makers)()
                awaited = self.pending.keys() - known
                self.sent += 1
                self._settle(60)
            if writer(method, where, body, sent) >= http.HTTPStatus.BAD_REQUEST:
                with self._lock:
                    self.refused += 1
                    for key in awaited:
                        self.pending.pop(key, None)
            number += WRITERS

    def _settle(self, patience: float) -> None:
        """Know what has come of what was pending."""
        now = time.monotonic()
        for key, sent in [*self.pending.items()]:
            seen = self._lines.seen.pop(key, None)
            if seen is not None:
                self.latencies.append(seen - sent)
                del self.pending[key]
            elif now - sent > patience:
                self.lost += 1
                del self.pending[key]

    def single(self, times: int, patience: float = 20) -> list[float]:
        """How long a verdict takes to come when nothing else is changed."""
        writer = Writer(self._cluster)
        found = []
        for _ in range(times):
            self._lines.seen.clear()
            self.pending.clear()
            while not self.pending:
                # Others in the same pod may be privileged too: then no verdict changes.
                method, where, body, sent = self._privileged()
            started = time.monotonic()
            writer(method, where, body, sent)
            while not self._lines.seen and time.monotonic() - started < patience:
                time.sleep(0.005)
            found.append(time.monotonic() - started)
            self.pending.clear()
            time.sleep(1)
        self._lines.seen.clear()
        return found

    def wait(self) -> None:
        """Wait for what is still to come."""
        until = time.monotonic() + 60
        while self.pending and time.monotonic() < until:
            self._settle(60)
            time.sleep(0.1)
        self.lost += len(self.pending)


def resident(pid: int) -> float:
    """MB that the process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def sampled(pid: int, into: list[float], ended: threading.Event) -> None:
    """Look at the memory of a process now and then."""
    while not ended.wait(5):
        into.append(resident(pid))


def metrics(text: str) -> list[str]:
    """What was found, of the text of metrics."""
    return sorted(line for line in text.splitlines() if line.startswith(KEPT) and "scan" not in line)


def served(port: int) -> str:
    """The metrics of the watch."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as answer:
        text: str = answer.read().decode()
    return text


def figure(text: str, name: str) -> float:
    """One figure of the watch."""
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"kubekeep_watch_{name} ")))


def quiet(port: int) -> str:
    """The metrics when nothing has been judged anew for a while."""
    before = -1.0
    while True:
        time.sleep(8)
        text = served(port)
        now = figure(text, "assessments_total")
        if now == before:
            return text
        before = now


def free_port() -> int:
    """A port that is free for now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of the values are."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def report(rows: list[tuple[str, str]]) -> None:
    """Print a table."""
    print("| what | |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")


def main() -> None:
    """Fill, watch, change, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=50, help="changes a second")
    parser.add_argument("--minutes", type=float, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, used(Path(scratch) / "cluster") as cluster:
        started = time.monotonic()
        things = filled(cluster, given.objects)
        print(f"{len(things)} objects in {time.monotonic() - started:.0f} s", file=sys.stderr)
        port = free_port()
        kubekeep = [sys.executable, "-m", "kubekeep"]
        environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
        command = [*kubekeep, "watch", "--format", "json", "--metrics", str(port)]
        started = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                hold(process, cluster, things, (given.rate, given.minutes * 60, port, started), environment)
            finally:
                process.terminate()


def hold(
    process: subprocess.Popen[str],
    cluster: Cluster,
    things: list[Thing],
    how: tuple[float, float, int, float],
    environment: dict[str, str],
) -> None:
    """Change, look on, and compare with a scan in the end."""
    rate, seconds, port, started = how
    lines = Lines(process)
    began = lines.began.get(timeout=900)
    first = time.monotonic() - started
    print(f"watching after {first:.0f} s: {began}", file=sys.stderr)
    churn = Churn(cluster, things, lines)
    single = churn.single(20)
    memory: list[float] = []
    ended = threading.Event()
    sampler = threading.Thread(target=sampled, args=(process.pid, memory, ended))
    sampler.start()
    begun = time.monotonic()
    churn.run(rate, seconds)
    took = time.monotonic() - begun
    churn.wait()
    # What is behind has caught up when what comes last has come.
    churn.single(2, patience=600)
    text = quiet(port)
    ended.set()
    sampler.join()
    scanned = subprocess.run(
        [sys.executable, "-m", "kubekeep", "scan", "--format", "prometheus"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    mine, theirs = metrics(served(port)), metrics(scanned.stdout)
    unlike = len(set(mine) ^ set(theirs))
    third = max(1, len(memory) // 3)
    report(
        [
            ("objects, findings at the beginning", f"{began['objects']:,}, {began['findings']:,}"),
            ("first assessment", f"{first:.0f} s"),
            ("a single change until its line, p50, max", f"{statistics.median(single):.2f} s, {max(single):.2f} s"),
            ("changes sent, refused, a second", f"{churn.sent:,}, {churn.refused}, {churn.sent / took:.1f}"),
            ("events seen", f"{figure(text, 'events_total'):,.0f}"),
            ("lines printed", f"{lines.count:,}"),
            (
                "under churn until its line, p50, p99, max",
                ", ".join(f"{quantile(churn.latencies, share):.2f} s" for share in (0.5, 0.99, 1)),
            ),
            ("verdicts awaited, never told", f"{len(churn.latencies) + churn.lost:,}, {churn.lost}"),
            (
                "memory: first, middle, last third (median)",
                ", ".join(
                    f"{statistics.median(part):.0f} MB"
                    for part in (memory[:third], memory[third : 2 * third], memory[2 * third :])
                    if part
                ),
            ),
            ("memory: most", f"{max(memory):.0f} MB"),
            ("lists, streams lost", f"{figure(text, 'lists_total'):.0f}, {figure(text, 'disconnects_total'):.0f}"),
            ("series of metrics, other than those of a scan", f"{len(theirs):,}, {unlike}"),
        ]
    )
    for line in sorted(set(mine) ^ set(theirs))[:20]:
        print("!", line in mine, line, file=sys.stderr)


if __name__ == "__main__":
    main()
