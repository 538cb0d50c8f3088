"""Measure the store of the server with a fleet of clusters: `python benchmarks/fleet.py URL [--clusters N] [--repeats N]`.

URL: `sqlite:///FILE` or `postgresql://...`, of an empty database. Each cluster submits 5,000 findings of 300 workloads, then
the same with one percent of changes; with `--images N`, also the 200 vulnerabilities of each of 40 images of N. Prints processor time of this process and of its PostgreSQL, and bytes. The submissions are
made before the time is taken, and are decoded in it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import math
import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select

from kubekeep.model.finding_document import EvidenceDocument, PriorityDocument
from kubekeep.model.image import ImageSubject
from kubekeep.model.package import AffectedPackage, ImagePackages, Package
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.severity import Severity
from kubekeep.model.submission import (
    VERSION,
    ContainerEntry,
    DefinitionEntry,
    EvaluatedScope,
    ImageEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    Versions,
    compute_digest,
    compute_manifest,
)
from kubekeep.model.text import encode_json
from kubekeep_server.store import schema
from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import upgrade
from kubekeep_server.store.ingest import ingest

WORKLOADS: Final = 300
FINDINGS: Final = 5_000
CHANGED: Final = FINDINGS // 100
"""Findings of a cluster, and those that are replaced from day to day."""
CONTROLS: Final = 300
SEVERITIES: Final = ("low", "medium", "high", "critical")
SCORES: Final = (2.5, 5.0, 7.5, 9.2)
IMAGES_OF_A_CLUSTER: Final = 40
ADVISORIES: Final = 20_000
VULNERABILITIES: Final = 200
PACKAGES: Final = 150
START: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EXPOSURE: Final = "reachable from the internet"
POWER: Final = "can take over its node"
MESSAGE: Final = "securityContext.readOnlyRootFilesystem is not set to true"


class Image:
    """An image with vulnerabilities of its packages; some vulnerabilities are in most images."""

    def __init__(self, number: int, randomness: random.Random) -> None:
        self.digest = f"sha256:{number:064x}"
        self.vulnerabilities = sorted({int(randomness.paretovariate(0.4)) % ADVISORIES for _ in range(VULNERABILITIES)})
        packages = tuple(
            Package(type="deb", namespace="debian", name=f"lib{number % 800}", version=f"1.{number % 7}")
            for number in randomness.sample(range(4_000), PACKAGES)
        )
        self.entry = ImageEntry(
            self.digest,
            (f"ghcr.io/shop/app-{number // 4}:{number % 4}",),
            "linux/amd64",
            ImagePackages(packages=packages),
        )
        findings = []
        for vulnerability in self.vulnerabilities:
            name = f"lib{vulnerability % 800}"
            affected = AffectedPackage(f"pkg:deb/debian/{name}@1.1", name, "1.1", "1.2" if vulnerability % 3 else "")
            evidence = (EvidenceDocument(package=affected),)
            findings.append(SubmittedFinding(f"CVE-{vulnerability}", f"{number:08x}{vulnerability:08x}", evidence))
        self.report = SubjectEntry(
            f"f{number:015x}",
            ImageSubject(self.entry.references[0], self.digest, "linux/amd64"),
            findings=tuple(findings),
            listed_kinds=("vulnerability",),
        )


def has_power(workload: int) -> bool:
    """Return True for a workload that can take over its node."""
    return workload % 25 == 0


def _define(key: str, kind: str, level: int) -> DefinitionEntry:
    severity = SEVERITIES[level]
    number = int(key.rpartition("-")[2])
    priority = PriorityDocument(severity, SCORES[level])
    epss = number % 1_000 / 1_000 if kind == "vulnerability" else None
    exploited = "2026-01-01" if epss and number % 97 == 0 else ""
    return DefinitionEntry(
        key, kind, key, f"Problem {key}", severity, 5.0, priority=priority, epss=epss, known_exploited=exploited
    )


class Cluster:
    """A cluster whose findings change from day to day."""

    def __init__(self, number: int, randomness: random.Random, images: list[Image]) -> None:
        self._number = number
        self._images = randomness.sample(images, min(len(images), IMAGES_OF_A_CLUSTER))
        self._random = randomness
        self._findings = [self._choose() for _ in range(FINDINGS)]

    def _choose(self) -> tuple[int, int, int]:
        """Return workload, control and container of a finding."""
        return self._random.randrange(WORKLOADS), self._random.randrange(CONTROLS), self._random.randrange(1 << 20)

    def _list_vulnerabilities(self) -> list[tuple[str, int]]:
        """Return the identifiers of the vulnerabilities of its images, each with its number."""
        return sorted({(f"CVE-{number}", number) for image in self._images for number in image.vulnerabilities})

    def change(self, number: int) -> None:
        """Replace some findings."""
        for _ in range(number):
            self._findings[self._random.randrange(FINDINGS)] = self._choose()

    def _has_exposure(self, workload: int) -> bool:
        return workload % 10 == self._number % 10

    def _prioritise(self, workload: int, control: int) -> PriorityDocument | None:
        """Return the priority of a finding of its own, as scans give it in a context; None without one."""
        reasons = (*([EXPOSURE] if self._has_exposure(workload) else []), *([POWER] if has_power(workload) else []))
        score = min(SCORES[control % 4] + len(reasons), 8.9)
        return PriorityDocument(Severity.from_score(score).name.lower(), score, reasons) if reasons else None

    def _describe_workload(self, number: int, findings: list[SubmittedFinding]) -> SubjectEntry:
        run = (
            (ContainerEntry("web", "shop/web:1", self._images[number % len(self._images)].digest),)
            if self._images
            else ()
        )
        return SubjectEntry(
            f"{number:016x}",
            ResourceSubject("apps/v1", "Deployment", f"app-{number}", f"team-{number % 40}"),
            findings=tuple(findings),
            containers=run,
            exposure=EXPOSURE if self._has_exposure(number) else "",
            power=POWER if has_power(number) else "",
        )

    def build(self, day: int) -> bytes:
        """Return the submission of a day."""
        by_workload: dict[int, list[SubmittedFinding]] = {number: [] for number in range(WORKLOADS)}
        for workload, control, container in sorted(set(self._findings)):
            path = f"spec.template.spec.containers[{container}].securityContext"
            fingerprint = f"{workload:04x}{control:04x}{container:08x}"
            evidence = (EvidenceDocument(path=path, message=f"container web-{container}: {MESSAGE}"),)
            priority = self._prioritise(workload, control)
            by_workload[workload].append(SubmittedFinding(f"C-{control:04d}", fingerprint, evidence, priority))
        subjects = (
            *(self._describe_workload(workload, findings) for workload, findings in by_workload.items()),
            *(image.report for image in self._images),
        )
        keys = [f"C-{number:04d}" for number in range(CONTROLS)]
        moment = START + dt.timedelta(days=day, seconds=self._number)
        submission = Submission(
            schema=VERSION,
            id=f"{self._number}-{day}",
            source=SourceCluster(f"cluster-{self._number}", f"cluster-{self._number}"),
            started=moment,
            finished=moment,
            versions=Versions("1"),
            manifest=compute_manifest(compute_digest(encode_json(entry)) for entry in subjects),
            scope=EvaluatedScope(tuple(keys)),
            definitions=(
                *(_define(key, "misconfiguration", number % 4) for number, key in enumerate(keys)),
                *(_define(key, "vulnerability", number % 4) for key, number in self._list_vulnerabilities()),
            ),
            images=tuple(image.entry for image in self._images),
            subjects=subjects,
        )
        return encode_json(submission).encode()


def find_postmaster(connection: Connection) -> int:
    """Return the first process of the PostgreSQL of a connection, on this machine; 0 for SQLite."""
    if connection.dialect.name == "sqlite":
        return 0
    return _read_parent(connection.execute(select(func.pg_backend_pid())).scalar_one())


def list_servers(postmaster: int) -> Iterator[int]:
    """Yield the processes of a PostgreSQL. postmaster: 0 for none."""
    if not postmaster:
        return
    yield postmaster
    for folder in Path("/proc").glob("[0-9]*"):
        if _read_parent(int(folder.name)) == postmaster:
            yield int(folder.name)


def read_seconds(process: int, *, has_children: bool = False) -> float:
    """Return the processor time of a process; 0 for one that has ended. has_children: also of children that have ended."""
    # utime, stime, cutime, cstime (proc(5)).
    return sum(map(int, _read_stat(process)[11 : 15 if has_children else 13])) / os.sysconf("SC_CLK_TCK")


def read_servers(postmaster: int) -> float:
    """Return the processor time of all processes of a PostgreSQL. postmaster: 0 for none."""
    return sum(read_seconds(process, has_children=process == postmaster) for process in list_servers(postmaster))


def read_processor_time(postmaster: int) -> float:
    """Return the seconds of this process and of all processes of a PostgreSQL. postmaster: 0 for none."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime + read_servers(postmaster)


def _read_parent(process: int) -> int:
    fields = _read_stat(process)
    return int(fields[1]) if fields else 0


def _read_stat(process: int) -> list[str]:
    """Return the fields after the name in `/proc/PID/stat`; none for a process that has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def build_fleet(clusters: int, images: int) -> list[Cluster]:
    """Return clusters that run some of a number of images; the same ones each time."""
    randomness = random.Random(5)
    all_images = [Image(number, randomness) for number in range(images)]
    return [Cluster(number, randomness, all_images) for number in range(clusters)]


async def measure(url: str, clusters: int, repeats: int, images: int) -> None:
    """Submit the fleet and print one line a day."""
    fleet = build_fleet(clusters, images)
    database = open_database(url)
    await database.run(upgrade)
    postmaster = await database.run(find_postmaster)
    for day in range(repeats + 1):
        for cluster in fleet if day else ():
            cluster.change(CHANGED)
        used = wall = 0.0
        size = 0
        for number, cluster in enumerate(fleet):
            document = cluster.build(day)
            size += len(document)
            started, before = time.monotonic(), read_processor_time(postmaster)
            received = START + dt.timedelta(days=day + 1, seconds=number)
            await database.run(ingest, document, received)
            used, wall = used + read_processor_time(postmaster) - before, wall + time.monotonic() - started
        rate = clusters * FINDINGS / used
        print(
            f"day {day}: {1000 * used / clusters:.1f} ms of processor time a scan, {rate:,.0f} findings a second of it,"
        )
        print(f"  {1000 * wall / clusters:.1f} ms a scan by the clock, {size // clusters:,} bytes a document")
    print(await database.run(describe_sizes))
    await database.close()


def describe_sizes(connection: Connection) -> str:
    """Return the numbers of rows, and the bytes of documents and subjects."""
    blob, subject, finding = schema.blob, schema.subject, schema.finding
    whole = connection.execute(select(func.count(), func.sum(func.length(blob.c.content))).where(blob.c.base.is_(None)))
    differences = connection.execute(
        select(func.count(), func.sum(func.length(blob.c.content))).where(blob.c.base.is_not(None))
    )
    subjects = connection.execute(select(func.count(), func.sum(func.length(subject.c.content)))).one()
    intervals = connection.execute(select(func.count()).select_from(finding)).scalar()
    if connection.dialect.name == "sqlite":
        size = math.prod(
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
        )
    else:
        size = connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one()
    return f"{size // 1_000_000:,} MB; {intervals:,} intervals; documents: whole {whole.one()}, differences {differences.one()}; subjects {subjects} (number, bytes)"


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--clusters", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=0)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.url, arguments.clusters, arguments.repeats, arguments.images))


if __name__ == "__main__":
    main()
