"""Measure the pages of frameworks: `python benchmarks/frameworks.py URL [--clusters N] [--changes N]`.

URL: `sqlite:///FILE` or `postgresql://...`, of an empty database. Each cluster has evaluated all controls for a year, and in the last 90
days as many of them change their state each day as `--changes` says. Prints the lowest and the median time of each query, without HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from kubekeep._native import pack_counts
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.text import encode_json
from kubekeep_server.process.library_definitions import load_library, store_library
from kubekeep_server.store.control_states import pack_states
from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import upgrade
from kubekeep_server.store.framework_schema import control_interval, source_evaluation
from kubekeep_server.store.numbers import DAY, to_moment, to_number
from kubekeep_server.store.queries import frameworks
from kubekeep_server.store.queries.frameworks import Period
from kubekeep_server.store.schema import definition, source
from kubekeep_server.store.scopes import EVERYTHING, Scope

NOW: Final = to_number(dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
YEAR: Final = 365
QUARTER: Final = 90
KEY: Final = "cis-v1.12.0"
FAILED: Final = 1
PASSED: Final = 4
RUNS: Final = 9


def fill(connection: Connection, clusters: int, changes: int) -> None:
    """Write the clusters with the history of their controls."""
    upgrade(connection)
    store_library(connection, load_library(), to_moment(NOW))
    keys = list(connection.execute(select(definition.c.id)).scalars())
    randomness = random.Random(3)
    for number in range(1, clusters + 1):
        document = encode_json(SourceCluster(f"cluster-{number}"))
        row = {
            "id": number,
            "key": f"cluster/{number:04}",
            "branch": "",
            "document": document,
            "scan": "",
            "finished": NOW,
        }
        nothing = {
            "created": NOW,
            "manifest": "",
            "scope": b"",
            "definitions": b"",
            "evaluation": b"1",
            "evaluated": NOW,
        }
        connection.execute(insert(source), [{**row, **nothing}])
        states: dict[int, int] = {}
        connection.execute(insert(control_interval), list(build_history(number, keys, changes, randomness, states)))
        packed = {"evaluated": pack_counts([(key, 1) for key in keys]), "states": pack_states(states)}
        empty = {"changed": NOW, "is_limited": False, "incomplete": b"", "unevaluated": b"", "gaps": b""}
        connection.execute(insert(source_evaluation), [{"source": number, **packed, **empty}])


def build_history(
    number: int, keys: list[int], changes: int, randomness: random.Random, states: dict[int, int]
) -> Iterator[dict[str, Any]]:
    """Yield the intervals of a cluster. states: gets the last ones."""
    open_rows = {}
    start = NOW - YEAR * DAY
    for key in keys:
        states[key] = randomness.choice((FAILED, PASSED, PASSED))
        open_rows[key] = build_row(number, key, start, states[key], 0)
    for day in range(QUARTER):
        for key in randomness.sample(keys, changes):
            moment = NOW - (QUARTER - day) * DAY + number
            yield {**open_rows[key], "until": moment}
            before, states[key] = states[key], FAILED + PASSED - states[key]
            open_rows[key] = build_row(number, key, moment, states[key], before)
    yield from open_rows.values()


def build_row(number: int, key: int, since: int, state: int, before: int) -> dict[str, Any]:
    """Return the last interval of a control in a cluster."""
    return {"source": number, "definition": key, "since": since, "state": state, "before": before, "until": None}


def list_queries(scope: Scope, requirement: str) -> Iterator[tuple[str, Callable[[Connection], Any]]]:
    """Yield the queries of the pages with their names."""
    for days in (QUARTER, YEAR - 1):
        period = Period(to_moment(NOW - days * DAY), to_moment(NOW))
        calls: dict[str, Callable[..., Any]] = {
            "list": partial(frameworks.list_frameworks, scope=scope),
            "framework": partial(frameworks.get_framework, scope=scope, key=KEY),
            "sources": partial(frameworks.list_framework_sources, scope=scope, key=KEY),
            "requirement": partial(
                frameworks.get_requirement, scope=scope, key=KEY, identifier=requirement, is_visible=bool
            ),
        }
        for name, call in calls.items():
            yield f"{name}, {days} days", partial(call, period=period)


def measure(connection: Connection, query: Callable[[Connection], Any]) -> list[float]:
    """Return the milliseconds of each run."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        query(connection)
        times.append(1_000 * (time.perf_counter() - started))
    return times


async def run(url: str, clusters: int, changes: int) -> None:
    """Fill the database and measure."""
    database = open_database(url)
    await database.run(fill, clusters, changes)
    for name, scope in (("all", EVERYTHING), ("500", Scope(frozenset(range(1, 501))))):
        for title, query in list_queries(scope, "5.2.2"):
            times = await database.run(measure, query)
            print(f"{name}: {title}: {min(times):.0f} ms, median {statistics.median(times):.0f} ms")
    await database.close()


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--clusters", type=int, default=2_000)
    parser.add_argument("--changes", type=int, default=2)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.url, arguments.clusters, arguments.changes))


if __name__ == "__main__":
    main()
