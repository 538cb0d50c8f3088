"""Lists of the API read a bounded number of rows: for a user of everything, without a filter, in a small and in a large store.

The measure is the number of instructions of SQLite's virtual machine, which is the same at each run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import Connection, event

from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import ImageEntry, Submission
from kubekeep_server.auth.permissions import OPERATIONS, Permission
from kubekeep_server.store.engine import open_file_engine
from kubekeep_server.store.frameworks import FrameworkDocument, RequirementDocument, store_frameworks
from kubekeep_server.store.organisation_log import list_entries
from kubekeep_server.store.permissions import load_permissions
from kubekeep_server.store.queries import affected
from kubekeep_server.store.queries.affected import is_affected, list_affected_images, list_workloads
from kubekeep_server.store.queries.comparison import ComparisonFilter, SideName, list_compared_findings
from kubekeep_server.store.queries.decisions import DecisionFilter, list_decisions
from kubekeep_server.store.queries.definitions import DefinitionFilter
from kubekeep_server.store.queries.finding_filter import FindingFilter
from kubekeep_server.store.queries.finding_groups import Grouping, list_finding_groups
from kubekeep_server.store.queries.finding_subjects import list_finding_subjects
from kubekeep_server.store.queries.findings import FindingOrder, list_findings
from kubekeep_server.store.queries.fixes import list_fixes
from kubekeep_server.store.queries.frameworks import Period, list_framework_sources, list_frameworks
from kubekeep_server.store.queries.image_lists import ImageFilter, ImageOrder, list_images
from kubekeep_server.store.queries.owners import list_owners
from kubekeep_server.store.queries.packages import list_versions, search_packages
from kubekeep_server.store.queries.scans import list_scans
from kubekeep_server.store.queries.search import search
from kubekeep_server.store.queries.source_details import MOST_BRANCHES, list_branches, list_namespaces
from kubekeep_server.store.queries.sources import SourceFilter, SourceOrder, list_sources
from kubekeep_server.store.queries.vulnerabilities import (
    VulnerabilityFilter,
    VulnerabilityOrder,
    list_vulnerabilities,
)
from kubekeep_server.store.scopes import EVERYTHING
from tests.server.conftest import Database
from tests.server.test_images import build_content, build_image, build_scan, build_workload, run
from tests.server.test_ingest import START, build_finding, submit

SMALL, LARGE = 24, 192
"""Clusters of both stores."""
WORKLOADS: Final = 30
IMAGES: Final = 4
"""Clusters after which the images are those of others: a list of problems of images reads a row for each image."""
ADVISORIES: Final = ("CVE-1", "CVE-2", "CVE-3")
STEP: Final = 100
LIMIT: Final = 25
MOST, FEW = 1.6, 20
"""The growth of the work at most, while the rows grow by eight, and steps for a row of totals of each cluster."""
WITHOUT_ROWS: Final = (
    *("listChanges", "listImagePackages", "listImageProblems"),
    *("listImageWorkloads", "listPackageWorkloads", "listViews", "listenToEvents"),
    *("listIdentityPermissions", "listPermittedIdentities"),
)
"""Numbers by day, views of a user, packages and problems of one image, the queries of `listAffectedWorkloads` and
`listIdentities` again, and a stream."""
FRAMEWORK: Final = FrameworkDocument(
    "small",
    "Small",
    "1",
    "",
    "",
    is_standard=True,
    requirements=(RequirementDocument("1", "", "", ("C-0001", "C-0002")),),
)
PERIOD: Final = Period(START + dt.timedelta(days=1), START + dt.timedelta(days=9))
"""After the scans: the changes in a period are counted one by one."""
_page: Final[dict[str, Any]] = {"scope": EVERYTHING, "cursor": "", "limit": LIMIT}
CALLS: Final[dict[str, Callable[[Connection], Any]]] = {
    **{
        f"listSources by {order}": partial(list_sources, order=order, selection=SourceFilter(), **_page)
        for order in SourceOrder
    },
    **{
        f"listFindings by {order}": partial(list_findings, order=order, selection=FindingFilter(), **_page)
        for order in FindingOrder
    },
    **{
        f"listFindingGroups by {grouping}": partial(
            list_finding_groups, grouping=grouping, selection=DefinitionFilter(), **_page
        )
        for grouping in Grouping
    },
    "listFindingSubjects": partial(list_finding_subjects, selection=FindingFilter(), **_page),
    "listOwners": partial(list_owners, **_page),
    "listFixes": partial(list_fixes, is_visible=bool, **_page),
    **{
        f"listVulnerabilities by {order}": partial(
            list_vulnerabilities, order=order, selection=VulnerabilityFilter(), **_page
        )
        for order in VulnerabilityOrder
    },
    "listAffectedImages": partial(list_affected_images, name="CVE-1", **_page),
    "listAffectedWorkloads": partial(list_workloads, images=is_affected("CVE-1"), **_page),
    **{
        f"listImages by {order}": partial(list_images, order=order, selection=ImageFilter(), **_page)
        for order in ImageOrder
    },
    "listPackages": partial(search_packages, text="", **_page),
    "listPackageVersions": partial(list_versions, scope=EVERYTHING, kind="deb", name="debian/openssl"),
    "listNamespaces": partial(list_namespaces, number=1, **_page),
    "listBranches": partial(list_branches, number=1, scope=EVERYTHING, limit=MOST_BRANCHES),
    "listComparedFindings": partial(
        list_compared_findings, before=SideName(1), after=SideName(2), selection=ComparisonFilter(), **_page
    ),
    "listScans": partial(list_scans, number=1, **_page),
    "listDecisions": partial(list_decisions, selection=DecisionFilter(), is_visible=bool, cursor="", limit=LIMIT),
    "listFrameworks": partial(list_frameworks, scope=EVERYTHING, period=PERIOD),
    "listFrameworkSources": partial(list_framework_sources, scope=EVERYTHING, key=FRAMEWORK.key, period=PERIOD),
    "listIdentities": partial(load_permissions, scope=EVERYTHING, number=1),
    "listLog": partial(list_entries, before=0, limit=LIMIT),
    "search": partial(search, scope=EVERYTHING, text="web"),
}


def build_cluster(number: int) -> Submission:
    images = [f"sha256:{number % IMAGES:032x}{key:032x}" for key in range(3)]
    entries = []
    for key in range(WORKLOADS):
        entry = build_workload(key, run(images[key % 3]), exposure="reachable from the internet" if key % 3 else "")
        findings = tuple(build_finding(key, name) for name in ("C-0001", "C-0002"))
        subject = ResourceSubject("apps/v1", "Deployment", f"web-{key}", f"team-{key % 3}")
        owner = f"team {number % 10 * WORKLOADS + key}"
        entries.append(msgspec.structs.replace(entry, subject=subject, findings=findings, owner=owner))
    contents = [
        ImageEntry(digest, (f"ghcr.io/shop/app:{number % IMAGES}",), "", build_content("3.0.1")) for digest in images
    ]
    reports = [build_image(digest, *ADVISORIES) for digest in images]
    scan = build_scan(0, *entries, *reports, source=SourceCluster(f"cluster-{number}"), images=contents)
    moment = scan.finished + dt.timedelta(minutes=number)
    return msgspec.structs.replace(scan, started=moment, finished=moment)


def count_instructions(path: Path) -> dict[str, int]:
    """Return the instructions of each list, in steps of a hundred."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    def watch(connection: Any, record: object) -> None:
        del record
        connection.set_progress_handler(step, STEP)

    engine = open_file_engine(f"sqlite:///{path}", is_reading=True)
    event.listen(engine, "connect", watch)
    counts = {}
    for name, call in CALLS.items():
        with engine.connect() as connection:
            connection.begin()
            count = 0
            call(connection)
            counts[name] = count
    engine.dispose()
    return counts


def test_lists_read_as_much_of_a_large_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Workloads of an image are sorted at once up to this number, which a store of a test does not reach.
    monkeypatch.setattr(affected, "_FEW_WORKLOADS", WORKLOADS)
    counts = []
    for clusters in (SMALL, LARGE):
        path = tmp_path / f"{clusters}.sqlite"
        database = Database(f"sqlite:///{path}")
        database.run(store_frameworks, [FRAMEWORK], ())
        for number in range(clusters):
            submit(database, build_cluster(number))
        database.close()
        counts.append(count_instructions(path))
    small, large = counts
    assert {name: (small[name], large[name]) for name in CALLS if large[name] > MOST * small[name] + FEW} == {}


def test_each_list_of_the_api_is_measured() -> None:
    operations = {name for name in OPERATIONS if name.startswith("list") and OPERATIONS[name] is Permission.READ}
    assert operations - set(WITHOUT_ROWS) == {name.partition(" ")[0] for name in CALLS} - {"listLog", "search"}
