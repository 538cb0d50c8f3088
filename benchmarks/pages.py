"""Measure the lists of the server on a filled store: `python benchmarks/pages.py URL [--runs N] [--load SECONDS]`.

URL: of a store that `benchmarks/fleet.py` has filled. Prints the 50th and 95th percentile of the time of the first page of each list in
milliseconds, for users of all, 1, 5, 20, 21 and 500 sources and of one namespace, after the time that it took to store the scopes
of many sources. With `--load`, 10 users read random lists with pauses of a second, while the first clusters submit 2 scans a second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import functools
import itertools
import math
import random
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from fleet import CHANGED, build_fleet
from sqlalchemy import Connection, func, select

from kubekeep_server.identity import Grant, Role
from kubekeep_server.store import schema
from kubekeep_server.store.database import Database, open_database
from kubekeep_server.store.ingest import ingest
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.queries.affected import is_affected, list_affected_images, list_workloads
from kubekeep_server.store.queries.comparison import SideName, compare
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.findings import FindingOrder, list_findings
from kubekeep_server.store.queries.fixes import list_fixes
from kubekeep_server.store.queries.image_lists import ImageFilter, ImageOrder, list_images
from kubekeep_server.store.queries.image_pages import get_image, list_image_packages
from kubekeep_server.store.queries.packages import list_versions, search_packages
from kubekeep_server.store.queries.source_details import get_source_coverage, list_branches, list_namespaces
from kubekeep_server.store.queries.sources import SourceOrder, count_findings, list_days, list_sources
from kubekeep_server.store.queries.subjects import get_subject
from kubekeep_server.store.queries.vulnerabilities import VulnerabilityFilter, VulnerabilityOrder, list_vulnerabilities
from kubekeep_server.store.scopes import EVERYTHING, Scope, resolve_scope
from kubekeep_server.store.stored_scopes import store_scope

List = Callable[[Connection, Scope], Any]
WEEK: Final = dt.timedelta(days=7)
SIZES: Final = (1, 5, 20, 21, 500)
USERS: Final = 10
SCANS_A_SECOND: Final = 2
CLUSTERS: Final = 20
"""Clusters that submit under load."""


def build_lists(subject: tuple[int, int], vulnerability: str, digest: str, last: dt.datetime) -> dict[str, List]:
    """Return the first page of each list by name. digest: of an image. last: time of the last scan."""
    lists: dict[str, List] = {}
    for order in FindingOrder:
        lists[f"findings by {order}"] = lambda connection, scope, order=order: list_findings(  # type: ignore[misc]
            connection, scope, FindingFilter(), order
        )
    for name, selection in (
        ("of a namespace", FindingFilter(namespaces=("team-7",))),
        ("of a control", FindingFilter(definitions=("C-0004",))),
        ("of exposed workloads", FindingFilter(is_exposed=True)),
        ("with low severity", FindingFilter(severities=("low",))),
        ("with critical priority", FindingFilter(priorities=("critical",))),
        ("with a text", FindingFilter(text="app-17")),
        ("with a frequent text", FindingFilter(text="1")),
        ("with a text of a control", FindingFilter(text="c-0012")),
        ("of the last week", FindingFilter(opened_since=last - WEEK)),
        ("of one day", FindingFilter(opened_since=last - 20 * WEEK, opened_before=last - 20 * WEEK + WEEK / 7)),
        ("that are suppressed", FindingFilter(state=FindingState.SUPPRESSED)),
        ("that are unknown", FindingFilter(state=FindingState.UNKNOWN)),
        ("of another kind", FindingFilter(definition_kinds=("secret",))),
    ):
        for order in (FindingOrder.PRIORITY, FindingOrder.NEWEST):
            lists[f"findings {name}, {order}"] = functools.partial(list_findings, selection=selection, order=order)
    for rank in VulnerabilityOrder:
        lists[f"vulnerabilities by {rank}"] = lambda connection, scope, rank=rank: list_vulnerabilities(  # type: ignore[misc]
            connection, scope, VulnerabilityFilter(), rank
        )
    for name, filters in (
        ("with low severity", VulnerabilityFilter(severities=("low",))),
        ("with critical priority", VulnerabilityFilter(priorities=("critical",))),
        ("with a text", VulnerabilityFilter(text="number 77")),
        ("that are exploited", VulnerabilityFilter(is_exploited=True)),
        ("of exposed workloads", VulnerabilityFilter(is_exposed=True)),
        ("without a fix", VulnerabilityFilter(is_fixable=False)),
    ):
        lists[f"vulnerabilities {name}"] = lambda connection, scope, filters=filters: list_vulnerabilities(  # type: ignore[misc]
            connection, scope, filters
        )
    for ranking in ImageOrder:
        lists[f"images by {ranking}"] = functools.partial(list_images, selection=ImageFilter(), order=ranking)
    for name, images in (
        ("of exposed workloads", ImageFilter(is_exposed=True)),
        ("without a fix", ImageFilter(is_fixable=False)),
        ("that are not assessed", ImageFilter(is_assessed=False)),
        ("with a text", ImageFilter(text="app-17")),
    ):
        lists[f"images {name}"] = functools.partial(list_images, selection=images)
    lists["an image"] = functools.partial(get_image, digest=digest)
    lists["packages of an image"] = functools.partial(list_image_packages, digest=digest)
    lists["coverage of a source"] = functools.partial(get_source_coverage, number=1)
    lists["namespaces of a source"] = functools.partial(list_namespaces, number=1)
    lists["branches of a source"] = functools.partial(list_branches, number=1)
    lists["comparison of two sources"] = functools.partial(compare, before=SideName(1), after=SideName(2))
    lists["fix first"] = functools.partial(list_fixes, is_visible=bool)
    for source_order in SourceOrder:
        lists[f"sources by {source_order}"] = lambda connection, scope, source_order=source_order: list_sources(
            connection, scope, source_order
        )  # type: ignore[misc]
    lists["images with a vulnerability"] = lambda connection, scope: list_affected_images(
        connection, scope, vulnerability
    )
    lists["workloads with a vulnerability"] = lambda connection, scope: list_workloads(
        connection, scope, is_affected(vulnerability)
    )
    lists["packages by name"] = lambda connection, scope: search_packages(connection, scope, "lib42")
    lists["versions of a package"] = lambda connection, scope: list_versions(
        connection, scope, "deb", "debian/lib42", "1.3"
    )
    lists["totals"] = count_findings
    lists["changes of 180 days"] = lambda connection, scope: list_days(connection, scope, 20_000)
    lists["a workload"] = lambda connection, scope: get_subject(connection, scope, *subject)
    return lists


def resolve(connection: Connection, grants: list[Grant]) -> Scope:
    """Return the union of grants, stored if it has many sources."""
    scope = resolve_scope(connection, grants)
    if not scope.is_wide:
        return scope
    started = time.perf_counter()
    store_scope(connection, scope, to_number(dt.datetime.now(dt.UTC)))
    print(f"stored {len(scope.sources or ())} sources in {time.perf_counter() - started:.1f} s")
    return resolve_scope(connection, grants)


def prepare(connection: Connection) -> tuple[tuple[int, int], str, str, dt.datetime, dict[str, Scope]]:
    """Return a subject, the vulnerability with most images, an image, the time of the last scan, and the scopes."""
    finding = schema.finding
    row = connection.execute(select(finding.c.source, finding.c.subject).where(finding.c.source == 1).limit(1)).one()
    page = list_vulnerabilities(connection, EVERYTHING, VulnerabilityFilter(), VulnerabilityOrder.IMAGES, limit=1)
    scopes = {"all": EVERYTHING}
    for size in SIZES:
        grants = [Grant(Role.VIEWER, f"cluster/cluster-{number}") for number in range(size)]
        scopes[str(size)] = resolve(connection, grants)
    scopes["namespace"] = resolve(connection, [Grant(Role.VIEWER, "*", ("team-7",))])
    last = to_moment(connection.execute(select(func.max(schema.source.c.finished))).scalar_one())
    images = list_images(connection, EVERYTHING, ImageFilter(), limit=1).rows
    digest = images[0].digest if images else ""
    return (row.source, row.subject), page.rows[0].id if page.rows else "CVE-1", digest, last, scopes


def measure_list(connection: Connection, read: List, scope: Scope, runs: int) -> str:
    """Return both percentiles as text."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        try:
            read(connection, scope)
        except LookupError:
            return "-"
        times.append(1000 * (time.perf_counter() - started))
    return describe(times)


def describe(times: list[float]) -> str:
    """Return the 50th and 95th percentile as text."""
    return f"{statistics.median(times):.0f}/{sorted(times)[math.ceil(0.95 * len(times)) - 1]:.0f}"


async def measure(url: str, runs: int, load: float, images: int) -> None:
    """Print a table. load: seconds; 0 without other users."""
    database = open_database(url)
    subject, vulnerability, digest, last, scopes = await database.run(prepare)
    lists = build_lists(subject, vulnerability, digest, last)
    if load:
        await measure_load(url, database, lists, scopes, load, images)
    else:
        await print_table(database, lists, scopes, runs)
    await database.close()


async def print_table(database: Database, lists: dict[str, List], scopes: dict[str, Scope], runs: int) -> None:
    """Print both percentiles of each list and scope."""
    print(f"{'ms, p50/p95':48}" + "".join(f"{name:>12}" for name in scopes))
    for name, read in lists.items():
        cells = [await database.run(measure_list, read, scope, runs) for scope in scopes.values()]
        print(f"{name:48}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


async def measure_load(
    url: str, database: Database, lists: dict[str, List], scopes: dict[str, Scope], seconds: float, images: int
) -> None:
    """Print both percentiles of each list over all scopes, and of all. database: for the submissions."""
    reading = open_database(url, is_reading=True)
    documents = build_documents(int(seconds * SCANS_A_SECOND), images)
    end = time.perf_counter() + seconds
    times: dict[str, list[float]] = {}

    async def submit() -> None:
        for number, document in enumerate(documents):
            await asyncio.sleep(max(0.0, end - seconds + number / SCANS_A_SECOND - time.perf_counter()))
            await database.run(ingest, document, dt.datetime.now(dt.UTC))

    async def read(user: int) -> None:
        chance = random.Random(user)
        while time.perf_counter() < end:
            name, scope = chance.choice(sorted(lists)), scopes[chance.choice(sorted(scopes))]
            started = time.perf_counter()
            with contextlib.suppress(LookupError):
                await reading.run(lists[name], scope)
            times.setdefault(name, []).append(1000 * (time.perf_counter() - started))
            await asyncio.sleep(1)

    await asyncio.gather(submit(), *map(read, range(USERS)))
    await reading.close()
    print(f"{len(documents)} scans in {time.perf_counter() - end + seconds:.0f} of {seconds:.0f} seconds")
    rows = [*sorted(times.items()), ("all", list(itertools.chain.from_iterable(times.values())))]
    for name, group in rows:
        print(f"{name:48}{describe(group):>12}{len(group):6} times")


def build_documents(number: int, images: int) -> list[bytes]:
    """Return submissions of the first clusters of the fleet. images: the argument of `fleet.py`."""
    clusters = build_fleet(CLUSTERS, images)
    documents = []
    for key in range(number):
        clusters[key % CLUSTERS].change(CHANGED)
        documents.append(clusters[key % CLUSTERS].build(100 + key // CLUSTERS))
    return documents


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--load", type=float, default=0)
    parser.add_argument("--images", type=int, default=1_000)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.url, arguments.runs, arguments.load, arguments.images))


if __name__ == "__main__":
    main()
