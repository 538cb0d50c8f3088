"""Backups: restored into each engine, a store answers all queries as before. Damaged files and used databases are refused."""

from __future__ import annotations

import os
import random
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from backports import zstd
from click.testing import CliRunner, Result
from sqlalchemy import Connection, select

from kubekeep.model.text import encode_json
from kubekeep_server.process.command import command
from kubekeep_server.store import image_schema
from kubekeep_server.store.engine import get_revision
from kubekeep_server.store.queries.finding_filter import FindingFilter
from kubekeep_server.store.queries.findings import list_findings
from kubekeep_server.store.queries.sources import count_findings, list_sources
from kubekeep_server.store.queries.vulnerabilities import VulnerabilityFilter, list_vulnerabilities
from kubekeep_server.store.scopes import EVERYTHING
from tests.server import live
from tests.server.conftest import Database, create_database
from tests.server.embedded import run_server
from tests.server.live import COMMAND, environment
from tests.server.test_deletion import SHOP, build_cluster
from tests.server.test_images import REBUILT, WEB
from tests.server.test_ingest import submit
from tests.server.test_permissions import PERMISSIONS, grant
from tests.server.test_queries import build_cluster as build_random_cluster

METADATA: Final = image_schema.image.metadata


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)))


def create_url(engine: str, folder: Path, request: pytest.FixtureRequest) -> str:
    if engine == "sqlite":
        return f"sqlite:///{folder / 'restored.sqlite'}"
    return create_database(request.getfixturevalue("postgres"))


def read_rows(connection: Connection) -> dict[str, list[str]]:
    """Return all rows with equal spellings of truth."""
    return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in METADATA.sorted_tables}


def read_pages(connection: Connection) -> tuple[Any, ...]:
    return (
        count_findings(connection, EVERYTHING),
        list_sources(connection, EVERYTHING),
        list_findings(connection, EVERYTHING, FindingFilter()),
        list_vulnerabilities(connection, EVERYTHING, VulnerabilityFilter()),
    )


@pytest.fixture
def filled(database: Database, tmp_path: Path) -> tuple[Database, Path]:
    """Return a store with content and its backup."""
    chance = random.Random(3)
    for day in range(2):
        for number in range(3):
            submit(database, grant(build_random_cluster(chance, day, number), PERMISSIONS))
    result = run("--database", database.url, "user", "add", "ada")
    assert result.exit_code == 0, result.stderr
    file = tmp_path / "backup.kubekeep"
    result = run("--database", database.url, "backup", file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    return database, file


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_restored_store_answers_as_before(
    filled: tuple[Database, Path], engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database, file = filled
    url = create_url(engine, tmp_path, request)
    result = run("--database", url, "restore", file)
    assert (result.exit_code, result.stderr) == (0, "")
    restored = Database(url)
    assert restored.run(read_rows) == database.run(read_rows)
    assert restored.run(read_pages) == database.run(read_pages)
    chance = random.Random(4)
    scan = build_random_cluster(chance, 3, 99)
    assert submit(restored, scan).opened == submit(database, scan).opened
    assert run("--database", url, "user", "add", "grace").exit_code == 0
    restored.close()


def run_on_terminal(*arguments: str | Path) -> str:
    """Return what a command prints on standard error, which is a terminal."""
    terminal, end = os.openpty()
    ended = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={**environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=end,
        check=False,
    )
    os.close(end)
    text = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert ended.returncode == 0, text
    return text


def test_commands_show_their_progress_on_a_terminal(filled: tuple[Database, Path], tmp_path: Path) -> None:
    database, file = filled
    for arguments, label in (
        (("--database", database.url, "backup", tmp_path / "second"), "Saving"),
        (("--data", tmp_path / "new", "restore", file), "Restoring"),
    ):
        assert re.search(rf"{label} +\[#+] +100%", run_on_terminal(*arguments))


def check_refusal(result: Result, message: str) -> None:
    assert result.exit_code == 1
    assert message in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_database_with_content_is_refused(filled: tuple[Database, Path]) -> None:
    database, file = filled
    before = database.run(read_rows)
    check_refusal(run("--database", database.url, "restore", file), "the database is not empty")
    check_refusal(run("--database", database.url, "backup", file), "exists; choose another file")
    assert database.run(read_rows) == before


def change(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    submit(database, build_cluster(SHOP, 0, WEB, REBUILT))
    revision = database.run(get_revision).encode()
    database.close()
    file = tmp_path / "backup"
    assert run("--database", database.url, "backup", file).exit_code == 0
    content = file.read_bytes()
    plain = zstd.decompress(content)
    damaged = {
        "empty": b"",
        "text": b"no backup",
        "cut": content[:-20],
        "changed": change(content, len(content) // 2),
        "plain": zstd.compress(b"\x00\x00\x00\x02{}"),
        "changed inside": zstd.compress(change(plain, plain.index(b"GHSA") if b"GHSA" in plain else len(plain) // 2)),
        "cut inside": zstd.compress(plain[: len(plain) // 2]),
        "continued": zstd.compress(plain + b"x"),
        "newer": zstd.compress(plain.replace(revision, b"9999", 1)),
        "huge": zstd.compress(b"\xff" * 100),
    }
    for name, damage in damaged.items():
        (tmp_path / "damaged").write_bytes(damage)
        result = run("--data", tmp_path / name, "restore", tmp_path / "damaged")
        check_refusal(result, "update the server" if name == "newer" else "damaged: ")
        restored = Database(f"sqlite:///{tmp_path / name / 'kubekeep.sqlite'}")
        assert not any(restored.run(read_rows).values()), name
        restored.close()


def test_backup_while_the_server_runs(tmp_path: Path) -> None:
    with live.run_server(tmp_path) as server:
        agent = server.client(server.create_token())
        content = encode_json(build_cluster(SHOP, 0, WEB))
        assert agent.post("/api/v1/scans", content=content).status_code == 201
        server.run("backup", "backup.kubekeep")
        assert server.stop() == 0
    with run_server(tmp_path, "--data", "other") as empty:
        result = empty.run("backup", str(tmp_path / "empty.kubekeep"))
        assert "rows are saved" in result
    assert "rows are restored" in server.run("--data", "restored", "restore", "backup.kubekeep")
    with run_server(tmp_path, "--data", "restored") as restored:
        rows = restored.client(restored.create_token("viewer")).get("/api/v1/sources").json()["rows"]
        assert [row["key"] for row in rows] == [SHOP.key]


def test_missing_database_is_refused(tmp_path: Path) -> None:
    result = run("--data", tmp_path / "absent", "backup", tmp_path / "backup")
    check_refusal(result, "there is no database")
    assert not (tmp_path / "backup").exists()
