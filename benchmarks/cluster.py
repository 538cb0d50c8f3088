"""Time scans of clusters as whole processes: `python benchmarks/cluster.py [--pages N ...]`.

Scans a real API server with 1,477 objects of `corpus.py`, then a server with generated pages (`paging.py`) of 10,000
and 50,000 objects, both on loopback. Asserts nothing, because machines differ.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import corpus
from measure import KUBEKEEP, run_process

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.cluster.client import Refused  # noqa: E402 - test code is not installed
from tests.cluster.supervisor import use_cluster  # noqa: E402

LIVE_OBJECTS = 1_477
PAGED_OBJECTS = (10_000, 50_000)
RUNS = 3


def row(name: str, kubeconfig: Path, report: Path, *arguments: str) -> str:
    """Return a table row with the median of the seconds and the peak memory."""
    command = [str(KUBEKEEP), "scan", *arguments, "--kubeconfig", str(kubeconfig), "-f", "json", "-o", str(report)]
    runs = [run_process(command) for _ in range(RUNS)]
    seconds = statistics.median(run[0] for run in runs)
    size = report.stat().st_size / 1_000_000
    return f"| {name} | {seconds:.2f} s | {max(run[1] for run in runs):.0f} MB | {size:.0f} MB |"


def adapt(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a generated resource with the changes that an API server requires."""
    spec = resource.get("spec", {})
    match resource["kind"]:
        case "DaemonSet":
            del spec["replicas"]
        case "StatefulSet":
            spec["serviceName"] = resource["metadata"]["name"]
        case "Job":
            spec["template"]["spec"]["restartPolicy"] = "Never"
        case "CronJob":
            spec["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"
        case "Pod":
            del spec["serviceAccountName"]
        case _:
            pass
    return resource


@contextlib.contextmanager
def start_api_server(folder: Path) -> Iterator[Path]:
    """Yield the kubeconfig of a real API server with the objects of a corpus."""
    with use_cluster(folder) as cluster:
        resources = list(corpus.objects(2 * LIVE_OBJECTS))
        namespaces = sorted({resource["metadata"]["namespace"] for resource in resources})
        cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces])
        created: set[str] = set()
        for resource in resources:
            # The API server rejects some objects of the corpus, and some share a name.
            with contextlib.suppress(Refused):
                cluster.apply([adapt(resource)])
                created.add(cluster.path(resource))
            if len(created) == LIVE_OBJECTS:
                break
        yield cluster.kubeconfig


@contextlib.contextmanager
def start_page_server(count: int, kubeconfig: Path) -> Iterator[Path]:
    """Yield the kubeconfig of a server with `count` objects."""
    command = [sys.executable, str(Path(__file__).with_name("paging.py")), str(count), str(kubeconfig)]
    with subprocess.Popen(command) as server:
        try:
            while not kubeconfig.exists():
                if server.poll() is not None:
                    raise RuntimeError("the server did not start")
                time.sleep(0.1)
            yield kubeconfig
        finally:
            server.terminate()


def main() -> None:
    """Measure each kind of server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, action="append", default=[])
    counts = parser.parse_args().pages or PAGED_OBJECTS
    print("| what | wall time | peak memory | report |\n| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        report = folder / "report.json"
        with start_api_server(folder / "cluster") as kubeconfig:
            name = f"{LIVE_OBJECTS:,} objects on kube-apiserver"
            print(row(f"NSA, {name}", kubeconfig, report, "framework", "nsa"), flush=True)
            print(row(f"All controls, {name}", kubeconfig, report), flush=True)
        for count in counts:
            with start_page_server(count, folder / f"{count}.yaml") as kubeconfig:
                print(row(f"NSA, {count:,} objects in pages", kubeconfig, report, "framework", "nsa"), flush=True)


if __name__ == "__main__":
    main()
