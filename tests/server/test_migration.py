"""Migrations of a database with many rows: they are killed and repeated, and wait for space. Nothing is lost or half done."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx2
from sqlalchemy import BigInteger, Connection, column, func, insert, literal, select, table, text

from kubekeep_server.store import schema
from kubekeep_server.store.engine import get_revision
from tests.server.conftest import Database
from tests.server.live import SOURCE, LiveServer, run_server
from tests.server.test_faults import DatabaseOptions, build_scans, post, storage

__all__ = ["storage"]
ROWS: Final = 1_000_000
REVISION: Final = "9001"
SECONDS: Final = 300
_MEBIBYTE: Final = 1 << 20
_KILLS: Final = (1, 60)
"""Mebibytes after which a migration is killed: in the copy of the table, and later."""
_MIGRATION: Final = '''"""Copy a table, as a change of its columns does on SQLite."""

from alembic import op

revision = "{revision}"
down_revision = "{down}"


def upgrade():
    op.execute("CREATE TABLE copied_finding AS SELECT * FROM finding")
    op.execute("CREATE INDEX copied_finding_subject ON copied_finding (subject, opened)")
    op.execute("CREATE INDEX copied_finding_closed ON copied_finding (closed, fingerprint)")
'''
_NUMBERS: Final = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) SELECT i FROM n",
    "postgresql": "SELECT generate_series(1, :rows) AS i",
}


def copy_next_version(folder: Path, revision: str) -> Path:
    """Return a folder with the package of a next version, which has one more migration."""
    copied = folder / "next"
    shutil.copytree(SOURCE, copied, ignore=shutil.ignore_patterns("static", "__pycache__"))
    versions = copied / "kubekeep_server" / "store" / "migrations" / "versions"
    (versions / f"{REVISION}_copy.py").write_text(_MIGRATION.format(revision=REVISION, down=revision))
    return copied


def add_closed_findings(connection: Connection) -> None:
    """Add many rows like the first one."""
    finding = schema.finding
    row: Any = connection.execute(select(finding).limit(1)).one()._asdict()
    statement = text(_NUMBERS[connection.dialect.name]).bindparams(rows=ROWS).columns(column("i", BigInteger))
    numbers = statement.subquery("numbers")
    changed = {"subject": numbers.c.i, "fingerprint": numbers.c.i, "closed": literal(row["opened"] + 1)}
    values = [changed.get(each.name, literal(row[each.name], each.type)) for each in finding.c]
    connection.execute(insert(finding).from_select(list(finding.c), select(*values)))


def count(connection: Connection, name: str) -> int:
    return int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())


def list_tables(connection: Connection) -> tuple[str, bool]:
    """Return the revision, and True if the table of the migration exists."""
    return get_revision(connection), connection.dialect.has_table(connection, "copied_finding")


def measure(database: Database) -> Callable[[], int]:
    """Return the function that returns the bytes of a database and what its transactions have written."""
    if database.url.startswith("sqlite"):
        log = Path(f"{database.url.removeprefix('sqlite:///')}-wal")
        return lambda: log.stat().st_size if log.exists() else 0
    query = select(func.pg_database_size(func.current_database()))
    start = int(database.run(lambda connection: connection.execute(query).scalar_one()))
    return lambda: int(database.run(lambda connection: connection.execute(query).scalar_one())) - start


def wait_for_growth(server: LiveServer, measured: Callable[[], int], size: int) -> None:
    deadline = time.monotonic() + SECONDS
    while measured() < size:
        assert server.process.poll() is None, server.log
        assert time.monotonic() < deadline, server.log
        time.sleep(0.01)


def fill(storage: DatabaseOptions, folder: Path) -> Database:
    """Return a database of this version with many rows."""
    with run_server(folder, *storage.options) as server:
        token = server.create_token()
        with server.client(token) as client:
            assert post(client, build_scans("large", 1)[0]).status_code == 201
        server.stop()
    database = Database(storage.url)
    database.run(add_closed_findings)
    return database


def test_killed_migration_is_repeated(storage: DatabaseOptions, tmp_path: Path) -> None:
    database = fill(storage, tmp_path)
    revision, rows = database.run(get_revision), database.run(count, "finding")
    assert rows > ROWS
    with run_server(tmp_path, *storage.options) as server:
        server.stop()
        server.source = copy_next_version(tmp_path, revision)
        for size in _KILLS:
            measured = measure(database)
            server.start(wait=False)
            server.wait_for(re.compile("the tables are changed"))
            wait_for_growth(server, measured, size * _MEBIBYTE)
            # Supervisors ask if the process lives; load balancers ask if it serves.
            assert httpx2.get(f"{server.url}/healthz", timeout=SECONDS).status_code == 200
            server.stop(signal.SIGKILL)
            assert database.run(list_tables) == (revision, False)
        server.start()
        server.stop()
    assert database.run(list_tables) == (REVISION, True)
    assert database.run(count, "finding") == database.run(count, "copied_finding") == rows
    database.close()


def test_migration_waits_for_space(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        server.stop()
        file = tmp_path / "kubekeep-data" / "kubekeep.sqlite"
        database = Database(f"sqlite:///{file}")
        revision = database.run(get_revision)
        database.close()
        server.source = copy_next_version(tmp_path, revision)
        size = file.stat().st_size
        # A file with a hole takes no space.
        os.truncate(file, shutil.disk_usage(tmp_path).free)
        server.start(wait=False)
        server.wait_for(re.compile(r"waiting for the database.*may need [\d,]+ bytes, and [\d,]+ are free"))
        answer = httpx2.get(f"{server.url}/readyz", timeout=SECONDS)
        assert answer.status_code == 503
        os.truncate(file, size)
        server.wait_until_ready()
        server.stop()


def test_tables_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        server.stop()
        database = Database(f"sqlite:///{tmp_path / 'kubekeep-data' / 'kubekeep.sqlite'}")
        server.source = copy_next_version(tmp_path, database.run(get_revision))
        database.close()
        server.start()
        server.stop()
        server.source = SOURCE
        server.start(wait=False)
        assert server.process.wait(SECONDS) != 0
        assert REVISION in server.log
        assert "the tables are changed" not in server.log
