"""The demo: its story by the queries of the pages, that it is the same each time, and the server that serves it."""

from __future__ import annotations

import collections
import datetime as dt
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import func, select

from kubekeep.library.load import builtin
from kubekeep.model.finding_document import build_priority
from kubekeep.model.priority import ResourceContext
from kubekeep.model.severity import Severity
from kubekeep.model.submission import Submission
from kubekeep.posture.priority import prioritise
from kubekeep.uplink.delta import apply_delta
from kubekeep_server.demo.catalog import load_catalog
from kubekeep_server.demo.company import CLUSTER_UIDS, ENTRY_POINT, GATED_REPOSITORY, JAVA, SERVICES, Cluster
from kubekeep_server.demo.filling import fill
from kubekeep_server.demo.posture import ACTIVE, EXPIRED
from kubekeep_server.demo.priorities import STEPS
from kubekeep_server.demo.submissions import PULL_REQUESTS, Demo
from kubekeep_server.demo.timeline import ARRIVAL, ARRIVING, LAST_OF_STAGING, SECRETS_HIDDEN_SINCE
from kubekeep_server.process.library_definitions import load_library, store_library
from kubekeep_server.store import image_schema, schema
from kubekeep_server.store.numbers import to_key, to_number
from kubekeep_server.store.queries.affected import RunningWorkload, get_vulnerability, is_affected, list_workloads
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.findings import FindingRow, list_findings
from kubekeep_server.store.queries.packages import list_versions
from kubekeep_server.store.queries.pages import Page
from kubekeep_server.store.queries.sources import SourceFilter, SourceRow, count_findings, list_days, list_sources
from kubekeep_server.store.queries.subjects import get_subject
from kubekeep_server.store.queries.vulnerabilities import VulnerabilityFilter, list_vulnerabilities
from kubekeep_server.store.scopes import EVERYTHING
from tests.server.conftest import Database
from tests.server.live import LiveServer
from tests.server.test_queries import read_all

NOW: Final = dt.datetime(2026, 12, 2, 9, tzinfo=dt.UTC)
DAY: Final = dt.timedelta(days=1)
WEEK: Final = 7


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Yield the store of a demo."""
    url = f"sqlite:///{tmp_path_factory.mktemp('demo') / 'demo.sqlite'}"
    content = load_library()
    fill(url, NOW, lambda connection: store_library(connection, content, NOW))
    database = Database(url)
    yield database
    database.close()


@pytest.fixture(scope="module")
def submissions() -> list[Submission]:
    return list(Demo(NOW).list_submissions())


def test_priorities_are_those_of_scans(submissions: list[Submission]) -> None:
    controls = {control.id: control for control in builtin().controls.values()}
    levels = set()
    for submission in submissions[-40:]:
        for subject in submission.subjects:
            for finding in subject.findings:
                if finding.definition not in controls or not (subject.exposure or subject.power):
                    assert finding.priority is None
                    continue
                control = controls[finding.definition]
                step = STEPS.get(control.id, "") if subject.power else ""
                context = ResourceContext(subject.exposure, subject.power, steps={control.slug: step} if step else {})
                expected = build_priority(prioritise(control, context))
                assert expected is not None
                if finding.priority is not None:
                    assert finding.priority == expected
                    levels.add(expected.level)
                else:
                    assert not expected.reasons
    assert {"medium", "high", "critical"} <= levels


def read_sources(demo: Database, kind: str = "") -> dict[tuple[str, str], SourceRow]:
    def call(cursor: str) -> Page[SourceRow]:
        return demo.run(
            lambda connection: list_sources(connection, EVERYTHING, selection=SourceFilter(kind=kind), cursor=cursor)
        )

    return {(row.key, row.branch): row for row in read_all(call)}


def get_cluster(demo: Database, cluster: Cluster) -> SourceRow:
    return read_sources(demo, "cluster")[f"cluster/{CLUSTER_UIDS[cluster]}", ""]


def read_findings(demo: Database, **values: Any) -> list[FindingRow]:
    def call(cursor: str) -> Page[FindingRow]:
        return demo.run(
            lambda connection: list_findings(connection, EVERYTHING, FindingFilter(**values), cursor=cursor)
        )

    return read_all(call)


def count_open(demo: Database, source: int, day: int) -> int:
    """Return the number of findings of a source that were open on a day."""
    finding, moment = schema.finding, to_number(NOW + day * DAY)
    query = select(func.count()).where(
        finding.c.source == source, finding.c.opened <= moment, finding.c.closed.is_(None) | (finding.c.closed > moment)
    )
    return int(demo.run(lambda connection: connection.execute(query).scalar_one()))


def test_numbers(demo: Database) -> None:
    totals = demo.run(count_findings, EVERYTHING)
    sources = read_sources(demo)
    kinds = collections.Counter(key.partition("/")[0] for key in {key for key, _ in sources})
    assert kinds == {"cluster": 3, "repository": 40, "registry": 1}
    assert totals.images >= 200
    assert demo.run(lambda connection: len(list_days(connection, EVERYTHING, 0))) > 100

    packages = select(func.count()).select_from(image_schema.image_package).group_by(image_schema.image_package.c.image)
    numbers = demo.run(lambda connection: list(connection.execute(packages).scalars()))
    assert min(numbers) >= 40
    assert max(numbers) <= 200

    def list_all(cursor: str) -> Page[Any]:
        return demo.run(
            lambda connection: list_vulnerabilities(connection, EVERYTHING, VulnerabilityFilter(), cursor=cursor)
        )

    assert len(read_all(list_all)) > 500


def test_same_demo_each_time(submissions: list[Submission]) -> None:
    assert list(Demo(NOW).list_submissions()) == submissions


def test_times_follow_today(submissions: list[Submission]) -> None:
    later = list(Demo(NOW + 3 * DAY).list_submissions())
    assert [submission.finished - 3 * DAY for submission in later] == [entry.finished for entry in submissions]
    assert [entry.removed for entry in later] == [entry.removed for entry in submissions]
    assert [entry.closed for entry in later] == [entry.closed for entry in submissions]
    assert NOW - DAY < max(entry.finished for entry in submissions) < NOW


def test_a_cluster_improves_and_one_decays(demo: Database) -> None:
    better, worse = (get_cluster(demo, cluster).id for cluster in (Cluster.EUROPE, Cluster.AMERICA))
    improving, decaying = (
        [count_open(demo, source, day) for day in (-350, -260, -170, -80, 0)] for source in (better, worse)
    )
    assert improving == sorted(improving, reverse=True)
    assert improving[-1] < improving[0] / 3
    assert decaying == sorted(decaying)
    assert decaying[-1] > 1.8 * decaying[0]


def test_a_cluster_stopped_reporting(demo: Database) -> None:
    finished = {cluster: get_cluster(demo, cluster).finished for cluster in Cluster}
    silent = finished[Cluster.STAGING]
    assert silent is not None
    assert NOW + (LAST_OF_STAGING - 1) * DAY < silent <= NOW + LAST_OF_STAGING * DAY
    for cluster in (Cluster.EUROPE, Cluster.AMERICA):
        moment = finished[cluster]
        assert moment is not None
        assert moment > NOW - DAY


def count_affected(submissions: list[Submission], day: int) -> int:
    """Return the number of containers in clusters that run an image with the vulnerability of the story on a day."""
    states: dict[str, Submission] = {}
    for submission in submissions:
        key = submission.source.key
        if key.startswith("cluster/") and submission.finished <= NOW + day * DAY:
            states[key] = apply_delta(states[key], submission) if submission.base else submission
    affected = 0
    for state in states.values():
        digests = {
            getattr(entry.subject, "digest", "")
            for entry in state.subjects
            if any(finding.definition == ARRIVING for finding in entry.findings)
        }
        affected += sum(container.digest in digests for entry in state.subjects for container in entry.containers)
    return affected


def test_a_vulnerability_is_fixed_in_most_workloads_in_a_week(demo: Database, submissions: list[Submission]) -> None:
    services = sum(service.stack == JAVA for service in SERVICES)
    published = ARRIVAL + 1
    assert count_affected(submissions, ARRIVAL) == 0
    assert count_affected(submissions, published) == 3 * services
    assert count_affected(submissions, published + WEEK) <= 0.2 * 3 * services
    left = demo.run(lambda connection: list_workloads(connection, EVERYTHING, is_affected(ARRIVING))).rows
    assert {row.source_key for row in left} == {get_cluster(demo, Cluster.AMERICA).key}
    assert len(left) == 8
    entry = demo.run(get_vulnerability, EVERYTHING, ARRIVING)
    assert entry.known_exploited
    assert entry.severity == "critical"


def test_an_exception_expires(demo: Database) -> None:
    (expired,) = read_findings(
        demo,
        names=(EXPIRED.service,),
        definitions=(EXPIRED.weakness,),
        sources=(get_cluster(demo, EXPIRED.cluster).id,),
    )
    assert not expired.is_suppressed
    assert expired.opened < NOW + EXPIRED.ends * DAY
    (active,) = read_findings(
        demo,
        names=(ACTIVE.service,),
        definitions=(ACTIVE.weakness,),
        sources=(get_cluster(demo, ACTIVE.cluster).id,),
        state=FindingState.SUPPRESSED,
    )
    page = demo.run(get_subject, EVERYTHING, active.source, to_key(active.subject))
    (detail,) = (finding.detail for finding in page.findings if finding.definition.key == ACTIVE.weakness)
    assert detail is not None
    assert detail.suppressed[0].exception.expires == NOW + ACTIVE.ends * DAY


def test_pull_requests_are_gated(demo: Database) -> None:
    key = f"repository/github.com/shop/{GATED_REPOSITORY}//"
    branches = {branch: row for (name, branch), row in read_sources(demo, "repository").items() if name == key}
    assert branches.keys() == {"main", *(f"pull/{number}" for number in PULL_REQUESTS)}
    finding = schema.finding
    main = branches.pop("main")
    opened = select(func.count()).where(finding.c.source == main.id, finding.c.opened > to_number(NOW - 300 * DAY))
    assert demo.run(lambda connection: connection.execute(opened).scalar_one()) == 0
    for row in branches.values():
        closed = select(func.count()).where(finding.c.source == row.id, finding.c.closed.is_not(None))
        assert demo.run(lambda connection, query=closed: connection.execute(query).scalar_one()) == 2


def test_a_base_image_is_behind_sixty_workloads(submissions: list[Submission]) -> None:
    layers: collections.Counter[str] = collections.Counter()
    contents = {image.digest: image.content for entry in submissions for image in entry.images}
    states: dict[str, Submission] = {}
    for submission in submissions:
        if submission.source.key.startswith("cluster/"):
            key = submission.source.key
            states[key] = apply_delta(states[key], submission) if submission.base else submission
    for state in states.values():
        for container in (container for entry in state.subjects for container in entry.containers):
            packages = contents[container.digest].packages if container.digest in contents else ()
            layers.update({location.layer for package in packages for location in package.locations})
    assert 60 in layers.values()


def test_one_attack_path_is_real(demo: Database) -> None:
    table = schema.subject
    dangerous = 5
    query = select(table.c.source, table.c.name).where(table.c.exposure >= dangerous, table.c.closed.is_(None))
    (subject,) = demo.run(lambda connection: connection.execute(query).all())
    cluster = get_cluster(demo, Cluster.AMERICA)
    assert tuple(subject) == (cluster.id, ENTRY_POINT)

    def list_affected(cursor: str) -> Page[RunningWorkload]:
        return demo.run(
            lambda connection: list_workloads(connection, EVERYTHING, is_affected("CVE-2021-44228"), cursor=cursor)
        )

    (workload,) = read_all(list_affected)
    assert (workload.source_key, workload.name, workload.exposure) == (cluster.key, ENTRY_POINT, dangerous)
    rights = read_findings(demo, names=(ENTRY_POINT,), definitions=("C-0015",))
    assert [(row.source, row.kind) for row in rights] == [(cluster.id, "ServiceAccount")]
    versions = demo.run(list_versions, EVERYTHING, "maven", "org.apache.logging.log4j/log4j-core", "2.15.0")
    assert [version.version for version in versions if version.is_below] == ["2.14.1"]


def test_gaps_are_visible(demo: Database, submissions: list[Submission]) -> None:
    cluster = get_cluster(demo, Cluster.AMERICA)
    assert cluster.unknown == 1
    (unknown,) = read_findings(demo, state=FindingState.UNKNOWN)
    assert (unknown.source, unknown.kind, unknown.name) == (cluster.id, "ConfigMap", "search-settings")
    assert unknown.unknown_since is not None
    assert 0 <= (unknown.unknown_since - NOW).days - SECRETS_HIDDEN_SINCE <= 2 * WEEK
    last = [entry for entry in submissions if entry.source.key == cluster.key][-1]
    assert {"list secrets", "list configmaps"} <= {gap.next_step for gap in last.gaps}
    assert any("required data is missing" in gap.message for gap in last.gaps)


def test_definitions_are_those_of_the_library() -> None:
    current = {control.key: control for control in builtin().controls.values()}
    for entry in load_catalog().controls.values():
        control = current[entry.key]
        assert (entry.title, entry.severity, entry.remediation) == (
            control.title,
            control.level.name.lower(),
            control.fix.strip(),
        )


def test_problems_of_packages_are_consistent() -> None:
    catalog = load_catalog()
    for stack in catalog.stacks.values():
        for package in stack.packages:
            versions = [package, *([package.newer] if package.newer else [])]
            for version in versions:
                assert {problem.definition for problem in version.problems} <= catalog.vulnerabilities.keys()
            assert package.newer is None or package.newer.purl != package.purl
    assert {Severity[entry.severity.upper()] for entry in catalog.vulnerabilities.values()} >= {
        Severity.CRITICAL,
        Severity.LOW,
    }


def test_server_of_the_demo(tmp_path: Path) -> None:
    """Serve the demo: it prints the link of a first start, ignores the database of the settings, and leaves nothing."""
    other = tmp_path / "other"
    server = LiveServer(tmp_path, "--data", str(other), "--demo", wait=False)
    try:
        server.wait_until_ready()
        assert "Sign in as administrator within 15 minutes: http://" in server.log
        folder = Path(server.log.partition("Demo: writes a year of scans to ")[2].partition(",")[0])
        assert (folder / "kubekeep.sqlite").is_file()
        # As when a terminal is closed; the server turns it into SIGTERM. Under nohup(1) it ignores it, as these tests do.
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert server.stop(signal.SIGTERM if is_ignored else signal.SIGHUP) in (0, -signal.SIGTERM)
        assert not folder.exists()
        assert not other.exists()
    finally:
        server.close()
