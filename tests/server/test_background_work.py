"""Scans that arrive during work in the background: retention, matches and commands on the same database lose and refuse none."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import select

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import Submission
from kubekeep_server.store import schema
from tests.server.advisories import AdvisoryFolder
from tests.server.conftest import Database
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.live import COMMAND, environment
from tests.server.test_advisories import Bundles, build_registry_scan, bundles, folder, is_done, wait_for
from tests.server.test_faults import DatabaseOptions, storage
from tests.server.test_ingest import START, build, build_subject, check_totals
from tests.server.test_scans_api import encode, post

__all__ = ["bundles", "folder", "storage"]
CLUSTERS: Final = 4
OLD_SOURCES: Final = 20
OLD_SCANS: Final = 3
RECENT_SCANS: Final = 15
SUBJECTS: Final = 40
STARTING: Final = "The server starts or stops."


def build_cluster(name: str, day: float) -> Submission:
    """Return a scan whose subjects change with the day."""
    first = int(day * 100) % 1_000 + 1
    subjects = [build_subject(number, "C-0001", "C-0002") for number in range(first, first + SUBJECTS)]
    scan = build(0, *subjects, source=SourceCluster(name))
    moment = START + dt.timedelta(days=day)
    return msgspec.structs.replace(scan, started=moment, finished=moment)


def submit(server: EmbeddedServer, token: str, scans: list[Submission]) -> Counter[tuple[int, str]]:
    """Submit scans in order, each until it is stored; return the numbers of answers by status and reason."""
    answers: Counter[tuple[int, str]] = Counter()
    with server.client(token) as client:
        for scan in scans:
            status = 0
            while status not in (200, 201):
                answer = post(client, encode(scan))
                status = answer.status_code
                answers[status, "" if answer.is_success else answer.json()["detail"]] += 1
    return answers


def create_token(folder: Path, *options: str) -> str:
    """Return a token that another process creates in the database of a server."""
    arguments = ["token", "create", "--name", "test", "--role", "viewer", "--scope", "*"]
    command = [*COMMAND, *options, *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True, text=True).stdout


def test_scans_are_stored_during_retention_and_matching(
    storage: DatabaseOptions, bundles: Bundles, folder: AdvisoryFolder, tmp_path: Path
) -> None:
    settings = tmp_path / "server.toml"
    text = settings.read_text()
    today = (dt.datetime.now(dt.UTC) - START) / dt.timedelta(days=1)
    old = [build_cluster(f"old-{number}", day) for number in range(OLD_SOURCES) for day in range(OLD_SCANS)]
    recent = [
        [build_cluster(f"cluster-{number}", today - 1 + day / 100) for day in range(RECENT_SCANS)]
        for number in range(CLUSTERS)
    ]
    with run_server(tmp_path, "--config", "server.toml", *storage.options) as server:
        token = server.create_token("administrator")
        with server.client(token) as client:
            assert {post(client, encode(scan)).status_code for scan in old} == {201}
            # Its own database of advisories is empty until the restart.
            assert post(client, encode(build_registry_scan())).status_code == 201
        server.stop()
        settings.write_text(f"{text}scan_days = 30\n")
        folder.publish("CVE-2026-1")
        bundles.add(folder)
        server.start()
        with ThreadPoolExecutor(CLUSTERS + 1) as pool:
            futures = [pool.submit(submit, server, token, scans) for scans in recent]
            # Commands are other processes, which wait for the same file.
            commands = pool.submit(lambda: [create_token(tmp_path, *storage.options) for _ in range(3)])
            answers = sum((future.result() for future in futures), Counter[tuple[int, str]]())
            assert len(set(commands.result())) == 3
        wait_for(server, token, is_done(1))
        server.wait_for(re.compile("expired results are removed"))
        server.stop()
        assert "images matched" in server.log
        assert "Traceback" not in server.log
    assert answers.keys() <= {(201, ""), (503, STARTING)}
    assert answers[201, ""] == CLUSTERS * RECENT_SCANS
    check_scans(storage.url, [scan.id for scans in recent for scan in scans])


def check_scans(url: str, submitted: list[str]) -> None:
    """Check that the store has all submitted scans, and of the old ones only those that later ones require."""
    database = Database(url)
    stored = set(database.run(lambda connection: list(connection.scalars(select(schema.scan.c.id)))))
    assert stored >= set(submitted)
    assert len(stored - set(submitted)) < OLD_SOURCES * OLD_SCANS
    check_totals(database)
    database.close()
