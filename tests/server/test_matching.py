"""Matches of stored packages: advisories open and close problems of images without a scan, and never hide those of scans."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, select

from kubekeep.model.package import Distribution, Package, SourcePackage
from kubekeep.model.scanned_source import SourceCluster
from kubekeep_server.advisories.database import OlderAdvisoriesError, ServerAdvisories
from kubekeep_server.advisories.matcher import ImageMatcher
from kubekeep_server.store import identity_schema, match_schema, schema
from kubekeep_server.store.advisory_state import KnownAdvisories, load_known, load_status, record_change
from kubekeep_server.store.matching import MatchCounts, store_batch
from kubekeep_server.store.organisation_log import verify_log
from kubekeep_server.store.pending_matches import load_pending
from tests.server.advisories import (
    PAD,
    PYTHON,
    AdvisoryFolder,
    build_image_scan,
    build_packages,
    build_problem,
    list_states,
    match,
)
from tests.server.conftest import Database
from tests.server.test_images import (
    BLOG,
    REBUILT,
    SHOP,
    WEB,
    build_scan,
    build_workload,
    check_images,
    list_history,
    list_problems,
    list_runs,
    run,
)
from tests.server.test_ingest import START, submit

OTHER: Final = "sha256:" + "c" * 64


@pytest.fixture
def folder(tmp_path: Path) -> AdvisoryFolder:
    """Return a database with one advisory about another package."""
    folder = AdvisoryFolder(tmp_path)
    folder.publish("CVE-2026-9", "another")
    return folder


def list_log(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """Return action and details of the entries of the matching."""
    table = identity_schema.organisation_log

    def read(connection: Connection) -> list[tuple[str, dict[str, Any]]]:
        assert verify_log(connection) is None
        entries = [json.loads(entry) for entry in connection.scalars(select(table.c.entry).order_by(table.c.number))]
        return [(action, details) for _, _, actor, action, details in entries if actor == "advisories"]

    return database.run(read)


def test_new_advisory_opens_its_problem_in_all_images_with_the_package(
    database: Database, folder: AdvisoryFolder
) -> None:
    submit(database, build_image_scan(0))
    submit(database, build_image_scan(0, source=BLOG, digest=REBUILT))
    submit(database, build_image_scan(0, source=SourceCluster("other"), digest=OTHER, packages=[PYTHON]))
    assert match(database, folder, 1) == MatchCounts(3)
    folder.publish("CVE-2026-1")
    assert match(database, folder, 2) == MatchCounts(2, 2)
    assert list_problems(database) == {"a CVE-2026-1": [(2, None)], "b CVE-2026-1": [(2, None)]}
    assert list_history(database) == [("ghcr.io/shop/web", "CVE-2026-1", 2, None)]
    assert [row[:4] for row in list_runs(database)] == [
        ("cluster/blog", 1, "web", "b"), ("cluster/other", 1, "web", "c"), ("cluster/shop", 1, "web", "a"),
    ]  # fmt: skip
    assert check_images(database) == {"a": 1, "b": 1, "c": 1}
    assert match(database, folder, 3) == MatchCounts()


def test_withdrawn_advisory_closes_its_problem(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0))
    folder.publish("CVE-2026-1")
    match(database, folder, 1)
    folder.withdraw("CVE-2026-1")
    assert match(database, folder, 2) == MatchCounts(1, 0, 1)
    assert list_problems(database) == {"a CVE-2026-1": [(1, 2)]}
    folder.publish("CVE-2026-1")
    match(database, folder, 3)
    assert list_problems(database) == {"a CVE-2026-1": [(1, 2), (3, None)]}
    assert check_images(database) == {"a": 1}


def test_log_names_the_advisories_that_opened_and_closed_problems(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0))
    match(database, folder, 1)
    folder.publish("CVE-2026-1")
    match(database, folder, 2)
    folder.withdraw("CVE-2026-1")
    match(database, folder, 3)
    log = list_log(database)
    changes = [details for action, details in log if action == "advisories changed"]
    assert [(details["version"], details["images"]) for details in changes] == [(1, 1), (2, 1), (3, 1)]
    assert changes[1]["ecosystems"] == {"npm": "2026-01-01T00:02:00+00:00"}
    assert [details for action, details in log if action == "images matched"] == [
        {"version": 2, "images": 1, "opened": {"CVE-2026-1": 1}, "closed": {}},
        {"version": 3, "images": 1, "opened": {}, "closed": {"CVE-2026-1": 1}},
    ]


def test_scan_without_the_advisory_does_not_close_what_the_match_has_opened(
    database: Database, folder: AdvisoryFolder
) -> None:
    submit(database, build_image_scan(0))
    folder.publish("CVE-2026-1")
    match(database, folder, 1)
    submit(database, build_image_scan(2))
    submit(database, build_image_scan(3, "CVE-2026-1"))
    submit(database, build_image_scan(4))
    assert list_problems(database) == {"a CVE-2026-1": [(1, None)]}
    folder.withdraw("CVE-2026-1")
    match(database, folder, 5)
    assert list_problems(database) == {"a CVE-2026-1": [(1, 5)]}
    assert check_images(database) == {"a": 1}


def test_withdrawn_advisory_closes_what_reports_before_it_have(database: Database, folder: AdvisoryFolder) -> None:
    folder.publish("CVE-2026-1")
    submit(database, build_image_scan(0, "CVE-2026-1"))
    submit(database, build_image_scan(0, "CVE-2026-1", source=BLOG))
    assert match(database, folder, 1) == MatchCounts(1)
    folder.withdraw("CVE-2026-1")
    assert match(database, folder, 2) == MatchCounts(1, 0, 1)
    # The same report again says nothing new.
    submit(database, build_image_scan(3, "CVE-2026-1"))
    assert list_problems(database) == {"a CVE-2026-1": [(0, 2)]}
    # Another report may have been made with newer advisories than the server has.
    submit(database, build_image_scan(4, "CVE-2026-1", "CVE-1", source=BLOG))
    assert list_problems(database)["a CVE-2026-1"] == [(0, 2), (4, None)]
    match(database, folder, 5)
    assert list_problems(database)["a CVE-2026-1"] == [(0, 2), (4, None)]
    submit(database, build_image_scan(6, source=BLOG))
    assert list_problems(database)["a CVE-2026-1"] == [(0, 2), (4, 6)]
    assert check_images(database) == {"a": 2}


def test_advisories_that_the_server_never_had_close_nothing(database: Database, folder: AdvisoryFolder) -> None:
    private = build_problem("CVE-1", WEB)
    foreign = build_problem("CVE-2", WEB, purl="pkg:conda/left-pad@1.0.0")
    submit(
        database,
        build_image_scan(0, private, foreign, packages=[PAD, Package(type="conda", name="left-pad", version="1.0.0")]),
    )
    folder.publish("CVE-2026-1")
    match(database, folder, 1)
    folder.withdraw("CVE-2026-1")
    match(database, folder, 2)
    assert {key: value[-1][1] for key, value in list_problems(database).items()} == {
        "a CVE-1": None, "a CVE-2": None, "a CVE-2026-1": 2,
    }  # fmt: skip


def test_ecosystem_that_is_gone_or_damaged_closes_nothing(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0, packages=[PAD, PYTHON]))
    folder.publish("CVE-2026-1")
    folder.publish("CVE-2026-2", "flask", "PyPI")
    match(database, folder, 1)
    path = folder.path / "npm.advisories"
    content = path.read_bytes()
    path.unlink()
    folder.publish("CVE-2026-3", "flask", "PyPI")
    match(database, folder, 2)
    submit(database, build_image_scan(3, packages=[PAD]))
    match(database, folder, 4)
    assert list_states(database) == {"CVE-2026-1": ("2.0.0", False, True)}
    path.write_bytes(b"damaged")
    match(database, folder, 5)
    assert list_states(database) == {"CVE-2026-1": ("2.0.0", False, True)}
    path.write_bytes(content)
    match(database, folder, 6)
    assert list_states(database) == {"CVE-2026-1": ("2.0.0", False, False)}
    path.unlink()
    folder.publish("CVE-2026-4", "flask", "PyPI")
    match(database, folder, 7)
    path.write_bytes(content)
    folder.withdraw("CVE-2026-1")
    match(database, folder, 8)
    assert list_problems(database)["a CVE-2026-1"] == [(1, 8)]


def test_changed_fix_replaces_that_of_reports_before_it(database: Database, folder: AdvisoryFolder) -> None:
    folder.publish("CVE-2026-1", fixed="1.9.0")
    submit(database, build_image_scan(0, build_problem("CVE-2026-1", WEB, fixed="1.9.0")))
    match(database, folder, 1)
    folder.publish("CVE-2026-1", fixed="1.10.0")
    assert match(database, folder, 2) == MatchCounts(1)
    assert list_states(database) == {"CVE-2026-1": ("1.10.0", False, False)}
    assert list_problems(database) == {"a CVE-2026-1": [(0, None)]}


def test_reports_decide_about_suppressions(database: Database, folder: AdvisoryFolder) -> None:
    accepted = build_problem("CVE-2026-1", WEB, is_accepted=True)
    folder.publish("CVE-2026-1")
    submit(database, build_image_scan(0, accepted))
    match(database, folder, 1)
    assert list_states(database) == {"CVE-2026-1": ("2.0.0", True, False)}
    folder.publish("CVE-2026-1", fixed="3.0.0")
    match(database, folder, 2)
    assert list_states(database) == {"CVE-2026-1": ("3.0.0", True, False)}
    submit(database, build_image_scan(3, "CVE-2026-1", source=BLOG))
    assert list_states(database)["CVE-2026-1"][1] is False
    assert check_images(database) == {"a": 2}


def test_flaw_that_a_report_names_otherwise_is_one_problem(database: Database, folder: AdvisoryFolder) -> None:
    folder.publish("CVE-2026-1000", aliases=["GHSA-aaaa-bbbb-cccc"])
    submit(database, build_image_scan(0, "GHSA-aaaa-bbbb-cccc"))
    match(database, folder, 1)
    assert set(list_states(database)) == {"GHSA-aaaa-bbbb-cccc"}
    submit(database, build_image_scan(2))
    assert set(list_states(database)) == {"CVE-2026-1000"}
    submit(database, build_image_scan(3, "GHSA-aaaa-bbbb-cccc"))
    folder.withdraw("CVE-2026-1000")
    match(database, folder, 4)
    assert list_states(database) == {}


def test_advisories_name_source_packages_of_a_release(database: Database, folder: AdvisoryFolder) -> None:
    library = Package(
        type="deb", namespace="debian", name="libssl3", version="3.0.1-1", source=SourcePackage("openssl", "3.0.1-1")
    )
    for number, release in enumerate(("12", "11")):
        digest = f"sha256:{number:064x}"
        entry = build_packages(digest, library, distribution=Distribution("debian", release))
        scan = build_scan(0, build_workload(1, run(digest)), source=SourceCluster(str(number)), images=[entry])
        submit(database, scan)
    folder.publish("DEBIAN-0", "another", "Debian:11")
    folder.publish("DEBIAN-1", "another", "Debian:12")
    match(database, folder, 1)
    folder.publish("DEBIAN-CVE-2026-1", "openssl", "Debian:12", fixed="3.0.2-1", upstream=["CVE-2026-1"])
    assert match(database, folder, 2).opened == 1
    assert len(list_problems(database)) == 1


def test_new_rating_of_an_advisory_moves_totals_and_no_finding(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0))
    folder.publish("CVE-2026-1")
    match(database, folder, 1)
    low = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
    folder.publish("CVE-2026-1", severity=[{"type": "CVSS_V3", "score": low}])
    match(database, folder, 2)
    assert list_problems(database) == {"a CVE-2026-1": [(1, None)]}
    query = select(schema.definition.c.severity).where(schema.definition.c.key == "CVE-2026-1")
    assert database.run(lambda connection: connection.execute(query).scalar_one()) == 1
    assert check_images(database) == {"a": 1}


def test_image_that_returns_is_matched_again(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0))
    match(database, folder, 1)
    submit(database, build_scan(2))
    folder.publish("CVE-2026-1")
    assert match(database, folder, 3) == MatchCounts()
    submit(database, build_image_scan(4))
    assert match(database, folder, 5) == MatchCounts(1, 1)
    assert check_images(database) == {"a": 1}


def test_image_without_a_report_is_matched(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_scan(0, build_workload(1, run(WEB)), images=[build_packages(WEB, PAD)]))
    folder.publish("CVE-2026-1")
    match(database, folder, 1)
    assert list_problems(database) == {"a CVE-2026-1": [(1, None)]}
    submit(database, build_image_scan(2))
    submit(database, build_scan(3, build_workload(1, run(WEB)), images=[build_packages(WEB, PYTHON)]))
    match(database, folder, 4)
    assert list_problems(database) == {"a CVE-2026-1": [(1, 4)]}


def test_problem_of_a_source_that_left_stays_open(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0, "CVE-1"))
    submit(database, build_scan(0, build_workload(1, run(WEB)), source=BLOG))
    folder.publish("CVE-2026-1")
    match(database, folder, 1)
    submit(database, build_scan(2, source=SHOP))
    folder.publish("CVE-2026-2")
    match(database, folder, 3)
    assert set(list_states(database)) == {"CVE-1", "CVE-2026-1", "CVE-2026-2"}


def test_older_advisories_are_refused(database: Database, folder: AdvisoryFolder, tmp_path: Path) -> None:
    submit(database, build_image_scan(0))
    folder.publish("CVE-2026-1")
    match(database, folder, 1)
    (tmp_path / "older").mkdir()
    older = AdvisoryFolder(tmp_path / "older")
    older.publish("CVE-2026-9", "another")
    with pytest.raises(OlderAdvisoriesError, match=r"npm are of 2026-01-01 00:01, .* update or import newer ones"):
        match(database, older, 2)
    older.publish("CVE-2026-8", "another")
    older.publish("CVE-2026-7", "another")
    assert match(database, older, 3) == MatchCounts(1, 0, 1)


def test_match_that_was_overtaken_stores_nothing(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0))
    folder.publish("CVE-2026-1")
    with ServerAdvisories(folder.path) as advisories:
        after = advisories.follow(KnownAdvisories())
        assert database.run(record_change, 0, after, None, START)
        assert not database.run(record_change, 0, after, None, START)
        batch = ImageMatcher(advisories.source, after.version).match(database.run(load_pending, 10), START.date())
        submit(database, build_image_scan(1, packages=[PYTHON]))
        assert database.run(store_batch, batch, START) == MatchCounts()
        batch = ImageMatcher(advisories.source, 5).match(database.run(load_pending, 10), START.date())
        assert database.run(store_batch, batch, START) == MatchCounts()
    assert database.run(load_status).pending == 1
    match(database, folder, 2)
    assert list_problems(database) == {}
    assert database.run(load_status).pending == 0


def test_repeated_batch_changes_nothing(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0))
    folder.publish("CVE-2026-1")
    with ServerAdvisories(folder.path) as advisories:
        after = advisories.follow(database.run(load_known))
        database.run(record_change, 0, after, None, START)
        pending = database.run(load_pending, 10)
        batch = ImageMatcher(advisories.source, after.version).match(pending, START.date())
        assert database.run(store_batch, batch, START) == MatchCounts(1, 1)
        log = list_log(database)
        assert database.run(store_batch, batch, START + dt.timedelta(days=1)) == MatchCounts(1)
    assert list_log(database) == log
    assert list_problems(database) == {"a CVE-2026-1": [(0, None)]}


def test_names_of_packages_are_stored_once(database: Database, folder: AdvisoryFolder) -> None:
    submit(database, build_image_scan(0, packages=[PAD, PYTHON]))
    match(database, folder, 1)
    submit(database, build_image_scan(2, packages=[PAD, PYTHON], digest=REBUILT, source=BLOG))
    match(database, folder, 3)
    table = match_schema.advisory_name
    rows = database.run(lambda connection: connection.execute(select(table.c.ecosystem, table.c.name)).all())
    assert sorted(map(tuple, rows)) == [("PyPI", "flask"), ("npm", "left-pad")]
