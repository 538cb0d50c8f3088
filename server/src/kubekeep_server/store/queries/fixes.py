"""Changes that fix most: upgrades of packages, and remediations of controls. Counts problems of high or critical priority only."""

from __future__ import annotations

import bisect
import collections
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.finding_context import EXPOSED_CONTEXT, RANKS, STEPS, get_level
from kubekeep_server.store.image_schema import fixed_version, package_name
from kubekeep_server.store.queries.affected import VULNERABILITY
from kubekeep_server.store.queries.definitions import count_by_definition
from kubekeep_server.store.queries.image_problems import ScopeProblems, UpgradeSummary
from kubekeep_server.store.queries.packages import read_versions
from kubekeep_server.store.queries.pages import Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import definition
from kubekeep_server.store.scopes import Scope
from kubekeep_server.store.urgency import LEVELS, SEVERITY_NAMES, URGENCIES

DEFAULT_FIXES: Final = 10
_CURSOR: Final = "fixes"
_UPGRADE, _CONTROL = 0, 1
_Position = tuple[int, int, int]
"""Number of removed problems as a negative number, kind of the change, and number of the package or definition."""


class Upgrade(Document, frozen=True, tag_field="change", tag="upgrade"):
    """An upgrade of a package in all images. type: of its package URL. version: the lowest one that fixes all.

    removed: problems of images, counted for each. vulnerabilities: different ones. A workload that runs several of the images
    counts for each.
    """

    type: str
    name: str
    version: str
    removed: int
    vulnerabilities: int
    images: int
    workloads: int
    exposed_workloads: int


class Remediation(Document, frozen=True, tag_field="change", tag="remediation"):
    """A remediation in all workloads and other subjects. removed: findings. exposed: those of subjects that can be reached.

    priority: level of the most urgent finding.
    """

    definition: str
    title: str
    priority: str
    severity: str
    remediation: str
    removed: int
    exposed: int


Fix = Upgrade | Remediation


def list_fixes(
    connection: Connection, scope: Scope, cursor: str = "", limit: int = DEFAULT_FIXES, selected: Iterable[int] = ()
) -> Page[Upgrade | Remediation]:
    """Return a page of changes, those that remove most open problems and findings of high or critical priority first.

    selected: numbers of sources; empty for all. Of changes that remove as many, upgrades are first, then those of older packages and
    definitions. Raises ValueError for a cursor of another list.
    """
    scope = scope.narrow(selected) if selected else scope
    after = read_cursor(cursor, _CURSOR, tuple[int, int, int])
    vulnerabilities = _load_vulnerabilities(connection)
    problems = ScopeProblems(connection, scope)
    upgrades = {summary.name: summary for summary in problems.sum_upgrades(vulnerabilities)}
    findings = _select_severe(connection, count_by_definition(connection, scope))
    positions: list[_Position] = [(-summary.problems, _UPGRADE, number) for number, summary in upgrades.items()]
    positions += [(-sum(counts.values()), _CONTROL, number) for number, counts in findings.items()]
    ranked = sorted(position for position in positions if after is None or position > after)
    page, following = cut_page(ranked, limit, _CURSOR, tuple)
    rows: dict[_Position, Fix] = {}
    chosen = [upgrades[number] for _, kind, number in page if kind == _UPGRADE]
    rows |= _describe_upgrades(connection, problems, vulnerabilities, chosen)
    rows |= _describe_controls(connection, {number: findings[number] for _, kind, number in page if kind == _CONTROL})
    return Page(tuple(rows[position] for position in page), following)


def _load_vulnerabilities(connection: Connection) -> list[list[int]]:
    """Return, by exposure, the vulnerabilities of which the problems of images have a high or critical priority."""
    lowest = [bisect.bisect_left(levels, int(Severity.HIGH)) for levels in LEVELS]
    query = select(definition.c.id, definition.c.urgency).where(definition.c.urgency >= min(lowest))
    by_urgency: list[list[int]] = [[] for _ in range(URGENCIES)]
    for number, urgency in connection.execute(query.where(definition.c.kind == VULNERABILITY)):
        by_urgency[urgency].append(number)
    return [list(itertools.chain.from_iterable(by_urgency[urgency:])) for urgency in lowest]


def _select_severe(
    connection: Connection, counts: dict[int, collections.Counter[int]]
) -> dict[int, collections.Counter[int]]:
    """Return the numbers of findings of high or critical priority. counts: of all, by definition and context."""
    query = select(definition.c.id, definition.c.urgency).where(is_key(definition.c.id))
    severe: dict[int, collections.Counter[int]] = {}
    for row in select_by_keys(connection, query, counts):
        for context, count in counts[row.id].items():
            if count > 0 and get_level(context, row.urgency) >= Severity.HIGH:
                severe.setdefault(row.id, collections.Counter())[context] = count
    return severe


def _describe_upgrades(
    connection: Connection, problems: ScopeProblems, vulnerabilities: list[list[int]], upgrades: list[UpgradeSummary]
) -> dict[_Position, Fix]:
    if not upgrades:
        return {}
    versions: dict[int, set[int]] = {}
    fixed: dict[int, set[int]] = {}
    names = [summary.name for summary in upgrades]
    for name, version, number in problems.list_upgrades(vulnerabilities, names):
        versions.setdefault(name, set()).add(version)
        fixed.setdefault(name, set()).add(number)
    packages = {row.id: row for row in _load(connection, package_name, names)}
    texts = {row.id: row.text for row in _load(connection, fixed_version, set[int]().union(*versions.values()))}
    return {
        (-summary.problems, _UPGRADE, summary.name): Upgrade(
            type=packages[summary.name].type,
            name=packages[summary.name].name,
            version=_choose_version(packages[summary.name].type, [texts[key] for key in versions[summary.name]]),
            removed=summary.problems,
            vulnerabilities=len(fixed[summary.name]),
            images=summary.images,
            workloads=summary.workloads,
            exposed_workloads=summary.exposed_workloads,
        )
        for summary in upgrades
    }


def _choose_version(kind: str, texts: Iterable[str]) -> str:
    """Return the highest version; those that the scheme of a type of package URL cannot read are below the others."""
    ordered = sorted(texts)
    keys = read_versions(kind, ordered)
    return max(keys, key=lambda text: keys[text]) if keys else ordered[-1]


def _describe_controls(connection: Connection, counts: dict[int, collections.Counter[int]]) -> dict[_Position, Fix]:
    rows: dict[_Position, Fix] = {}
    for row in _load(connection, definition, counts):
        document = msgspec.json.decode(row.document, type=DefinitionEntry)
        removed = sum(counts[row.id].values())
        first = STEPS[min(RANKS[context, row.urgency] for context in counts[row.id])]
        rows[-removed, _CONTROL, row.id] = Remediation(
            definition=row.key,
            title=document.title,
            priority=SEVERITY_NAMES[get_level(*first)],
            severity=SEVERITY_NAMES[row.severity],
            remediation=document.remediation,
            removed=removed,
            exposed=sum(count for context, count in counts[row.id].items() if context >= EXPOSED_CONTEXT),
        )
    return rows


def _load(connection: Connection, table: Any, numbers: Iterable[int]) -> Iterator[Any]:
    """Yield the rows of a table by their numbers."""
    return select_by_keys(connection, select(table).where(is_key(table.c.id)), numbers)
