"""A PostgreSQL that fails over while two servers write: its replica is promoted. What was acknowledged is stored, and sent once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select, text

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import Submission
from kubekeep_server.store import schema
from kubekeep_server.store.engine import open_server_engine, parse_url
from tests.server.conftest import Database, create_database
from tests.server.http_sink import HttpSink, run_sink
from tests.server.live import LiveServer
from tests.server.postgres import PostgresServer, create_postgres
from tests.server.test_faults import TEMPORARY, post, wait_for_more
from tests.server.test_ingest import build, build_subject
from tests.server.test_notifications import OPENED, SECONDS, create_rule, create_webhook, wait_for_state

CLUSTERS: Final = 4
DAYS: Final = 10


def build_scans(cluster: str) -> list[Submission]:
    """Return scans of a cluster, each of which opens the findings of one subject more."""
    return [
        build(
            day,
            *(build_subject(number, "C-0001", "C-0002") for number in range(1, day + 2)),
            source=SourceCluster(cluster),
        )
        for day in range(DAYS)
    ]


def submit(servers: list[LiveServer], token: str, scans: list[Submission], acknowledged: set[str]) -> None:
    """Submit scans in order to the servers in turn. Repeat each until it is acknowledged."""
    clients = [server.client(token) for server in servers]
    turns = itertools.cycle(clients)
    deadline = time.monotonic() + 2 * SECONDS
    for scan in scans:
        while scan.id not in acknowledged:
            assert time.monotonic() < deadline, scan.id
            answer = post(next(turns), scan)
            assert answer.status_code in {200, 201} | TEMPORARY, answer.text
            if answer.status_code in TEMPORARY:
                time.sleep(0.1)
            else:
                acknowledged.add(scan.id)


def wait_for_replica(primary: PostgresServer) -> None:
    """Let the primary acknowledge only what its replica has, as production has to be set up, and wait for the replica."""
    database = open_server_engine(parse_url(f"{primary.url}/postgres")).execution_options(isolation_level="AUTOCOMMIT")

    async def prepare() -> None:
        async with database.connect() as connection:
            await connection.execute(text("ALTER SYSTEM SET synchronous_standby_names = '*'"))
            await connection.execute(text("SELECT pg_reload_conf()"))
            deadline = time.monotonic() + SECONDS
            query = text("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
            while not await connection.scalar(query):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        await database.dispose()

    asyncio.run(prepare())


def read_store(connection: Connection) -> tuple[set[str], int, int]:
    """Return the stored scans, the number of findings, and their total."""
    findings = connection.scalar(select(func.count()).select_from(schema.finding)) or 0
    return (
        set(connection.scalars(select(schema.scan.c.id))),
        findings,
        connection.scalar(select(func.sum(schema.total.c.findings))) or 0,
    )


def list_subjects(messages: dict[str, bytes]) -> list[str]:
    """Return the source and the subject of each finding in messages."""
    subjects = []
    for content in messages.values():
        document = json.loads(content)
        lines = [line["text"] for section in document["sections"] for line in section["lines"]]
        # A message about one finding names its subject in the title, and lists nothing.
        texts = lines or [document["title"].rpartition(" in ")[0]]
        subjects += [f"{document['sourceKey']} {text.rpartition('Deployment ')[2]}" for text in texts]
    return sorted(subjects)


def test_replica_is_promoted_while_two_servers_write(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(create_postgres())
        primary.start()
        name = create_database(primary.url).rpartition("/")[2]
        replica = stack.enter_context(create_postgres(primary))
        replica.start()
        wait_for_replica(primary)
        sink = stack.enter_context(run_sink())
        url = f"postgresql://postgres@/{name}?host={primary.host}&host={replica.host}&target_session_attrs=read-write"
        servers = [start(tmp_path / folder, url) for folder in ("one", "two")]
        for server in servers:
            stack.callback(server.close)
        token = servers[0].create_token("administrator")
        with servers[0].client(token) as client:
            create_rule(client, create_webhook(client, sink.url), {**OPENED, "filter": {"severities": ["high"]}})
        acknowledged: set[str] = set()
        scans = [build_scans(f"cluster-{number}") for number in range(CLUSTERS)]
        with ThreadPoolExecutor(CLUSTERS) as pool:
            futures = [pool.submit(submit, servers, token, part, acknowledged) for part in scans]
            wait_for_more(acknowledged, CLUSTERS * DAYS // 3)
            primary.stop()
            lost = set(acknowledged)
            # The servers go on to answer, and to refuse scans, without a database.
            time.sleep(1)
            replica.promote()
            for future in futures:
                future.result()
        assert lost < acknowledged
        messages = collect_messages(sink, CLUSTERS * DAYS)
        with servers[1].client(token) as client:
            wait_for_state(client, len(messages), "sent")
        for server in servers:
            server.stop(signal.SIGTERM)
            assert "Traceback" not in server.log
        database = Database(f"{replica.url}/{name}")
        stack.callback(database.close)
        stored, findings, total = database.run(read_store)
        assert stored == acknowledged == {scan.id for part in scans for scan in part}
        assert findings == total == 2 * CLUSTERS * DAYS
        expected = sorted(
            f"cluster/cluster-{number} web-{subject} (namespace shop)"
            for number in range(CLUSTERS)
            for subject in range(1, DAYS + 1)
        )
        assert list_subjects(messages) == expected
        # Only a process that ends between sending and marking repeats a message.
        assert len(sink.requests) == len(messages)


def start(folder: Path, url: str) -> LiveServer:
    folder.mkdir()
    key = folder.parent / "key"
    key.write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
    (folder / "server.toml").write_text(f'notification_networks = ["127.0.0.0/8"]\nsecret_key_file = "{key}"\n')
    return LiveServer(folder, "--config", "server.toml", "--database", url)


def collect_messages(sink: HttpSink, count: int) -> dict[str, bytes]:
    """Return the messages by their identity as soon as they are about so many findings."""
    # A claim may have to end first.
    deadline = time.monotonic() + 2 * SECONDS
    while True:
        messages = {request.headers["idempotency-key"]: request.content for request in list(sink.requests)}
        if len(list_subjects(messages)) >= count or time.monotonic() > deadline:
            return messages
        time.sleep(0.5)
