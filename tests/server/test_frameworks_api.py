"""Frameworks over HTTP: states in a scope and a period, what a limited user sees, and the export of the evidence."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import msgspec
import pytest

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import Submission
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_identity_api import sign_in_user
from tests.server.test_ingest import build, build_subject
from tests.server.test_scans_api import encode, post

KEY: Final = "cis-v1.12.0"
PATH: Final = f"/api/v1/compliance/frameworks/{KEY}"
PRIVILEGED: Final = "C-0193"
NOW: Final = dt.datetime.now(dt.UTC)
SEVERITIES: Final = {PRIVILEGED: "high"}


def build_scan(days: int, name: str, *failed: str) -> Submission:
    """Return a scan of a cluster some days ago."""
    moment = NOW - dt.timedelta(days=days)
    scan = build(0, build_subject(1, *failed), scope=(PRIVILEGED,), source=SourceCluster(name), severities=SEVERITIES)
    return msgspec.structs.replace(scan, started=moment, finished=moment)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("frameworks")) as running:
        agent = running.client(running.create_token())
        for days, failed in ((40, ()), (30, (PRIVILEGED,)), (20, ()), (10, ())):
            post(agent, encode(build_scan(days, "shop", *failed)))
        post(agent, encode(build_scan(5, "=blog", PRIVILEGED)))
        yield running


@pytest.fixture(scope="module")
def users(server: EmbeddedServer) -> dict[str, httpx2.Client]:
    return {
        "auditor": sign_in_user(server, "anna", "auditor"),
        "shop": sign_in_user(server, "sam", "viewer", "cluster/shop"),
        "none": sign_in_user(server, "vera", "viewer", "cluster/other"),
    }


def find_requirement(client: httpx2.Client, **query: str) -> dict[str, Any]:
    """Return the requirement of the control, as the page of the framework has it."""
    page = client.get(PATH, params=query).json()
    row: dict[str, Any]
    (row,) = [row for row in page["requirements"] if row["controls"] == [PRIVILEGED]]
    return row


def format_day(days: int) -> str:
    return (NOW - dt.timedelta(days=days)).isoformat()


def test_requirement_has_the_states_of_the_scope(users: dict[str, httpx2.Client]) -> None:
    everything, shop, nothing = (find_requirement(users[name]) for name in ("auditor", "shop", "none"))
    assert (everything["state"], everything["checks"]["failed"], everything["checks"]["passed"]) == ("failed", 1, 1)
    assert (shop["state"], shop["evaluated"]) == ("passed", 1)
    assert (nothing["state"], nothing["evaluated"]) == ("not-evaluated", 0)
    frameworks = {row["key"]: row for row in users["none"].get("/api/v1/compliance/frameworks").json()["frameworks"]}
    assert sum(frameworks[KEY]["checks"].values()) == 0


def test_end_of_the_period_is_in_the_past(users: dict[str, httpx2.Client]) -> None:
    row = find_requirement(users["auditor"], since=format_day(60), until=format_day(25))
    assert (row["state"], row["checks"]["failed"], row["evaluated"]) == ("failed", 1, 1)
    early = find_requirement(users["auditor"], since=format_day(90), until=format_day(50))
    assert early["state"] == "not-evaluated"


@pytest.mark.parametrize(
    ("since", "until", "state"), [(60, 0, "failed"), (15, 0, "passed"), (45, 35, "partly"), (90, 50, "not-evaluated")]
)
def test_source_has_the_state_of_the_whole_period(
    users: dict[str, httpx2.Client], since: int, until: int, state: str
) -> None:
    identifier = find_requirement(users["shop"])["id"]
    query = {"since": format_day(since), "until": format_day(until)}
    (row,) = users["shop"].get(f"{PATH}/sources", params=query).json()["rows"]
    assert row["states"][identifier] == state
    page = users["shop"].get(f"{PATH}/requirements/{identifier}", params=query).json()
    assert [source["state"] for source in page["sources"]] == [state]


def test_requirement_lists_its_intervals_and_controls(users: dict[str, httpx2.Client]) -> None:
    identifier = find_requirement(users["auditor"])["id"]
    page = users["auditor"].get(f"{PATH}/requirements/{identifier}", params={"since": format_day(60)}).json()
    assert [(one["key"], one["findings"]) for one in page["controls"]] == [(PRIVILEGED, 1)]
    states = {source["name"]: [one["state"] for one in source["intervals"]] for source in page["sources"]}
    assert states["shop"] == ["not-evaluated", "passed", "failed", "passed"]
    assert users["shop"].get(f"{PATH}/requirements/{identifier}").json()["controls"][0]["findings"] == 0


def test_evidence_is_exported_and_logged(users: dict[str, httpx2.Client]) -> None:
    answer = users["auditor"].get(f"{PATH}/evidence", params={"since": format_day(60)})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    failed = [row for row in rows if row["controls"] == PRIVILEGED and row["state"] == "failed"]
    assert len(failed) == 2
    lines = users["shop"].get(f"{PATH}/evidence", params={"format": "json", "since": format_day(60)}).text.splitlines()
    documents = [msgspec.json.decode(line) for line in lines]
    assert {row["source"] for row in documents if row["record"] == "state"} == {"shop"}
    entry = users["auditor"].get("/api/v1/log").json()[1]
    assert (entry["action"], entry["actor"]) == ("exported framework", "anna")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/none", 404),
        (f"/{KEY}/requirements/none", 404),
        (f"/{KEY}?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", 422),
        (f"/{KEY}?since=1900-01-01T00:00:00Z", 422),
        (f"/{KEY}?until=0001-01-01T00:00:00Z&since=0001-01-01T00:00:00Z", 422),
        (f"/{KEY}?since=9999-12-31T23:59:59-14:00", 422),
        ("/none/evidence", 404),
        (f"/{KEY}/sources?cursor=x", 422),
    ],
)
def test_bad_requests_are_refused(users: dict[str, httpx2.Client], path: str, status: int) -> None:
    assert users["auditor"].get(f"/api/v1/compliance/frameworks{path}").status_code == status
