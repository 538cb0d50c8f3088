"""Changes that fix most: upgrades of packages, and remediations of controls. Counts problems of high or critical priority only."""

from __future__ import annotations

import bisect
import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from kubekeep.ecosystems.shared.registry import is_distribution_type, load_ecosystems
from kubekeep.images.package_url import encode_path
from kubekeep.model.decision import DecisionScope
from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.finding_context import EXPOSED_CONTEXT, RANKS, STEPS, get_level
from kubekeep_server.store.image_schema import fixed_version, package_name
from kubekeep_server.store.queries.affected import VULNERABILITY
from kubekeep_server.store.queries.decisions import Work, list_work
from kubekeep_server.store.queries.definitions import count_by_definition
from kubekeep_server.store.queries.image_problems import ScopeProblems, UpgradeSummary
from kubekeep_server.store.queries.owners import select_owned
from kubekeep_server.store.queries.packages import read_versions
from kubekeep_server.store.queries.pages import Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import definition
from kubekeep_server.store.scopes import Scope
from kubekeep_server.store.urgency import LEVELS, SEVERITY_NAMES, URGENCIES

DEFAULT_FIXES: Final = 10
_MOST_IN_DECISION: Final = 100
"""Definitions and packages that a decision may have."""
_LARGEST: Final = 20
_CURSOR: Final = "fixes"
_UPGRADE, _CONTROL = 0, 1
_Position = tuple[int, int, int]
"""Number of removed problems as a negative number, kind of the change, and number of the package or definition."""


class UpgradedPackage(Document, frozen=True):
    """A package of an update. version: the lowest one that fixes all."""

    name: str
    version: str
    vulnerabilities: int


class _ImageChange(Document, frozen=True, kw_only=True):
    """A change of images. type: of the package URLs. purls: of the first packages, without versions.

    removed: problems of images, counted once for each image. vulnerabilities: different ones. definitions: keys of the first
    of them. A workload that runs several of the images counts for each.
    """

    type: str
    name: str
    purls: tuple[str, ...]
    removed: int
    vulnerabilities: int
    definitions: tuple[str, ...]
    images: int
    workloads: int
    exposed_workloads: int
    work: tuple[Work, ...]


class Upgrade(_ImageChange, frozen=True, kw_only=True, tag_field="change", tag="upgrade"):
    """An upgrade of a package in all images. version: the lowest one that fixes all."""

    version: str


class Update(_ImageChange, frozen=True, kw_only=True, tag_field="change", tag="update"):
    """An update of the packages of a distribution, which a rebuild on a current base image brings. name: of the distribution.

    packages: number. largest: those that fix most vulnerabilities.
    """

    packages: int
    largest: tuple[UpgradedPackage, ...]


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
    work: tuple[Work, ...]


class FixPage(Page[Upgrade | Update | Remediation], frozen=True, kw_only=True):
    """A page of changes. changes: of all pages. removed: what all of them remove."""

    changes: int
    removed: int


Fix = Upgrade | Update | Remediation


def list_fixes(
    connection: Connection,
    scope: Scope,
    is_visible: Callable[[DecisionScope], bool],
    cursor: str = "",
    limit: int = DEFAULT_FIXES,
    selected: Iterable[int] = (),
    owners: Sequence[str] = (),
) -> FixPage:
    """Return a page of changes, those that remove most open problems and findings of high or critical priority first.

    All packages of a distribution are one change. is_visible: tells if a decision with a scope may be read. selected: numbers of
    sources; empty for all. owners: of the workloads and other subjects; empty for all. Of changes that remove as many, upgrades are
    first, then those of older packages and definitions. Raises ValueError for a cursor of another list, and for `NO_OWNER`.
    """
    after = read_cursor(cursor, _CURSOR, tuple[int, int, int])
    changes = _Changes(connection, scope.narrow(selected) if selected else scope, select_owned(owners))
    positions = changes.list_positions()
    ranked = sorted(position for position in positions if after is None or position > after)
    page, following = cut_page(ranked, limit, _CURSOR, tuple)
    rows = changes.describe(page)
    work = list_work(connection, is_visible) if page else ()
    return FixPage(
        tuple(_add_work(rows[position], work) for position in page),
        following,
        changes=len(positions),
        removed=-sum(removed for removed, _, _ in positions),
    )


class _Changes:
    """The changes of a scope. is_selected: a condition of its workloads and other subjects; None for all."""

    def __init__(self, connection: Connection, scope: Scope, is_selected: ColumnElement[bool] | None) -> None:
        self._connection = connection
        self._vulnerabilities = _load_vulnerabilities(connection)
        self._problems = ScopeProblems(connection, scope, is_selected)
        distributions = _load_distributions(connection)
        groups = [(name, names[0]) for names in distributions for name in names]
        summaries = self._problems.sum_upgrades(self._vulnerabilities, groups)
        self._upgrades = {summary.name: summary for summary in summaries}
        self._members = {names[0]: names for names in distributions}
        self._findings = _select_severe(connection, count_by_definition(connection, scope, is_selected))

    def list_positions(self) -> list[_Position]:
        """Return the positions of all changes, in no order."""
        positions = [(-summary.problems, _UPGRADE, number) for number, summary in self._upgrades.items()]
        return positions + [(-sum(counts.values()), _CONTROL, number) for number, counts in self._findings.items()]

    def describe(self, page: Iterable[_Position]) -> dict[_Position, Fix]:
        """Return the changes of positions."""
        numbers: tuple[list[int], list[int]] = ([], [])
        for _, kind, number in page:
            numbers[kind].append(number)
        chosen = [self._upgrades[number] for number in numbers[_UPGRADE]]
        packages = _load_fixed_packages(self._connection, self._problems, self._vulnerabilities, chosen, self._members)
        rows = {(-each.problems, _UPGRADE, each.name): _describe_upgrade(each, packages[each.name]) for each in chosen}
        counts = {number: self._findings[number] for number in numbers[_CONTROL]}
        return rows | _describe_controls(self._connection, counts)


def _add_work(fix: Fix, work: Iterable[tuple[DecisionScope, Work]]) -> Fix:
    """Return a change with the decisions in progress on it."""

    def selects(scope: DecisionScope) -> bool:
        if isinstance(fix, Remediation):
            return fix.definition in scope.definitions
        return not set(fix.purls).isdisjoint(scope.packages)

    return msgspec.structs.replace(fix, work=tuple(one for scope, one in work if selects(scope)))


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


def _load_distributions(connection: Connection) -> list[list[int]]:
    """Return the numbers of the packages of each distribution, the first one first."""
    types = [entry.name for ecosystem in load_ecosystems().values() for entry in ecosystem.types]
    query = select(package_name).where(package_name.c.type.in_(filter(is_distribution_type, types)))
    groups: dict[tuple[str, str], list[int]] = {}
    for row in connection.execute(query.order_by(package_name.c.id)):
        if distribution := row.name.rpartition("/")[0]:
            groups.setdefault((row.type, distribution), []).append(row.id)
    return list(groups.values())


class _FixedPackage(NamedTuple):
    """A package to upgrade. definitions: numbers and keys of the vulnerabilities that this fixes."""

    type: str
    name: str
    version: str
    definitions: frozenset[tuple[int, str]]


def _load_fixed_packages(
    connection: Connection,
    problems: ScopeProblems,
    vulnerabilities: list[list[int]],
    upgrades: Iterable[UpgradeSummary],
    members: Mapping[int, list[int]],
) -> dict[int, list[_FixedPackage]]:
    """Return the packages of upgrades, those that fix most first. members: packages of a change that has several."""
    names = {summary.name: members.get(summary.name, [summary.name]) for summary in upgrades}
    if not names:
        return {}
    versions: dict[int, set[int]] = {}
    fixed: dict[int, set[int]] = {}
    for name, version, number in problems.list_upgrades(vulnerabilities, itertools.chain.from_iterable(names.values())):
        versions.setdefault(name, set()).add(version)
        fixed.setdefault(name, set()).add(number)
    texts = {row.id: row.text for row in _load(connection, fixed_version, set[int]().union(*versions.values()))}
    keys = {row.id: row.key for row in _load(connection, definition, set[int]().union(*fixed.values()))}
    packages = {
        row.id: _FixedPackage(
            row.type,
            row.name,
            _choose_version(row.type, [texts[key] for key in versions[row.id]]),
            frozenset((number, keys[number]) for number in fixed[row.id]),
        )
        for row in _load(connection, package_name, fixed)
    }
    return {
        change: sorted(
            (packages[number] for number in numbers if number in packages),
            key=lambda each: (-len(each.definitions), each.name),
        )
        for change, numbers in names.items()
    }


def _describe_upgrade(summary: UpgradeSummary, packages: Sequence[_FixedPackage]) -> Fix:
    first = packages[0]
    definitions = sorted(frozenset[tuple[int, str]]().union(*(each.definitions for each in packages)))
    distribution, _, _ = first.name.rpartition("/")
    values: dict[str, Any] = {
        "type": first.type,
        "purls": tuple(f"pkg:{each.type}/{encode_path(each.name)}" for each in packages[:_MOST_IN_DECISION]),
        "removed": summary.problems,
        "vulnerabilities": len(definitions),
        "definitions": tuple(key for _, key in definitions[:_MOST_IN_DECISION]),
        "images": summary.images,
        "workloads": summary.workloads,
        "exposed_workloads": summary.exposed_workloads,
        "work": (),
    }
    if not is_distribution_type(first.type) or not distribution:
        return Upgrade(name=first.name, version=first.version, **values)
    largest = tuple(
        UpgradedPackage(each.name.removeprefix(f"{distribution}/"), each.version, len(each.definitions))
        for each in packages[:_LARGEST]
    )
    return Update(name=distribution, packages=len(packages), largest=largest, **values)


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
            work=(),
        )
    return rows


def _load(connection: Connection, table: Any, numbers: Iterable[int]) -> Iterator[Any]:
    """Yield the rows of a table by their numbers."""
    return select_by_keys(connection, select(table).where(is_key(table.c.id)), numbers)
