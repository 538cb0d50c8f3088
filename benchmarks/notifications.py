"""Measure the time from a submitted scan to its message: `PYTHONPATH=.:server/src:src python benchmarks/notifications.py [--database URL] [--scans 20]`.

A server with a signed webhook to a receiver on the loopback address. Each scan is of another cluster, with 300 workloads and a
critical finding in each; rules send one message for each scan. Prints the median and the longest time by the clock.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from tests.server.http_sink import run_sink
from tests.server.live import run_server
from tests.server.test_ingest import build, build_subject
from tests.server.test_scans_api import encode, post

from kubekeep.model.scanned_source import SourceCluster

WORKLOADS = 300
SECRET = "a secret of a benchmark"  # noqa: S105 - of a benchmark


def measure(database: str, scans: int) -> list[float]:
    """Return the seconds from the beginning of each submission to its message."""
    with tempfile.TemporaryDirectory() as temporary, run_sink() as sink:
        folder = Path(temporary)
        (folder / "key").write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
        settings = f'notification_networks = ["127.0.0.0/8"]\nsecret_key_file = "{folder / "key"}"\n'
        (folder / "server.toml").write_text(settings)
        options = ("--database", database) if database else ()
        with run_server(folder, "--config", "server.toml", *options) as server:
            client = server.client(server.create_token("administrator"))
            body = {"name": "sink", "kind": "webhook", "settings": {"url": sink.url}, "secrets": {"secret": SECRET}}
            destination = client.post("/api/v1/notifications/destinations", json=body).json()["id"]
            document = {"events": ["finding-opened"], "filter": {"priorities": ["critical"]}}
            rule = {"name": "critical", "destination": destination, "document": document}
            client.post("/api/v1/notifications/rules", json=rule).raise_for_status()
            seconds = []
            for number in range(scans):
                subjects = [build_subject(key, "C-0003") for key in range(WORKLOADS)]
                scan = build(0, *subjects, scope=("C-0003",), source=SourceCluster(f"cluster-{number}"))
                start = time.perf_counter()
                post(client, encode(scan)).raise_for_status()
                sink.wait_for(number + 1)
                seconds.append(time.perf_counter() - start)
            return seconds


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", default="")
    parser.add_argument("--scans", type=int, default=20)
    options = parser.parse_args()
    seconds = measure(options.database, options.scans)
    print(f"from the scan to the message: median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s")


if __name__ == "__main__":
    main()
