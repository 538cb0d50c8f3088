"""Queries compared with plain ones that read everything: every order, page and filter, for users of all and of some sources."""

from __future__ import annotations

import collections
import datetime as dt
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Connection, case, select

from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import EvaluatedScope, ImageEntry
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store import image_schema, schema
from kubekeep_server.store.numbers import to_key, to_number
from kubekeep_server.store.queries import findings, packages
from kubekeep_server.store.queries.affected import get_vulnerability, list_workloads
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.findings import FindingOrder, FindingRow, list_findings
from kubekeep_server.store.queries.images import list_problems
from kubekeep_server.store.queries.owners import NO_OWNER, list_owners
from kubekeep_server.store.queries.packages import has_package, list_versions, search_packages
from kubekeep_server.store.queries.pages import Page
from kubekeep_server.store.queries.search import search
from kubekeep_server.store.queries.sources import SourceFilter, SourceOrder, count_findings, get_source, list_sources
from kubekeep_server.store.queries.subjects import get_subject
from kubekeep_server.store.scopes import EVERYTHING, Scope, resolve_scope
from kubekeep_server.store.stored_scopes import store_scope
from kubekeep_server.store.urgency import LEVELS, PAIRS, SEVERITY_NAMES
from tests.server.conftest import Database, create_database
from tests.server.test_images import SCORES, build_content, build_image, build_scan, build_workload, run
from tests.server.test_ingest import SEVERITIES, START, build_finding, submit

CLUSTERS: Final = 24
WORKLOADS: Final = 12
EXPOSED: Final = "reachable from the internet"
OWNERS: Final = ("", "team web", "team pay", "payments@example.com")
NOW: Final = to_number(START)
DAY: Final = dt.timedelta(days=1)
OWN_LEVELS: Final = ("", "", "", "low", "medium", "high", "critical")
"""Levels of the priorities of findings; empty for those without one of their own."""
DIGESTS: Final = [f"sha256:{number:064x}" for number in range(10)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Yield a store with clusters of which each has been scanned three times."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.sqlite'}"
    else:
        url = create_database(request.getfixturevalue("postgres"))
    database = Database(url)
    chance = random.Random(7)
    for day, number in itertools.product(range(3), range(CLUSTERS)):
        submit(database, build_cluster(chance, day, number))
    yield database
    database.close()


def build_cluster(chance: random.Random, day: int, number: int) -> Any:
    entries = []
    used = chance.sample(DIGESTS, 4)
    for key in range(WORKLOADS):
        names = [name for name in SEVERITIES if chance.random() < 0.5]
        findings = tuple(
            build_finding(key, name, is_suppressed=chance.random() < 0.1, level=chance.choice(OWN_LEVELS))
            for name in names
        )
        entry = build_workload(key, run(chance.choice(used)), exposure=EXPOSED if chance.random() < 0.3 else "")
        namespace = f"team-{key % 3}"
        subject = ResourceSubject("apps/v1", "Deployment", f"web-{key}", namespace)
        entries.append(
            type(entry)(
                entry.key, subject, findings=findings, containers=entry.containers, exposure=entry.exposure,
                power="can take over its node" if chance.random() < 0.1 else "", owner=OWNERS[(key + number) % 4],
                labels=build_labels(key, number),
            )
        )  # fmt: skip
    running = sorted({container.digest for entry in entries for container in entry.containers})
    images = [build_image(digest, *sorted(chance.sample(sorted(SCORES), chance.randrange(4)))) for digest in running]
    contents = [
        ImageEntry(
            digest, (f"ghcr.io/shop/app:{int(digest[7:], 16)}",), "", build_content(f"3.0.{int(digest[7:], 16)}")
        )
        for digest in running
    ]
    source = SourceCluster(f"cluster-{number}")
    scope = EvaluatedScope(tuple(SEVERITIES))
    return build_scan(day, *entries, *images, source=source, images=contents, scope=scope, epss={"CVE-2": 0.4})


def build_labels(key: int, number: int) -> dict[str, str]:
    """Return labels: one that each subject has, one with a value for each name, and one that few have."""
    return {"app": "web", "app.kubernetes.io/name": f"web-{key}"} | (
        {"tier": "edge"} if (key + number) % 7 == 0 else {}
    )


def make_scope(database: Database, sources: int | None, namespaces: tuple[str, ...] = ()) -> Scope:
    """Return a scope of the first sources; it is stored if it has many."""
    if sources is None and not namespaces:
        return EVERYTHING
    keys = ["*"] if sources is None else [f"cluster/cluster-{number}" for number in range(sources)]
    grants = [Grant(Role.VIEWER, key, namespaces) for key in keys]
    scope = database.run(resolve_scope, grants)
    if not scope.is_wide:
        return scope
    database.run(store_scope, scope, NOW)
    return database.run(resolve_scope, grants)


SCOPES: Final = [
    (None, ()),
    (0, ()),
    (1, ()),
    (5, ()),
    (20, ()),
    (21, ()),
    (None, ("team-1",)),
    (3, ("team-0", "team-2")),
]


def read_all(call: Callable[[str], Page[Any]]) -> list[Any]:
    """Return the rows of all pages."""
    rows: list[Any] = []
    cursor = ""
    for _ in range(1_000):
        page = call(cursor)
        rows += page.rows
        cursor = page.cursor
        if not cursor:
            return rows
        assert page.rows
    raise AssertionError("the list has no end")


def list_plain(connection: Connection) -> list[Any]:
    """Return all open findings, with the columns that filters and orders read."""
    finding, subject, definition = schema.finding, schema.subject, schema.definition
    own = finding.c.context % 5
    # The priority of a definition in these tests has the level of its severity.
    level = case((own > 0, own), else_=definition.c.severity).label("level")
    query = (
        select(
            finding, (finding.c.context // 5).label("exposure"), level, subject.c.namespace, subject.c.kind, subject.c.name, subject.c.owner, definition.c.key, definition.c.severity,
            definition.c.urgency, definition.c.kind.label("definition_kind"), schema.source.c.key.label("source_key"),
        )
        .join(subject, (subject.c.source == finding.c.source) & (subject.c.id == finding.c.subject))
        .join(definition, definition.c.id == finding.c.definition)
        .join(schema.source, schema.source.c.id == finding.c.source)
        .where(finding.c.closed.is_(None))
    )  # fmt: skip
    return list(connection.execute(query))


def identify(row: FindingRow) -> tuple[int, int, int]:
    return row.source, to_key(row.subject), to_key(row.fingerprint)


def identify_plain(row: Any) -> tuple[int, int, int]:
    return row.source, row.subject, row.fingerprint


def shows(scope: Scope, row: Any) -> bool:
    if scope.whole is None or row.source in scope.whole:
        return True
    return row.namespace in scope.limited.get(row.source, frozenset())


PAIR_RANKS: Final = {pair: rank for rank, pair in enumerate(PAIRS)}


def rank_finding(row: Any) -> tuple[int, ...]:
    """Return the rank of a finding: by level, then by exposure and urgency; those with a priority of their own first."""
    return -row.level, PAIR_RANKS[row.exposure, row.urgency], -row.context


ORDERS: Final[dict[FindingOrder, Callable[[Any], Any]]] = {
    FindingOrder.PRIORITY: lambda row: (
        *rank_finding(row), row.definition, -row.opened, row.source, row.subject, row.fingerprint,
    ),
    FindingOrder.SEVERITY: lambda row: (
        -row.severity, -row.context, row.definition, -row.opened, row.source, row.subject, row.fingerprint,
    ),
    FindingOrder.OLDEST: lambda row: (row.opened, row.source, row.subject, row.fingerprint),
    FindingOrder.NEWEST: lambda row: tuple(-value for value in (row.opened, row.source, row.subject, row.fingerprint)),
}  # fmt: skip


@pytest.mark.parametrize(("sources", "namespaces"), SCOPES)
@pytest.mark.parametrize("order", FindingOrder)
@pytest.mark.parametrize("few", [0, 20, 2_000])
def test_pages_of_findings_are_those_of_the_plain_query(
    fleet: Database,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    order: FindingOrder,
    sources: int | None,
    namespaces: tuple[str, ...],
) -> None:
    # Some exposures have few subjects of a namespace, others have many.
    monkeypatch.setattr(findings, "_FEW_SUBJECTS", few)
    scope = make_scope(fleet, sources, namespaces)
    expected = sorted(
        (row for row in fleet.run(list_plain) if not row.is_suppressed and shows(scope, row)), key=ORDERS[order]
    )
    assert bool(expected) == (sources != 0)
    rows: list[FindingRow] = read_all(
        lambda cursor: fleet.run(list_findings, scope, FindingFilter(), order, cursor, 37)
    )
    assert list(map(identify, rows)) == list(map(identify_plain, expected))
    assert [row.priority for row in rows] == [SEVERITY_NAMES[row.level] for row in expected]


FILTERS: Final[list[tuple[FindingFilter, Callable[[Any], bool]]]] = [
    (FindingFilter(namespaces=("team-1", "team-2")), lambda row: row.namespace in ("team-1", "team-2")),
    (FindingFilter(kinds=("Pod",)), lambda row: row.kind == "Pod"),
    (FindingFilter(names=("web-3",)), lambda row: row.name == "web-3"),
    (FindingFilter(owners=("team pay", "none")), lambda row: row.owner == "team pay"),
    (FindingFilter(owners=(NO_OWNER,)), lambda row: row.owner is None),
    (FindingFilter(owners=(NO_OWNER, "team web"), kinds=("Deployment",)), lambda row: row.owner in (None, "team web")),
    (FindingFilter(owners=("team web",), text="web-1"), lambda row: row.owner == "team web" and "web-1" in row.name),
    (FindingFilter(labels=("app=web",)), lambda _: True),
    (FindingFilter(labels=("app=api",)), lambda _: False),
    (FindingFilter(labels=("app", "tier=edge")), lambda row: (row.subject + row.source - 1) % 7 == 0),
    (
        FindingFilter(labels=("app.kubernetes.io/name=web-1", "app.kubernetes.io/name=web-3", "app=web")),
        lambda row: row.name in ("web-1", "web-3"),
    ),
    (FindingFilter(labels=("app.kubernetes.io/name",), owners=("team pay",)), lambda row: row.owner == "team pay"),
    (FindingFilter(definitions=("C-0002",)), lambda row: row.key == "C-0002"),
    (FindingFilter(severities=("critical", "low")), lambda row: row.severity in (4, 1)),
    (FindingFilter(priorities=("critical", "low")), lambda row: row.level in (4, 1)),
    (FindingFilter(priorities=("medium",)), lambda row: row.level == 2),
    (FindingFilter(priorities=("unknown",)), lambda _: False),
    (
        FindingFilter(priorities=("high",), severities=("low",), is_exposed=False),
        lambda row: row.level == 3 and row.severity == 1 and row.exposure < 4,
    ),
    (FindingFilter(priorities=("high",), text="WEB-1"), lambda row: row.level == 3 and "web-1" in row.name),
    (FindingFilter(priorities=("high",), names=("web-3",)), lambda row: row.level == 3 and row.name == "web-3"),
    (FindingFilter(is_exposed=True), lambda row: row.exposure >= 4),
    (FindingFilter(is_exposed=False, severities=("high",)), lambda row: row.exposure < 4 and row.severity == 3),
    (FindingFilter(definition_kinds=("misconfiguration",)), lambda row: row.definition_kind == "misconfiguration"),
    (FindingFilter(definition_kinds=("secret",)), lambda _: False),
    (FindingFilter(text="c-0002"), lambda row: row.key == "C-0002"),
    (FindingFilter(text="WEB-1"), lambda row: "web-1" in row.name),
    (FindingFilter(text="0", severities=("critical",)), lambda row: row.severity == 4),
    (FindingFilter(text="-1"), lambda row: "-1" in row.name or "-1" in row.key),
    (FindingFilter(text="_"), lambda _: False),
    (FindingFilter(opened_since=START + DAY), lambda row: row.opened >= NOW + 86_400_000_000),
    (FindingFilter(opened_before=START + DAY, text="web-3"), lambda row: row.opened <= NOW and row.name == "web-3"),
    (
        FindingFilter(opened_since=START, opened_before=START + 2 * DAY, is_exposed=True),
        lambda row: row.opened < NOW + 2 * 86_400_000_000 and row.exposure >= 4,
    ),
]
FEW: Final = (
    "_FEW_SOURCES",
    "_FEW_FINDINGS",
    "_FEW_OF_DEFINITIONS",
    "_FEW_OF_SOME_SUBJECTS",
    "_FEW_NAMES",
    "_FEW_SUBJECTS",
)


@pytest.mark.parametrize("small", [(), FEW])
@pytest.mark.parametrize(("selection", "matches"), FILTERS)
@pytest.mark.parametrize("order", FindingOrder)
def test_filters_select_the_rows_of_the_plain_query(
    fleet: Database,
    monkeypatch: pytest.MonkeyPatch,
    order: FindingOrder,
    selection: FindingFilter,
    matches: Callable[[Any], bool],
    small: tuple[str, ...],
) -> None:
    # Few findings of a small store are read as many of a large one.
    for name in small:
        monkeypatch.setattr(findings, name, 0)
    plain = fleet.run(list_plain)
    for sources in (None, 2):
        scope = make_scope(fleet, sources)
        rows = read_all(lambda cursor, scope=scope: fleet.run(list_findings, scope, selection, order, cursor, 20))  # type: ignore[misc]
        expected = [row for row in plain if not row.is_suppressed and shows(scope, row) and matches(row)]
        assert list(map(identify, rows)) == list(map(identify_plain, sorted(expected, key=ORDERS[order])))


def test_suppressed_findings_are_a_state(fleet: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for few in (5_000, 0):
        monkeypatch.setattr(findings, "_FEW_FINDINGS", few)
        for levels in ((), ("critical", "medium")):
            selection = FindingFilter(state=FindingState.SUPPRESSED, priorities=levels)
            rows = read_all(
                lambda cursor, selection=selection: fleet.run(  # type: ignore[misc]
                    list_findings, EVERYTHING, selection, FindingOrder.PRIORITY, cursor, 10
                )
            )
            plain = [row for row in fleet.run(list_plain) if row.is_suppressed]
            expected = [row for row in plain if not levels or SEVERITY_NAMES[row.level] in levels]
            assert list(map(identify, rows)) == list(
                map(identify_plain, sorted(expected, key=ORDERS[FindingOrder.PRIORITY]))
            )
    assert all(row.is_suppressed for row in rows)
    assert all(row.remediation == "" for row in rows)


def test_source_outside_of_the_scope_has_no_rows(fleet: Database) -> None:
    scope = make_scope(fleet, 2)
    other = next(iter(make_scope(fleet, 3).whole - scope.whole))  # type: ignore[operator]
    assert fleet.run(list_findings, scope, FindingFilter(sources=(other,))).rows == ()
    with pytest.raises(LookupError):
        fleet.run(get_source, scope, other)
    with pytest.raises(LookupError):
        fleet.run(get_subject, scope, other, 1)
    limited = make_scope(fleet, 1, ("team-1",))
    number = next(iter(limited.limited))
    assert getattr(fleet.run(get_subject, limited, number, 1).entry.subject, "name", "") == "web-1"
    with pytest.raises(LookupError):
        fleet.run(get_subject, limited, number, 2)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "k" * 10_000, "\N{SNOWMAN}", "gqhzZXZlcml0eZYAAAAAAAA"])
def test_foreign_cursor_is_refused(fleet: Database, cursor: str) -> None:
    with pytest.raises(ValueError, match="start without a cursor"):
        fleet.run(list_findings, EVERYTHING, FindingFilter(), FindingOrder.PRIORITY, cursor)


def list_plain_problems(connection: Connection) -> list[Any]:
    """Return the open problems of images with the workloads that run them."""
    finding, definition, used, subject = (
        image_schema.image_finding, schema.definition, image_schema.runs, schema.subject,
    )  # fmt: skip
    query = (
        select(finding, definition.c.key, definition.c.urgency, definition.c.severity, definition.c.epss,
               definition.c.is_exploited, used.c.source, used.c.exposure, image_schema.image.c.digest,
               subject.c.namespace, subject.c.owner, subject.c.id.label("subject"))
        .join(definition, definition.c.id == finding.c.definition)
        .join(used, used.c.image == finding.c.image)
        .join(subject, (subject.c.source == used.c.source) & (subject.c.id == used.c.subject))
        .join(image_schema.image, image_schema.image.c.id == finding.c.image)
        .where(finding.c.closed.is_(None))
    )  # fmt: skip
    return list(connection.execute(query))


@pytest.mark.parametrize("size", [1, 500])
def test_packages_are_those_of_the_plain_query(database: Database, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(packages, "_NAMES_OF_A_QUERY", size)
    for number in range(6):
        digest = DIGESTS[number]
        contents = [
            ImageEntry(digest, (), "", build_content("1.0", f"1.{number}", name=f"lib{number // 2}")),
        ]
        entry = build_workload(number, run(digest))
        submit(
            database,
            build_scan(number, entry, build_image(digest), source=SourceCluster(f"cluster-{number}"), images=contents),
        )
    everything = [("debian/lib0", 2, 2), ("debian/lib1", 3, 2), ("debian/lib2", 3, 2)]
    for sources, expected in ((None, everything), (0, []), (3, [everything[0], ("debian/lib1", 2, 1)])):
        scope = make_scope(database, sources)
        rows = read_all(lambda cursor, scope=scope: database.run(search_packages, scope, "LIB", cursor, 1))  # type: ignore[misc]
        assert [(row.name, row.versions, row.images) for row in rows] == expected
    assert [row.name for row in database.run(search_packages, EVERYTHING, "lib2").rows] == ["debian/lib2"]


def test_definition_of_a_vulnerability(fleet: Database) -> None:
    assert fleet.run(get_vulnerability, EVERYTHING, "CVE-1").title == "CVE-1"
    for name in ("CVE-9", "C-0001"):
        with pytest.raises(LookupError, match=f"no image has {name}"):
            fleet.run(get_vulnerability, EVERYTHING, name)
    with pytest.raises(LookupError, match="no image has CVE-1"):
        fleet.run(get_vulnerability, make_scope(fleet, 0), "CVE-1")


def test_packages_and_their_versions(fleet: Database) -> None:
    (row,) = fleet.run(search_packages, EVERYTHING, "OPENSSL").rows
    versions = fleet.run(list_versions, EVERYTHING, row.type, row.name, "3.0.5")
    assert [version.is_below for version in versions] == [number < 5 for number in range(len(versions))]
    assert (row.type, row.name, row.versions, row.images) == ("deb", "debian/openssl", len(versions), len(versions))
    purls = [purl for version in versions if version.is_below for purl in version.purls]
    workloads = read_all(lambda cursor: fleet.run(list_workloads, EVERYTHING, has_package(purls), cursor, 11))
    assert {workload.digest for workload in workloads} == {DIGESTS[number] for number in range(5)}
    assert fleet.run(search_packages, make_scope(fleet, 0), "openssl").rows == ()
    assert fleet.run(search_packages, EVERYTHING, "%").rows == ()
    with pytest.raises(LookupError, match="no image has the package nginx"):
        fleet.run(list_versions, EVERYTHING, "deb", "nginx")


@pytest.mark.parametrize("sources", [None, 0, 1, 5, 21])
def test_totals_are_those_of_the_plain_queries(fleet: Database, sources: int | None) -> None:
    scope = make_scope(fleet, sources)
    totals = fleet.run(count_findings, scope)
    findings = [row for row in fleet.run(list_plain) if not row.is_suppressed and shows(scope, row)]
    assert totals.findings == count_plain(row.level for row in findings)
    assert totals.exposed_findings == count_plain(row.level for row in findings if row.exposure >= 4)
    problems = [row for row in fleet.run(list_plain_problems) if shows(scope, row)]
    images = collections.defaultdict(set)
    exposures: dict[int, int] = collections.defaultdict(int)
    for row in problems:
        images[row.image].add((row.definition, row.urgency))
        exposures[row.image] = max(exposures[row.image], row.exposure)
    levels = [
        (image, LEVELS[exposures[image]][urgency])
        for image, definitions in images.items()
        for _, urgency in definitions
    ]
    assert totals.vulnerabilities == count_plain(level for _, level in levels)
    assert totals.exposed_vulnerabilities == count_plain(level for image, level in levels if exposures[image] >= 4)
    assert totals.sources == (CLUSTERS if sources is None else sources)
    assert totals.images == len({row.image for row in problems} | used_images(fleet, scope))


def count_plain(levels: Iterable[int]) -> dict[str, int]:
    counts = collections.Counter(levels)
    return {name: counts[level] for level, name in enumerate(SEVERITY_NAMES)}


def used_images(fleet: Database, scope: Scope) -> set[int]:
    used = image_schema.source_image
    rows = fleet.run(lambda connection: connection.execute(select(used.c.source, used.c.image)).all())
    return {row.image for row in rows if scope.whole is None or row.source in scope.whole}


@pytest.mark.parametrize("order", SourceOrder)
def test_each_source_is_listed_once(fleet: Database, order: SourceOrder) -> None:
    rows = read_all(lambda cursor: fleet.run(list_sources, EVERYTHING, order, SourceFilter(), cursor, 5))
    assert sorted(row.key for row in rows) == sorted(f"cluster/cluster-{number}" for number in range(CLUSTERS))
    keys = {
        SourceOrder.NAME: lambda row: row.key,
        SourceOrder.CRITICAL: lambda row: (-row.findings["critical"], row.id),
        SourceOrder.LAST_SCAN: lambda row: (-row.finished.timestamp(), row.id),
        SourceOrder.SILENT: lambda row: (row.finished.timestamp(), row.id),
    }
    assert rows == sorted(rows, key=keys[order])
    assert all(row.scans == 3 and row.images for row in rows)
    assert fleet.run(list_sources, EVERYTHING, order, SourceFilter(kind="registry")).rows == ()
    selection = SourceFilter(kind="cluster", text="STER-1")
    selected = read_all(lambda cursor: fleet.run(list_sources, EVERYTHING, order, selection, cursor, 5))
    assert [row.key for row in selected] == [row.key for row in rows if "ster-1" in row.key]


@pytest.mark.parametrize(("sources", "namespaces"), SCOPES)
def test_search_returns_what_the_scope_has(fleet: Database, sources: int | None, namespaces: tuple[str, ...]) -> None:
    scope = make_scope(fleet, sources, namespaces)
    result = {text: fleet.run(search, scope, text) for text in ("WEB-1", "team-1/web-1", "cve-1", "openss", "ster-2")}
    is_empty = sources == 0
    for text, selected in (("WEB-1", namespaces), ("team-1/web-1", ("team-1",))):
        subjects = result[text].subjects
        assert bool(subjects) is not (is_empty or (text != "WEB-1" and namespaces == ("team-0", "team-2")))
        assert all(row.name in {"web-1", "web-10", "web-11"} for row in subjects)
        assert all(not selected or row.namespace in selected for row in subjects)
        assert all(shows(scope, row) for row in subjects)
    assert [row.key for row in result["cve-1"].definitions] == ([] if is_empty else ["CVE-1"])
    assert [row.name for row in result["openss"].packages] == ([] if is_empty else ["debian/openssl"])
    keys = [row.key for row in result["ster-2"].sources]
    assert all("ster-2" in key for key in keys)
    assert bool(keys) is (sources is None or sources > 2)


@pytest.mark.parametrize("text", ["%", "_", "x/", "\N{SNOWMAN}", "' or 1=1 --"])
def test_search_of_text_that_nothing_has(fleet: Database, text: str) -> None:
    result = fleet.run(search, EVERYTHING, text)
    assert (result.sources, result.definitions, result.packages) == ((), (), ())


def test_problems_of_an_image(fleet: Database) -> None:
    rows = fleet.run(list_plain_problems)
    digest = rows[0].digest
    expected = {row.key for row in rows if row.digest == digest}
    result = read_all(lambda cursor: fleet.run(list_problems, EVERYTHING, digest, cursor, 1))
    assert {row.definition for row in result} == expected
    assert len(result) == len(expected)
    urgency = {row.key: row.urgency for row in rows}
    assert [urgency[row.definition] for row in result] == sorted((urgency[key] for key in expected), reverse=True)
    assert {(row.purl, row.fixed_version) for row in result} == {("pkg:deb/debian/openssl@3.0.1", "3.0.13")}
    with pytest.raises(LookupError):
        fleet.run(list_problems, make_scope(fleet, 0), digest)


def test_subject_has_its_findings_with_history_and_images(fleet: Database) -> None:
    row = fleet.run(list_findings, EVERYTHING, FindingFilter()).rows[0]
    page = fleet.run(get_subject, EVERYTHING, row.source, to_key(row.subject))
    assert getattr(page.entry.subject, "name", "") == row.name
    current = [finding for finding in page.findings if finding.closed is None]
    assert row.definition in {finding.definition.key for finding in current}
    assert all(finding.detail is not None for finding in current)
    assert [image.digest for image in page.images] == [container.digest for container in page.entry.containers]
    assert page.images[0].references


@pytest.mark.parametrize(("sources", "namespaces"), SCOPES)
def test_owners_are_those_of_the_scope(fleet: Database, sources: int | None, namespaces: tuple[str, ...]) -> None:
    scope = make_scope(fleet, sources, namespaces)
    subject = schema.subject
    columns = select(subject.c.source, subject.c.namespace, subject.c.owner).where(subject.c.owner.is_not(None))
    plain = fleet.run(lambda connection: connection.execute(columns).all())
    expected = {row.owner for row in plain if shows(scope, row)}
    rows = read_all(lambda cursor: fleet.run(list_owners, scope, cursor, 2))
    assert [row.owner for row in rows] == sorted(expected)
    listed = fleet.run(list_findings, scope, FindingFilter(owners=("team web",)))
    assert {row.owner for row in listed.rows} <= {"team web"}
