"""Advisories of running servers: bundles, updates, kills in the middle of a match, two processes, and the status."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import pytest

from kubekeep.model.scanned_source import SourceRegistry
from kubekeep.model.text import encode_json
from kubekeep.usecases.database import export_database
from tests.server import live
from tests.server.advisories import PAD, AdvisoryFolder, build_image_scan, build_packages, build_report
from tests.server.conftest import Database, create_database
from tests.server.embedded import run_server
from tests.server.live import TestServer
from tests.server.test_faults import DatabaseOptions, storage
from tests.server.test_images import check_images, list_problems
from tests.server.test_ingest import build
from tests.server.test_settings_checks import check_refusal, run
from tests.vulnerabilities.database.bucket import Bucket, bucket
from tests.vulnerabilities.database.records import run_db, write_zip

__all__ = ["bucket", "storage"]
SECONDS: Final = 300
IMAGES: Final = 250
PATH: Final = "/api/v1/advisories"


@pytest.fixture
def folder(tmp_path: Path) -> AdvisoryFolder:
    """Return a database on another machine."""
    other = tmp_path / "other"
    other.mkdir()
    folder = AdvisoryFolder(other)
    folder.publish("CVE-2026-9", "another")
    return folder


class Bundles:
    """The folder of bundles of a server, with its settings."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "bundles"
        self._folder.mkdir()
        (root / "server.toml").write_text('advisories = "bundles"\nbundles_folder = "bundles"\n')
        self._numbers = itertools.count(1)

    def add(self, folder: AdvisoryFolder) -> None:
        path = self._folder / f"{next(self._numbers)}.bundle"
        with path.with_name(f".{path.name}").open("wb") as stream:
            export_database(folder.path, (), stream)
        path.with_name(f".{path.name}").rename(path)


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    return Bundles(tmp_path)


def wait_for(server: TestServer, token: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the state of the advisories as soon as it meets a condition."""
    deadline = time.monotonic() + SECONDS
    with server.client(token) as client:
        while time.monotonic() < deadline:
            answer = client.get(PATH)
            if answer.status_code == 200 and condition(answer.json()):
                return dict(answer.json())
            time.sleep(0.1)
        raise AssertionError((answer.text, server.log))


def is_done(version: int) -> Callable[[dict[str, Any]], bool]:
    return lambda state: state["version"] == version and not state["pendingImages"]


def post(client: httpx2.Client, scan: Any) -> None:
    answer = client.post(
        "/api/v1/scans", content=encode_json(scan).encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201, answer.text


def build_registry_scan() -> Any:
    """Return a scan of a registry with many images that have the same package."""
    digests = [f"sha256:{number:064x}" for number in range(IMAGES)]
    scan = build(0, *map(build_report, digests), source=SourceRegistry("ghcr.io"))
    return msgspec.structs.replace(scan, images=tuple(build_packages(digest, PAD) for digest in digests))


def list_open(client: httpx2.Client) -> dict[str, int]:
    """Return the open vulnerabilities with their numbers of images."""
    rows = client.get("/api/v1/vulnerabilities").json()["rows"]
    return {row["id"]: row["images"] for row in rows}


def test_bundle_reaches_stored_images(
    storage: DatabaseOptions, bundles: Bundles, folder: AdvisoryFolder, tmp_path: Path
) -> None:
    with run_server(tmp_path, "--config", "server.toml", *storage.options) as server:
        token = server.create_token("administrator")
        with server.client(token) as client:
            post(client, build_image_scan(0))
            assert client.get(PATH).json() == {
                "mode": "bundles", "version": 0, "ecosystems": [], "changed": None, "updated": None,
                "error": "", "failed": None, "matchedImages": 0, "pendingImages": 1,
            }  # fmt: skip
            bundles.add(folder)
            assert wait_for(server, token, is_done(1))["matchedImages"] == 1
            folder.publish("CVE-2026-1")
            bundles.add(folder)
            state = wait_for(server, token, is_done(2))
            assert state["ecosystems"] == [{"ecosystem": "npm", "updated": "2026-01-01T00:02:00Z", "records": 2}]
            assert [row["action"] for row in client.get("/api/v1/log").json() if row["actor"] == "advisories"] == [
                "images matched", "advisories changed", "advisories changed",
            ]  # fmt: skip
            (tmp_path / "bundles" / "damaged").write_bytes(b"bundle.json\0")
            state = wait_for(server, token, lambda state: bool(state["error"]))
            assert "damaged" in state["error"]
            assert client.get("/readyz").status_code == client.get("/metrics").status_code == 200
            folder.withdraw("CVE-2026-1")
            bundles.add(folder)
            state = wait_for(server, token, is_done(3))
            assert wait_for(server, token, lambda state: not state["error"])["failed"] is None
        server.stop()
        assert "event=stopped" in server.log
        assert "Traceback" not in server.log
    database = Database(storage.url)
    assert [len(intervals) for intervals in list_problems(database).values()] == [1]
    assert check_images(database) == {"a": 1}
    database.close()


def test_status_requires_a_role_that_reads(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.client() as stranger, server.client(server.create_token()) as agent:
        assert stranger.get(PATH).status_code == 401
        assert agent.get(PATH).status_code == 403
        with server.client(server.create_token("viewer")) as viewer:
            assert viewer.get(PATH).json()["mode"] == "off"
        assert server.run("advisories", "status").endswith("0 images matched, 0 wait")


def test_killed_match_continues(
    storage: DatabaseOptions, bundles: Bundles, folder: AdvisoryFolder, tmp_path: Path
) -> None:
    bundles.add(folder)
    with live.run_server(tmp_path, "--config", "server.toml", *storage.options) as server:
        token = server.create_token("administrator")
        with server.client(token) as client:
            post(client, build_registry_scan())
        folder.publish("CVE-2026-1")
        bundles.add(folder)
        for left in (IMAGES, IMAGES * 3 // 4, IMAGES // 2):
            wait_for(server, token, lambda state, left=left: state["version"] > 0 and state["pendingImages"] < left)  # type: ignore[misc]
            server.stop(signal.SIGKILL)
            server.start()
        wait_for(server, token, lambda state: not state["pendingImages"] and state["ecosystems"][0]["records"] == 2)
        server.stop()
    database = Database(storage.url)
    problems = list_problems(database)
    database.close()
    # The helper names images by one digit of their digest.
    assert sum(map(len, problems.values())) == IMAGES


def test_two_processes_match_once(postgres: str, bundles: Bundles, folder: AdvisoryFolder, tmp_path: Path) -> None:
    options = ("--config", str(tmp_path / "server.toml"), "--database", create_database(postgres))
    (tmp_path / "server.toml").write_text(f'advisories = "bundles"\nbundles_folder = "{tmp_path / "bundles"}"\n')
    (tmp_path / "second").mkdir()
    with live.run_server(tmp_path, *options) as first, live.run_server(tmp_path / "second", *options) as second:
        token = first.create_token("administrator")
        with first.client(token) as client:
            post(client, build_image_scan(0))
        bundles.add(folder)
        wait_for(first, token, is_done(1))
        matching = [server for server in (first, second) if "images matched" in server.log]
        assert len(matching) == 1
        idle = second if matching[0] is first else first
        wait_for(idle, token, is_done(1))
        matching[0].stop(signal.SIGKILL)
        folder.publish("CVE-2026-1")
        bundles.add(folder)
        # The other one has imported nothing yet, and its database is another one.
        state = wait_for(
            idle,
            token,
            lambda state: (
                state["version"] > 1 and not state["pendingImages"] and state["ecosystems"][0]["records"] == 2
            ),
        )
        assert state["matchedImages"] == 1
        with idle.client(token) as client:
            assert list_open(client) == {"CVE-2026-1": 1}


def test_automatic_updates(bucket: Bucket, folder: AdvisoryFolder, tmp_path: Path) -> None:
    def publish(*names: str) -> None:
        records = {name: folder.build(name, "left-pad", "npm", fixed="2.0.0") for name in names}
        archive = write_zip(tmp_path / "all.zip", records.values()).read_bytes()
        bucket.publish("npm", records, archive)

    publish("CVE-2026-8")
    database = tmp_path / "kubekeep-data" / "advisories"
    run_db("update", "--source", bucket.address, "npm", database=database)
    bucket.take_requests()
    with run_server(tmp_path, "--advisories", "automatic") as server:
        token = server.create_token("administrator")
        with server.client(token) as client:
            post(client, build_image_scan(0))
            wait_for(server, token, lambda state: state["updated"] is not None and state["matchedImages"] == 1)
            publish("CVE-2026-8", "CVE-2026-7")
            server.run("advisories", "update")
            wait_for(server, token, is_done(2))
            assert list_open(client) == {"CVE-2026-8": 1, "CVE-2026-7": 1}
            assert "npm: 2026-" in server.run("advisories", "status")
    assert "/npm/modified_id.csv 200" in bucket.take_requests()


def test_failed_update_is_shown_and_stops_nothing(tmp_path: Path) -> None:
    database = tmp_path / "kubekeep-data" / "advisories"
    local = AdvisoryFolder(tmp_path / "kubekeep-data")
    (tmp_path / "kubekeep-data").mkdir()
    local.publish("CVE-2026-1")
    (database / "npm.advisories").replace(database / "feed")
    (database / "feeds" / "acme").mkdir(parents=True)
    (database / "feed").replace(database / "feeds" / "acme" / "npm.advisories")
    with run_server(tmp_path, "--advisories", "automatic") as server:
        token = server.create_token("administrator")
        with server.client(token) as client:
            post(client, build_image_scan(0))
            state = wait_for(server, token, lambda state: bool(state["error"]))
            assert "imported feeds, which have no source" in state["error"]
            wait_for(server, token, lambda state: state["matchedImages"] == 1)
            assert list_open(client) == {"CVE-2026-1": 1}
            assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('advisories = "sometimes"', "advisories"),
        ('advisories = "bundles"', 'advisories = "bundles" and bundles_folder require each other'),
        ('bundles_folder = "."', 'advisories = "bundles" and bundles_folder require each other'),
        ('advisories = "bundles"\nbundles_folder = "none"', "bundles_folder: none is not a folder; create it"),
        ('advisories = "automatic"\nadvisories_hours = 0', "advisories_hours"),
    ],
)
def test_wrong_settings(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text(text)
    check_refusal(run(tmp_path, "--config", "server.toml"), message)
