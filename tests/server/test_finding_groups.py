"""Groups of findings compared with groups of a plain query that reads everything."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import pytest

from kubekeep_server.store.numbers import to_key
from kubekeep_server.store.queries.definitions import DefinitionFilter
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.finding_groups import FindingGroup, Grouping, list_finding_groups
from kubekeep_server.store.queries.finding_subjects import SubjectGroup, list_finding_subjects
from kubekeep_server.store.queries.findings import FindingOrder
from kubekeep_server.store.scopes import EVERYTHING
from kubekeep_server.store.urgency import SEVERITY_NAMES
from tests.server.conftest import Database
from tests.server.test_ingest import START
from tests.server.test_queries import DAY, FILTERS, ORDERS, SCOPES, fleet, list_plain, make_scope, rank_finding, shows

__all__ = ("fleet",)
_SUBJECT_LIMIT = 10


def describe_plain(rows: list[Any]) -> list[tuple[tuple[str, ...], str, str, int, int, int]]:
    """Return keys, priority, severity, exposure, findings and findings that can be reached of each control, in the order of the list."""
    by_definition: dict[int, list[Any]] = {}
    for row in rows:
        by_definition.setdefault(row.definition, []).append(row)
    ranked = []
    for number, members in by_definition.items():
        first = min(members, key=rank_finding)
        rank, exposure, level = rank_finding(first), first.exposure, SEVERITY_NAMES[first.level]
        exposed = sum(row.exposure >= 4 for row in members)
        group = ((first.key,), level, SEVERITY_NAMES[first.severity], exposure, len(members), exposed)
        ranked.append(((rank, -len(members), number), group))
    return [group for _, group in sorted(ranked)]


def describe(group: FindingGroup) -> tuple[tuple[str, ...], str, str, int, int, int]:
    return group.definitions, group.priority, group.severity, group.exposure, group.findings, group.exposed


def read_groups(database: Database, *arguments: Any) -> list[FindingGroup]:
    rows: list[FindingGroup] = []
    cursor = ""
    while True:
        page = database.run(list_finding_groups, *arguments, cursor, 2)
        assert len(page.rows) <= 2
        rows += page.rows
        cursor = page.cursor
        if not cursor:
            return rows


@pytest.mark.parametrize(("sources", "namespaces"), SCOPES)
def test_controls_are_those_of_the_plain_query(
    fleet: Database, sources: int | None, namespaces: tuple[str, ...]
) -> None:
    scope = make_scope(fleet, sources, namespaces)
    plain = [row for row in fleet.run(list_plain) if not row.is_suppressed and shows(scope, row)]
    assert list(map(describe, read_groups(fleet, scope, DefinitionFilter(), Grouping.CONTROL))) == describe_plain(plain)


GROUP_FILTERS: list[tuple[DefinitionFilter, Callable[[Any], bool]]] = [
    (DefinitionFilter(definitions=("C-0002",)), lambda row: row.key == "C-0002"),
    (DefinitionFilter(severities=("critical", "low")), lambda row: row.severity in (4, 1)),
    (DefinitionFilter(priorities=("critical", "medium")), lambda row: row.level in (4, 2)),
    (DefinitionFilter(priorities=("unknown",)), lambda _: False),
    (
        DefinitionFilter(priorities=("high",), severities=("low",), is_exposed=True),
        lambda row: row.level == 3 and row.severity == 1 and row.exposure >= 4,
    ),
    (DefinitionFilter(is_exposed=True), lambda row: row.exposure >= 4),
    (DefinitionFilter(is_exposed=False), lambda row: row.exposure < 4),
    (DefinitionFilter(definition_kinds=("secret",)), lambda _: False),
    (DefinitionFilter(text="c-0002"), lambda row: row.key == "C-0002"),
    (DefinitionFilter(sources=(1, 2)), lambda row: row.source in (1, 2)),
]


@pytest.mark.parametrize(("selection", "matches"), GROUP_FILTERS)
def test_filters_of_controls_select_those_of_the_plain_query(
    fleet: Database, selection: DefinitionFilter, matches: Callable[[Any], bool]
) -> None:
    plain = [row for row in fleet.run(list_plain) if not row.is_suppressed and matches(row)]
    assert list(map(describe, read_groups(fleet, EVERYTHING, selection, Grouping.CONTROL))) == describe_plain(plain)


def test_controls_with_one_remediation_are_one_change(fleet: Database) -> None:
    controls = read_groups(fleet, EVERYTHING, DefinitionFilter(), Grouping.CONTROL)
    changes = read_groups(fleet, EVERYTHING, DefinitionFilter(), Grouping.CHANGE)
    by_text: dict[str, list[FindingGroup]] = {}
    for control in controls:
        by_text.setdefault(control.remediation or control.definitions[0], []).append(control)
    assert sorted(sum(group.findings for group in groups) for groups in by_text.values()) == sorted(
        change.findings for change in changes
    )
    assert sorted(key for change in changes for key in change.definitions) == sorted(
        key for control in controls for key in control.definitions
    )


def read_subjects(database: Database, *arguments: Any) -> list[SubjectGroup]:
    rows: list[SubjectGroup] = []
    cursor = ""
    while True:
        page = database.run(list_finding_subjects, *arguments, cursor, _SUBJECT_LIMIT)
        assert len(page.rows) <= _SUBJECT_LIMIT
        rows += page.rows
        cursor = page.cursor
        if not cursor:
            return rows


def group_plain(rows: list[Any]) -> list[tuple[int, int, str, int, dict[str, int]]]:
    """Return source, key, first definition, exposure and findings by level of each subject, in the order of the list."""
    groups: dict[tuple[int, int], list[Any]] = {}
    for row in sorted(rows, key=ORDERS[FindingOrder.PRIORITY]):
        groups.setdefault((row.source, row.subject), []).append(row)
    return [
        (*key, members[0].key, members[0].exposure, dict(collections.Counter(SEVERITY_NAMES[row.level] for row in members)))
        for key, members in groups.items()
    ]  # fmt: skip


def identify(group: SubjectGroup) -> tuple[int, int, str, int, dict[str, int]]:
    return group.source, to_key(group.subject), group.definition, group.exposure, group.findings


@pytest.mark.parametrize(("sources", "namespaces"), SCOPES)
def test_subjects_are_those_of_the_plain_query(
    fleet: Database, sources: int | None, namespaces: tuple[str, ...]
) -> None:
    scope = make_scope(fleet, sources, namespaces)
    plain = [row for row in fleet.run(list_plain) if not row.is_suppressed and shows(scope, row)]
    assert list(map(identify, read_subjects(fleet, scope, FindingFilter()))) == group_plain(plain)


@pytest.mark.parametrize(("selection", "matches"), FILTERS)
def test_filters_of_subjects_select_those_of_the_plain_query(
    fleet: Database, selection: FindingFilter, matches: Callable[[Any], bool]
) -> None:
    plain = [row for row in fleet.run(list_plain) if not row.is_suppressed and matches(row)]
    assert list(map(identify, read_subjects(fleet, EVERYTHING, selection))) == group_plain(plain)


def test_suppressed_findings_of_subjects_are_a_state(fleet: Database) -> None:
    selection = FindingFilter(state=FindingState.SUPPRESSED, opened_before=START + 3 * DAY)
    plain = [row for row in fleet.run(list_plain) if row.is_suppressed]
    assert list(map(identify, read_subjects(fleet, EVERYTHING, selection))) == group_plain(plain)
