"""Measure a server over HTTP: `PYTHONPATH=.:server/src python benchmarks/server.py [--database URL] [--clusters N] [--repeats N] [--images N]`.

Starts `kubekeep server` on an empty database, SQLite in a temporary folder by default, and prints its memory when idle. Each cluster of
`benchmarks/fleet.py` submits whole scans, compressed as `kubekeep scan --submit` does: a first one, and `--repeats` with one percent of
changes. Prints findings per second of processor time of the server and its PostgreSQL, without the clients. With `--burst SECONDS`, all
clusters submit their last scan within that time, and repeat refused ones as the server asks; prints the time until all are stored. With
`--load SECONDS`, `--users` read the lists while 20 scans a second arrive; prints the times of the lists. At last prints the highest memory.

`--filled`: the database, or `kubekeep.sqlite` in the folder `--data`, was filled by `benchmarks/fleet.py` with the same `--clusters`,
`--images` and `--repeats`, which are not submitted again.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
from backports import zstd
from fleet import CHANGED, FINDINGS, Cluster, build_fleet, find_postmaster, read_seconds, read_servers
from tests.server.live import LiveServer

from kubekeep_server.store.database import open_database

HEADERS: Final = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
SCANS_A_SECOND: Final = 20
LISTS: Final = (
    "findings", "findings?order=newest", "findings?order=severity", "findings?namespace=team-7", "findings?severity=high",
    "vulnerabilities", "vulnerabilities?order=epss", "vulnerabilities/CVE-77/workloads", "fixes", "sources", "totals",
    "changes", "search?text=app-17",
)  # fmt: skip


class MeasuredServer(LiveServer):
    """A server process whose processor time and memory are read. postmaster: of its PostgreSQL; 0 for SQLite."""

    postmaster = 0

    def open_client(self, role: str) -> httpx2.AsyncClient:
        """Return a client with a token of a role for everything."""
        return httpx2.AsyncClient(
            base_url=f"{self.url}/api/v1/", headers={"Authorization": f"Bearer {self.create_token(role)}"}, timeout=600,
            limits=httpx2.Limits(max_connections=200),
        )  # fmt: skip

    def read_seconds(self) -> float:
        """Return the processor time of the server and of all processes of PostgreSQL."""
        return read_seconds(self.process.pid) + read_servers(self.postmaster)

    def read_memory(self, name: str = "VmRSS") -> int:
        """Return memory of the server in MB. name: of a line of /proc/PID/status, such as `VmHWM` for the highest."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", text)[1]) // 1024  # type: ignore[index]


async def submit(client: httpx2.AsyncClient, content: bytes) -> int:
    """Submit a scan until it is stored; return the number of refusals."""
    refusals = 0
    while True:
        reply = await client.post("scans", content=content, headers=HEADERS)
        if reply.status_code not in (429, 503):
            break
        refusals += 1
        await asyncio.sleep(float(reply.headers.get("retry-after", "1")) * (1 + random.random()))
    if reply.status_code not in (200, 201) or not reply.json()["isApplied"]:
        raise SystemExit(f"{reply.status_code} {reply.text}")
    return refusals


def build(fleet: list[Cluster], day: int) -> Iterator[bytes]:
    """Yield the compressed submissions of a day."""
    for cluster in fleet:
        if day:
            cluster.change(CHANGED)
        yield zstd.compress(cluster.build(day), level=3)


async def measure_ingest(server: MeasuredServer, agent: httpx2.AsyncClient, fleet: list[Cluster], repeats: int) -> None:
    """Submit the scans one after the other."""
    for day in range(repeats + 1):
        used = 0.0
        for content in build(fleet, day):
            before = server.read_seconds()
            await submit(agent, content)
            used += server.read_seconds() - before
        print(
            f"day {day}: {1000 * used / len(fleet):.1f} ms of processor time a scan,"
            f" {len(fleet) * FINDINGS / used:,.0f} findings a second of it; {server.read_memory()} MB", flush=True,
        )  # fmt: skip


async def measure_burst(
    server: MeasuredServer, agent: httpx2.AsyncClient, fleet: list[Cluster], day: int, seconds: int
) -> None:
    """Submit one scan of each cluster within a time."""
    contents = list(build(fleet, day))
    started = time.monotonic()

    async def submit_later(number: int, content: bytes) -> int:
        await asyncio.sleep(seconds * number / len(contents))
        return await submit(agent, content)

    refusals = sum(await asyncio.gather(*(submit_later(*pair) for pair in enumerate(contents))))
    print(
        f"burst: {len(contents)} scans stored {time.monotonic() - started:.0f} s after the first, {refusals} refusals;"
        f" {server.read_memory('VmHWM')} MB", flush=True,
    )  # fmt: skip


async def measure_load(
    server: MeasuredServer, agent: httpx2.AsyncClient, fleet: list[Cluster], day: int, seconds: int, users: int
) -> None:
    """Read lists as users while scans arrive."""
    viewer = server.open_client("viewer")
    contents = list(build(fleet[: SCANS_A_SECOND * seconds], day))
    times: dict[str, list[float]] = collections.defaultdict(list)
    end = time.monotonic() + seconds

    async def read(number: int) -> None:
        while time.monotonic() < end:
            for path in LISTS[number % len(LISTS) :] + LISTS[: number % len(LISTS)]:
                started = time.monotonic()
                reply = await viewer.get(path)
                times[path if reply.status_code == 200 else f"{path}: {reply.status_code}"].append(
                    time.monotonic() - started
                )
                await asyncio.sleep(1 + random.random())

    async def send(number: int, content: bytes) -> None:
        await asyncio.sleep(number / SCANS_A_SECOND)
        await submit(agent, content)

    started = time.monotonic()
    await asyncio.gather(*map(read, range(users)), *(send(*pair) for pair in enumerate(contents)))
    print(f"load: {len(contents)} scans in {time.monotonic() - started:.0f} s; lists in ms, p50/p95 (requests):")
    for path, values in sorted(times.items()):
        ordered = sorted(values)
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        print(f"  {path:32}{1000 * statistics.median(ordered):6.0f}/{1000 * p95:.0f} ({len(ordered)})")
    await viewer.aclose()


async def measure(folder: Path, arguments: argparse.Namespace) -> None:
    """Start a server, and measure."""
    fleet = build_fleet(arguments.clusters, arguments.images)
    options = ("--data", arguments.data or str(folder / "data"))
    server = MeasuredServer(folder, *options, *(("--database", arguments.database) if arguments.database else ()))
    try:
        if arguments.database:
            database = open_database(arguments.database)
            server.postmaster = await database.run(find_postmaster)
            await database.close()
        await asyncio.sleep(5)
        print(f"idle: {server.read_memory()} MB", flush=True)
        agent = server.open_client("agent")
        if arguments.filled:
            for _ in range(arguments.repeats):
                for cluster in fleet:
                    cluster.change(CHANGED)
        else:
            await measure_ingest(server, agent, fleet, arguments.repeats)
        day = arguments.repeats + 1
        if arguments.burst:
            await measure_burst(server, agent, fleet, day, arguments.burst)
        if arguments.load:
            await measure_load(server, agent, fleet, day + 1, arguments.load, arguments.users)
        await agent.aclose()
        print(f"highest: {server.read_memory('VmHWM')} MB")
    finally:
        server.stop()


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="")
    parser.add_argument("--database", default="")
    parser.add_argument("--filled", action="store_true")
    parser.add_argument("--clusters", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--burst", type=int, default=0)
    parser.add_argument("--load", type=int, default=0)
    parser.add_argument("--users", type=int, default=50)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), parser.parse_args()))


if __name__ == "__main__":
    main()
