"""Measure the matching of stored images: `python benchmarks/server_matching.py URL [--images 1000] [--packages 200]`.

URL: `sqlite:///FILE` or `postgresql://...`, of an empty database. Three of ten images have the package of the new advisory. Each
image has 40 packages of its own; the others are shared by many images, and one package in fifty is vulnerable. Prints the
time by the clock and the processor time, of this process and of its PostgreSQL, from the changed advisory database to the
open findings: of the first match, of a new advisory, of one that is withdrawn, and of a database without known changes.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fleet import START, find_postmaster, read_processor_time
from sqlalchemy import Connection, func, select

from kubekeep.model.image import ImageSubject
from kubekeep.model.package import Distribution, ImagePackages, Package, PackageLocation, SourcePackage
from kubekeep.model.scanned_source import SourceRegistry
from kubekeep.model.submission import (
    VERSION,
    EvaluatedScope,
    ImageEntry,
    SubjectEntry,
    Submission,
    Versions,
    compute_digest,
    compute_manifest,
)
from kubekeep.model.text import encode_json
from kubekeep.vulnerabilities.database.build import build_database
from kubekeep_server.advisories.database import open_after
from kubekeep_server.advisories.matcher import ImageMatcher
from kubekeep_server.store.advisory_state import load_known, record_change
from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import upgrade
from kubekeep_server.store.image_schema import image_finding
from kubekeep_server.store.ingest import ingest
from kubekeep_server.store.matching import store_batch
from kubekeep_server.store.pending_matches import load_pending

SHARED: Final = 4_000
OWN: Final = 40
HIT_RATE: Final = 50
OF_A_SCAN: Final = 100
BATCH: Final = 25
DEBIAN: Final = Distribution("debian", "12")
LAYER: Final = f"sha256:{'0' * 64}"


def create_package(number: int) -> Package:
    """Return a package of Debian or Python."""
    if number % 2:
        path = f"app/package_{number}-1.0.dist-info/METADATA"
        return Package(type="pypi", name=f"package-{number}", version="1.0", locations=(PackageLocation(path, LAYER),))
    source = SourcePackage(f"source-{number}", "1.0-1")
    return Package(
        type="deb", namespace="debian", name=f"lib{number}", version="1.0-1", source=source, evidence="dpkg status"
    )


def create_record(number: int, modified: str, **fields: Any) -> dict[str, Any]:
    """Return a record about all versions of a package before 2.0."""
    is_python = number % 2
    package = {
        "ecosystem": "PyPI" if is_python else "Debian:12",
        "name": f"package-{number}" if is_python else f"source-{number}",
    }
    score = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
    events = [{"introduced": "0"}, {"fixed": "2.0"}]
    return {
        "id": f"CVE-2026-{10_000 + number}",
        "modified": modified,
        "details": "Text. " * 300,
        "severity": [score],
        "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
        **fields,
    }


def write_records(folder: Path, records: Iterable[dict[str, Any]], *, is_addition: bool = True) -> None:
    """Add records to a database, or replace it."""
    path = folder.with_suffix(".jsonl")
    with path.open("w") as stream:
        stream.writelines(f"{json.dumps(record)}\n" for record in records)
    if not is_addition:
        shutil.rmtree(folder, ignore_errors=True)
    build_database([path], folder, is_addition=is_addition)


def build_images(count: int, packages: int) -> list[ImageEntry]:
    """Return images; the package 1 is in three of ten."""
    randomness = random.Random(5)
    entries = []
    for number in range(count):
        shared = randomness.sample(range(3, SHARED), packages - OWN - 1)
        own = range(SHARED + number * OWN, SHARED + (number + 1) * OWN)
        numbers = [*shared, *own, 1 if number % 10 < 3 else SHARED - 1]
        content = ImagePackages(distribution=DEBIAN, packages=tuple(map(create_package, numbers)))
        digest = f"sha256:{number:064x}"
        entries.append(ImageEntry(digest, (f"ghcr.io/shop/app-{number // 4}:{number % 4}",), "linux/amd64", content))
    return entries


def build_scan(number: int, images: list[ImageEntry]) -> bytes:
    """Return a scan of a registry whose scanner had no advisories."""
    subjects = tuple(
        SubjectEntry(entry.digest[-16:], ImageSubject(entry.references[0], entry.digest, "linux/amd64"))
        for entry in images
    )
    submission = Submission(
        schema=VERSION,
        id=f"scan-{number}",
        source=SourceRegistry(f"registry-{number}.example"),
        started=START,
        finished=START,
        versions=Versions("1"),
        manifest=compute_manifest(compute_digest(encode_json(entry)) for entry in subjects),
        scope=EvaluatedScope(()),
        images=tuple(images),
        subjects=subjects,
    )
    return encode_json(submission).encode()


class Measurement:
    """A store, and the advisory database that it is matched with."""

    def __init__(self, url: str, folder: Path) -> None:
        self._database = open_database(url)
        self._folder = folder

    async def run(self, function: Any, *arguments: Any) -> Any:
        """Return the result of a function in a transaction."""
        return await self._database.run(function, *arguments)

    async def match(self, title: str) -> None:
        """Match what the changed database may affect, and print the figures."""
        postmaster = await self.run(find_postmaster)
        started, before = time.monotonic(), read_processor_time(postmaster)
        now = dt.datetime.now(dt.UTC)
        known = await self.run(load_known)
        advisories, after, changes = open_after(self._folder, known)
        await self.run(record_change, known.version, after, changes, now)
        prepared = time.monotonic() - started
        matcher = ImageMatcher(advisories.source, after.version)
        images = opened = closed = 0
        matching = longest = 0.0
        while pending := await self.run(load_pending, BATCH):
            begin = time.monotonic()
            batch = matcher.match(pending, now.date())
            middle = time.monotonic()
            counts = await self.run(store_batch, batch, now)
            matching += middle - begin
            longest = max(longest, time.monotonic() - middle)
            images, opened, closed = images + counts.images, opened + counts.opened, closed + counts.closed
        advisories.close()
        wall, used = time.monotonic() - started, read_processor_time(postmaster) - before
        print(
            f"{title}: {wall:.2f} s, {used:.2f} s of processor time; {images} images, {opened} opened, {closed} closed;"
        )
        print(
            f"  {prepared:.2f} s to list them, {matching:.2f} s to match, longest transaction {longest:.2f} s",
            flush=True,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()


def count_open(connection: Connection) -> int:
    """Return the number of open problems of images."""
    return connection.execute(select(func.count()).where(image_finding.c.closed.is_(None))).scalar() or 0


async def measure(url: str, images: int, packages: int, folder: Path) -> None:
    """Submit images, then match them after each change of the advisories."""
    measurement = Measurement(url, folder)
    await measurement.run(upgrade)
    entries = build_images(images, packages)
    for start in range(0, images, OF_A_SCAN):
        await measurement.run(ingest, build_scan(start, entries[start : start + OF_A_SCAN]), START)
    last = SHARED + images * OWN
    numbers = (number if number % HIT_RATE == 0 else number + 10 * last for number in range(3, last))
    records = [create_record(number, "2026-11-01T00:00:00Z") for number in numbers]
    write_records(folder, records)
    await measurement.match("first match")
    write_records(folder, [create_record(1, "2026-11-02T00:00:00Z")])
    await measurement.match("new advisory")
    write_records(folder, [create_record(1, "2026-11-03T00:00:00Z", withdrawn="2026-11-03T00:00:00Z")])
    await measurement.match("withdrawn advisory")
    write_records(folder, [*records, create_record(1, "2026-11-04T00:00:00Z")], is_addition=False)
    await measurement.match("another database")
    print(f"{await measurement.run(count_open):,} open problems of {images:,} images with {packages} packages each")
    await measurement.close()


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--packages", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(arguments.url, arguments.images, arguments.packages, Path(name) / "advisories"))


if __name__ == "__main__":
    main()
