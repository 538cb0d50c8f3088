"""Measures decisions on a store that `fleet.py` has filled: time to make one on a control in all sources and to end it, and the lists between.

usage: python benchmarks/decisions.py URL
The store is changed, and is as before at the end but for the decisions and the log.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, func, select

from kubekeep.model.decision import DecisionKind, DecisionScope
from kubekeep_server.store.database import open_database
from kubekeep_server.store.decisions import NewDecision, Person, end_decision, make_decision, refresh_images
from kubekeep_server.store.engine import upgrade
from kubekeep_server.store.queries.decisions import get_decision
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.findings import FindingOrder, list_findings
from kubekeep_server.store.schema import definition, finding, source, subject
from kubekeep_server.store.scopes import EVERYTHING

BENCHMARK = Person("benchmark")


def find_commonest(connection: Connection) -> tuple[str, ...]:
    """Return the three controls with the most open findings."""
    count = func.count()
    query = (
        select(definition.c.key, count)
        .join(finding, finding.c.definition == definition.c.id)
        .where(finding.c.closed.is_(None), ~finding.c.is_suppressed)
        .group_by(definition.c.key)
        .order_by(count.desc())
        .limit(3)
    )
    return tuple(connection.execute(query).scalars())


async def measure(url: str) -> None:
    """Print the times of each step."""
    database = open_database(url)

    async def run(title: str, function: Callable[..., Any], *arguments: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = await database.run(function, *arguments)
        print(
            f"{title:<62} {(time.perf_counter() - wall) * 1000:7.0f} ms, {(time.process_time() - cpu) * 1000:7.0f} ms of this process"
        )
        return result

    await database.run(upgrade)
    keys = await run("find the commonest controls", find_commonest)
    half = await database.run(
        lambda c: c.execute(select(source.c.key).order_by(source.c.id).limit(1_000)).scalars().all()
    )
    namespaces = await database.run(
        lambda c: c.execute(select(subject.c.namespace).distinct().limit(2)).scalars().all()
    )
    now = dt.datetime.now(dt.UTC)
    scopes = {
        "all sources": DecisionScope(definitions=keys),
        "the first 1,000 sources": DecisionScope(definitions=keys, sources=tuple(half)),
        "two namespaces of all sources": DecisionScope(definitions=keys, namespaces=tuple(namespaces)),
    }
    for name, scope in scopes.items():
        new = NewDecision(
            kind=DecisionKind.ACCEPTED_RISK, scope=scope, reason="measured", expires=now + dt.timedelta(days=1)
        )
        number = await run(f"three controls in {name}: make", make_decision, new, BENCHMARK, now)
        await run("  images", refresh_images, now)
        page = await database.run(get_decision, number)
        print(f"  covers {page.findings:,} findings")
        for state in (FindingState.OPEN, FindingState.DECIDED):
            for order in FindingOrder:
                await run(
                    f"  first page, {state.value}, {order.value}",
                    list_findings,
                    EVERYTHING,
                    FindingFilter(state=state),
                    order,
                )
        await run(f"three controls in {name}: end", end_decision, number, BENCHMARK, now)
    await database.close()


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    asyncio.run(measure(parser.parse_args().url))


if __name__ == "__main__":
    main()
