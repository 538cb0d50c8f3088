"""One flaw under several names counts once per image and package, in the store and in every answer of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import DefinitionEntry, Submission
from tests.server.advisories import PAD, PYTHON, AdvisoryFolder, build_image_scan, build_problem, list_states, match
from tests.server.conftest import Database
from tests.server.embedded import run_server
from tests.server.test_images import BLOG, SHOP, WEB, check_images, list_problems
from tests.server.test_ingest import submit
from tests.server.test_scans_api import encode, post

CVE: Final = "CVE-2026-1000"
GHSA: Final = "GHSA-aaaa-bbbb-cccc"
DEBIAN: Final = "DEBIAN-CVE-2026-1000"
PYSEC: Final = "PYSEC-2026-1"


def build(day: int, name: str, *aliases: str, source: Any = SHOP, others: tuple[str, ...] = ()) -> Submission:
    """Return a scan of an image with a flaw under a name."""
    scan = build_image_scan(day, name, *others, source=source, packages=(PAD, PYTHON))
    definitions = [entry for entry in scan.definitions if entry.id != name]
    definition = DefinitionEntry(name, "vulnerability", name, name, "high", 7.5, aliases=aliases)
    return msgspec.structs.replace(scan, definitions=(*definitions, definition))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((CVE, GHSA), (GHSA,), CVE),
        ((CVE,), (GHSA, CVE), CVE),
        ((GHSA, CVE), (CVE,), CVE),
        ((CVE,), (DEBIAN,), CVE),
        ((GHSA, PYSEC), (PYSEC,), GHSA),
    ],
    ids=str,
)
def test_names_of_one_flaw_are_one_problem(
    database: Database, first: tuple[str, ...], second: tuple[str, ...], expected: str
) -> None:
    submit(database, build(0, *first, source=SHOP))
    submit(database, build(1, *second, source=BLOG))
    assert set(list_states(database)) == {expected}
    assert check_images(database) == {"a": 2}
    # The source whose name is shown no longer has the flaw; that of the other one stays.
    submit(database, build_image_scan(2, source=SHOP, packages=(PAD, PYTHON)))
    assert set(list_states(database)) == {second[0]}
    submit(database, build_image_scan(3, source=BLOG, packages=(PAD, PYTHON)))
    assert list_states(database) == {}
    check_images(database)


def test_other_flaws_and_packages_stay_apart(database: Database) -> None:
    several = build(0, GHSA, CVE, "CVE-2026-2000", others=(CVE, "CVE-2026-2000"))
    submit(database, several)
    assert set(list_states(database)) == {GHSA, CVE, "CVE-2026-2000"}
    other = build_image_scan(1, build_problem(CVE, WEB, purl="pkg:pypi/flask@2.0"), source=BLOG, packages=(PAD, PYTHON))
    submit(database, other)
    submit(database, build(2, GHSA, CVE))
    assert sorted(name for name, intervals in list_problems(database).items() if intervals[-1][1] is None) == [
        f"a {CVE}",
        f"a {GHSA}",
    ]


def test_match_joins_the_names_of_reports(database: Database, tmp_path: Path) -> None:
    folder = AdvisoryFolder(tmp_path)
    folder.publish(CVE, aliases=[GHSA])
    submit(database, build(0, CVE, source=SHOP))
    submit(database, build(0, GHSA, source=BLOG))
    match(database, folder, 1)
    submit(database, build(2, GHSA, CVE, source=BLOG))
    assert set(list_states(database)) == {CVE}
    check_images(database)


def test_answers_count_one_flaw_once(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        agent, reader = server.client(server.create_token()), server.client(server.create_token("viewer"))
        names = [(CVE, GHSA), (GHSA, CVE), (DEBIAN, CVE)]
        for number, (name, alias) in enumerate(names):
            scan = build(0, name, alias, source=SourceCluster(str(number)))
            assert post(agent, encode(scan)).status_code == 201
        (row,) = reader.get("/api/v1/vulnerabilities").json()["rows"]
        assert (row["id"], row["images"]) == (CVE, 1)
        assert sum(reader.get("/api/v1/totals").json()["vulnerabilities"].values()) == 1
        workloads = reader.get(f"/api/v1/vulnerabilities/{CVE}/workloads").json()["rows"]
        assert len(workloads) == len(names)
        sources = reader.get("/api/v1/sources").json()["rows"]
        assert [sum(source["vulnerabilities"].values()) for source in sources] == [1] * len(names)
