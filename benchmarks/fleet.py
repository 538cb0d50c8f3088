"""Measure the store of the server with a fleet of clusters: `python benchmarks/fleet.py URL [--clusters N] [--repeats N]`.

URL: `sqlite:///FILE` or `postgresql://...`, of an empty database. Each cluster submits 5,000 findings of 300 workloads, then
the same with one percent of changes. Prints processor time of this process and of its PostgreSQL, and bytes. The submissions are
made before the time is taken, and are decoded in it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select

from kubekeep.model.finding_document import EvidenceDocument
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import (
    VERSION,
    DefinitionEntry,
    EvaluatedScope,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    Versions,
    compute_digest,
    compute_manifest,
)
from kubekeep.model.text import encode_json
from kubekeep_server.store import schema
from kubekeep_server.store.engine import open_engine, upgrade
from kubekeep_server.store.ingest import ingest

WORKLOADS: Final = 300
FINDINGS: Final = 5_000
CONTROLS: Final = 300
SEVERITIES: Final = ("low", "medium", "high", "critical")
START: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MESSAGE: Final = "securityContext.readOnlyRootFilesystem is not set to true"


class Cluster:
    """A cluster whose findings change from day to day."""

    def __init__(self, number: int, randomness: random.Random) -> None:
        self._number = number
        self._random = randomness
        self._findings = [self._choose() for _ in range(FINDINGS)]

    def _choose(self) -> tuple[int, int, int]:
        """Return workload, control and container of a finding."""
        return self._random.randrange(WORKLOADS), self._random.randrange(CONTROLS), self._random.randrange(1 << 20)

    def change(self, number: int) -> None:
        """Replace some findings."""
        for _ in range(number):
            self._findings[self._random.randrange(FINDINGS)] = self._choose()

    def build(self, day: int) -> bytes:
        """Return the submission of a day."""
        by_workload: dict[int, list[SubmittedFinding]] = {number: [] for number in range(WORKLOADS)}
        for workload, control, container in sorted(set(self._findings)):
            path = f"spec.template.spec.containers[{container}].securityContext"
            fingerprint = f"{workload:04x}{control:04x}{container:08x}"
            evidence = (EvidenceDocument(path=path, message=f"container web-{container}: {MESSAGE}"),)
            by_workload[workload].append(SubmittedFinding(f"C-{control:04d}", fingerprint, evidence))
        subjects = tuple(
            SubjectEntry(
                f"{workload:016x}",
                ResourceSubject("apps/v1", "Deployment", f"app-{workload}", f"team-{workload % 40}"),
                findings=tuple(findings),
            )
            for workload, findings in by_workload.items()
        )
        keys = [f"C-{number:04d}" for number in range(CONTROLS)]
        moment = START + dt.timedelta(days=day)
        submission = Submission(
            schema=VERSION,
            id=f"{self._number}-{day}",
            source=SourceCluster(f"cluster-{self._number}", f"cluster-{self._number}"),
            started=moment,
            finished=moment,
            versions=Versions("1"),
            manifest=compute_manifest(compute_digest(encode_json(entry)) for entry in subjects),
            scope=EvaluatedScope(tuple(keys)),
            definitions=tuple(
                DefinitionEntry(key, "misconfiguration", key, f"Control {key}", SEVERITIES[number % 4], 5.0)
                for number, key in enumerate(keys)
            ),
            subjects=subjects,
        )
        return encode_json(submission).encode()


def list_servers() -> Iterator[Path]:
    """Yield the folders of the processes of PostgreSQL."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() == "postgres":
                yield folder
        except OSError:
            continue


def read_processor_time() -> float:
    """Return the seconds of this process and of all processes of PostgreSQL on the machine."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    ticks = 0
    for folder in list_servers():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # utime, stime, cutime, cstime (proc(5)); those of children that ended are in their parent.
        ticks += sum(map(int, fields[11:13] if fields[1] != "1" else fields[11:15]))
    return usage.ru_utime + usage.ru_stime + ticks / 100


async def measure(url: str, clusters: int, repeats: int) -> None:
    """Submit the fleet and print one line a day."""
    randomness = random.Random(5)
    fleet = [Cluster(number, randomness) for number in range(clusters)]
    engine = open_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    for day in range(repeats + 1):
        for cluster in fleet if day else ():
            cluster.change(FINDINGS // 100)
        documents = [cluster.build(day) for cluster in fleet]
        started, used = time.monotonic(), read_processor_time()
        for document in documents:
            async with engine.begin() as connection:
                await connection.run_sync(ingest, document, START)
        used, wall = read_processor_time() - used, time.monotonic() - started
        rate = clusters * FINDINGS / used
        print(
            f"day {day}: {1000 * used / clusters:.1f} ms of processor time a scan, {rate:,.0f} findings a second of it,"
        )
        print(f"  {1000 * wall / clusters:.1f} ms a scan by the clock, {len(documents[0]):,} bytes a document")
    async with engine.begin() as connection:
        print(await connection.run_sync(describe_sizes))
    await engine.dispose()


def describe_sizes(connection: Connection) -> str:
    """Return the numbers of rows, and the bytes of documents and subjects."""
    blob, subject, finding = schema.blob, schema.subject, schema.finding
    whole = connection.execute(select(func.count(), func.sum(func.length(blob.c.content))).where(blob.c.base.is_(None)))
    differences = connection.execute(
        select(func.count(), func.sum(func.length(blob.c.content))).where(blob.c.base.is_not(None))
    )
    subjects = connection.execute(select(func.count(), func.sum(func.length(subject.c.content)))).one()
    intervals = connection.execute(select(func.count()).select_from(finding)).scalar()
    return f"{intervals:,} intervals; documents: whole {whole.one()}, differences {differences.one()}; subjects {subjects} (number, bytes)"


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--clusters", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.url, arguments.clusters, arguments.repeats))


if __name__ == "__main__":
    main()
