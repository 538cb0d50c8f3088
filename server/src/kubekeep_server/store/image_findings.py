"""Intervals of the problems of images, and the totals of images. Never reads which source has an image, but for its reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, case, func, select, update

from kubekeep._native import pack_problems
from kubekeep.model.definition import FindingKind
from kubekeep_server.store.aliases import join_aliases
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.image_decisions import find_decisions
from kubekeep_server.store.image_matches import ImageMatch, load_matches, merge_match
from kubekeep_server.store.image_reports import NOTHING, ImageReport, Problem, ProblemState, load_reports
from kubekeep_server.store.image_schema import (
    BY_LEVEL,
    BY_URGENCY,
    COUNTS,
    image,
    image_finding,
    image_problems,
    image_report,
    package,
    source_image,
)
from kubekeep_server.store.packages import LONGEST_VERSION, store_packages, store_versions
from kubekeep_server.store.schema import definition
from kubekeep_server.store.upsert import insert_many, replace_rows
from kubekeep_server.store.urgency import LEVELS

Key = tuple[int, int, int]
"""Numbers of image, definition and package."""


def refresh_findings(connection: Connection, images: Iterable[int], moment: int) -> tuple[list[Key], list[Key]]:
    """Open and close the problems of images by the reports of their sources; return the opened and the closed ones.

    Writes what is derived from them too: the totals and the packed problems of the images.
    """
    refreshed = sorted(images)
    required = join_aliases(connection, _load_states(connection, refreshed))
    packages = store_packages(connection, {problem.purl for states in required.values() for problem in states})
    keys = {problem.definition for states in required.values() for problem in states}
    query = select(definition.c.key, definition.c.id).where(is_key(definition.c.key))
    numbers = dict(select_by_keys(connection, query, keys))
    decisions = find_decisions(connection, numbers, required)
    states = {
        (number, numbers[problem.definition], packages[problem.purl]): _describe_row(
            state, decisions.get((number, problem))
        )
        for number, problems in required.items()
        for problem, state in problems.items()
    }
    changes = _write(connection, required, states, moment)
    recount(connection, refreshed)
    _store_problems(connection, refreshed)
    return changes


class _Row(NamedTuple):
    """The columns of an open problem that may change. decision: the one that covers it; exceptions count first."""

    fixed_version: str
    is_suppressed: bool
    is_unknown: bool
    decision: int | None


def _describe_row(state: ProblemState, decision: int | None) -> _Row:
    if state.is_suppressed:
        return _Row(*state, None)
    return _Row(state.fixed_version, decision is not None, state.is_unknown, decision)


def recount(connection: Connection, images: Iterable[int]) -> None:
    """Write the totals of images."""
    required = sorted(images)
    columns = (*COUNTS, "fixable")
    rows = {number: {"number": number, **dict.fromkeys(columns, 0)} for number in required}
    fixable = case((image_finding.c.fixed_version != "", definition.c.id))
    numbers = (func.count(definition.c.id.distinct()), func.count(fixable.distinct()))
    query = (
        select(image_finding.c.image, definition.c.kind, definition.c.urgency, *numbers)
        .join(definition, definition.c.id == image_finding.c.definition)
        .where(is_key(image_finding.c.image), image_finding.c.closed.is_(None), ~image_finding.c.is_suppressed)
        .group_by(image_finding.c.image, definition.c.kind, definition.c.urgency)
    )
    for number, kind, urgency, count, fixes in select_by_keys(connection, query, required):
        is_raised = kind == FindingKind.VULNERABILITY
        rows[number][BY_URGENCY[urgency] if is_raised else BY_LEVEL[LEVELS[0][urgency]]] += count
        rows[number]["fixable"] += fixes
    if rows:
        statement = update(image).where(image.c.id == bindparam("number"))
        connection.execute(statement.values({name: bindparam(name) for name in columns}), list(rows.values()))


def _store_problems(connection: Connection, images: Iterable[int]) -> None:
    """Write the packed problems of images, from their open ones."""
    table = image_finding
    problems: dict[int, list[tuple[int, str, int, int]]] = {number: [] for number in images}
    query = (
        select(table.c.image, table.c.definition, table.c.opened, table.c.fixed_version, package.c.name)
        .join(package, package.c.id == table.c.package)
        .where(is_key(table.c.image), table.c.closed.is_(None), ~table.c.is_suppressed)
    )
    for row in select_by_keys(connection, query, problems):
        # A problem without a fixed version has no package to upgrade.
        version = row.fixed_version[:LONGEST_VERSION]
        problems[row.image].append((row.name if version else 0, version, row.definition, row.opened))
    versions = store_versions(connection, {problem[1] for group in problems.values() for problem in group})
    rows = [
        {
            "image": number,
            "content": pack_problems([(name, versions[text], key, opened) for name, text, key, opened in group]),
        }
        for number, group in sorted(problems.items())
    ]
    replace_rows(connection, image_problems, ("content",), rows)


def refresh_uses(connection: Connection, images: Iterable[int]) -> tuple[frozenset[int], frozenset[int]]:
    """Write how many sources have images, and their exposure; return those that the first and the last source has or had."""
    required = sorted(images)
    before = dict(select_by_keys(connection, select(image.c.id, image.c.sources).where(is_key(image.c.id)), required))
    table = source_image
    columns = {
        "sources": func.count(),
        "exposure": func.max(table.c.exposure),
        "workloads": func.sum(table.c.workloads),
        "exposed_workloads": func.sum(table.c.exposed_workloads),
    }
    query = select(table.c.image, *columns.values()).where(is_key(table.c.image)).group_by(table.c.image)
    uses = {number: values for number, *values in select_by_keys(connection, query, required)}
    unused = (0,) * len(columns)
    rows = [
        {
            "number": number,
            **{f"new_{name}": value for name, value in zip(columns, uses.get(number, unused), strict=True)},
        }
        for number in required
    ]
    if rows:
        statement = update(image).where(image.c.id == bindparam("number"))
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in columns}), rows)
    current, previous = uses.keys(), {number for number, sources in before.items() if sources}
    return frozenset(current - previous), frozenset(previous - current)


def load_image_reports(connection: Connection, images: Iterable[int]) -> dict[int, dict[bytes, ImageReport]]:
    """Return the last reports of the sources that have images, by image and digest; without images that have no report.

    The reports of sources that no longer have an image count until another source reports on it.
    """
    required = sorted(images)
    query = select(source_image.c.image, source_image.c.report).where(is_key(source_image.c.image)).distinct()
    keys = {(row.image, row.report) for row in select_by_keys(connection, query, required) if row.report != NOTHING}
    kept = select(image_report.c.image, image_report.c.digest).where(is_key(image_report.c.image))
    unreported = {*required} - {number for number, _ in keys}
    keys |= {(row.image, row.digest) for row in select_by_keys(connection, kept, unreported)}
    by_image: dict[int, dict[bytes, ImageReport]] = {}
    for (number, digest), report in load_reports(connection, keys).items():
        by_image.setdefault(number, {})[digest] = report
    return by_image


def _load_states(connection: Connection, images: Iterable[int]) -> dict[int, dict[Problem, ProblemState]]:
    """Return the open problems of images by reports and matches; without images that have neither."""
    required = sorted(images)
    reports, matches = load_image_reports(connection, required), load_matches(connection, required)
    return {
        number: merge_match(reports.get(number, {}), matches.get(number, ImageMatch()))
        for number in reports.keys() | matches.keys()
    }


def _write(
    connection: Connection,
    images: Iterable[int],
    states: Mapping[Key, _Row],
    moment: int,
) -> tuple[list[Key], list[Key]]:
    table = image_finding
    query = select(table).where(is_key(table.c.image), table.c.closed.is_(None))
    rows = {(row.image, row.definition, row.package): row for row in select_by_keys(connection, query, images)}
    opened, closed = sorted(states.keys() - rows.keys()), sorted(rows.keys() - states.keys())
    insert_many(connection, table, list(_describe_new(opened, states, moment)))
    changed = [
        _describe(key, state, moment if state.is_unknown else None, rows[key].unknown_since)
        for key, state in states.items()
        if key in rows and _differs(rows[key], state)
    ]
    is_row = (
        (table.c.image == bindparam("i")) & (table.c.definition == bindparam("d")) & (table.c.package == bindparam("p"))
    )
    statement = update(table).where(is_row, table.c.closed.is_(None))
    if closed:
        keys = [{"i": number, "d": definition, "p": package} for number, definition, package in closed]
        connection.execute(statement.values(closed=moment), keys)
    if changed:
        values: dict[str, Any] = {
            "fixed_version": bindparam("fixed"),
            "is_suppressed": bindparam("suppressed"),
            "unknown_since": bindparam("since"),
            "decision": bindparam("new_decision"),
        }
        connection.execute(statement.values(values), changed)
    return opened, closed


def _describe_new(keys: Iterable[Key], states: Mapping[Key, _Row], moment: int) -> Iterator[tuple[Any, ...]]:
    for key in keys:
        state = states[key]
        since = moment if state.is_unknown else None
        yield (*key, state.fixed_version, state.is_suppressed, moment, None, since, state.decision)


def _differs(row: Any, state: _Row) -> bool:
    known = (row.fixed_version, bool(row.is_suppressed), row.unknown_since is not None, row.decision)
    return known != state


def _describe(key: Key, state: _Row, since: int | None, known_since: int | None) -> dict[str, Any]:
    number, definition, package = key
    return {
        "i": number,
        "d": definition,
        "p": package,
        "fixed": state.fixed_version,
        "suppressed": state.is_suppressed,
        "since": None if since is None else known_since or since,
        "new_decision": state.decision,
    }
