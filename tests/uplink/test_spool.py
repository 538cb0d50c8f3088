"""Unsent submissions stay on the disk until they are removed, within limits, in files of this user only."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

import pytest

from kubekeep.model.scanned_source import SourceCluster, SourceRegistry, SourceRepository
from kubekeep.uplink.private_files import TEMPORARY
from kubekeep.uplink.spool import Spool, SpoolLimits, SubmissionHead, UnsentSubmission, describe_source
from tests.uplink.service import decompress
from tests.uplink.states import NOW

SERVER = "https://kubekeep.example.com"


def create_head(minute: int, state: str = "cluster/uid ", server: str = SERVER) -> SubmissionHead:
    started = NOW + dt.timedelta(minutes=minute)
    return SubmissionHead(server=server, source=state.strip(), state=state, started=started, id=f"{minute:032x}")


def add(spool: Spool, minute: int, state: str = "cluster/uid ", *, text: str = "{}") -> UnsentSubmission:
    return spool.add(create_head(minute, state), lambda stream: stream.write(text))


def list_minutes(spool: Spool) -> list[int]:
    return [int(unsent.head.id, 16) for unsent in spool.list_unsent(SERVER)]


def test_submission_is_stored_for_its_user_only(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "unsent"
    spool = Spool(folder)
    stored = add(spool, 1, text="{'a': 'ü'}" * 100_000)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert stored.path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in folder.iterdir()] == [stored.path.name]
    (listed,) = Spool(folder).list_unsent(SERVER)
    assert listed == stored
    body = b"".join(listed.content.read())
    assert len(body) == listed.size == listed.content.size < 10_000
    assert decompress(body).decode() == "{'a': 'ü'}" * 100_000
    assert Spool(folder).list_unsent("https://another.example") == []
    spool.remove(listed)
    spool.remove(listed)
    assert list(folder.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        next(listed.content.read())


def test_submissions_are_in_the_order_of_their_scans(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for minute in (3, 1, 2):
        add(spool, minute)
    assert list_minutes(spool) == [1, 2, 3]


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(stream: TextIO) -> None:
        stream.write("x" * 1_000_000)
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        Spool(tmp_path).add(create_head(1), fail)
    assert list(tmp_path.iterdir()) == []


def test_earlier_states_of_a_source_are_dropped_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SpoolLimits(count=3))
    add(spool, 1, "registry/a ")
    for minute in (2, 3, 4):
        kept = add(spool, minute)
    assert spool.drop_excess(kept) == ["cluster/uid of 2026-12-01 00:02 UTC"]
    assert list_minutes(spool) == [1, 3, 4]
    kept = add(spool, 5, "registry/b ")
    assert spool.drop_excess(kept) == ["cluster/uid of 2026-12-01 00:03 UTC"]
    kept = add(spool, 6, "registry/c ")
    assert spool.drop_excess(kept) == ["registry/a of 2026-12-01 00:01 UTC"]
    assert list_minutes(spool) == [4, 5, 6]


def test_size_and_age_are_limited(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SpoolLimits(size=3000, days=1))
    text = "".join(map(str, range(100)))
    for minute in (0, 1440, 1441, 1442):
        kept = add(spool, minute, text=os.urandom(500).hex() + text)
    dropped = spool.drop_excess(kept)
    assert dropped[0] == "cluster/uid of 2026-12-01 00:00 UTC"
    assert sum(unsent.size for unsent in spool.list_unsent(SERVER)) <= 3000
    large = add(spool, 1443, text=os.urandom(9000).hex())
    spool.drop_excess(large)
    assert list_minutes(spool) == [1443]


def test_damaged_and_abandoned_files_are_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = add(spool, 1)
    damaged = tmp_path / "20261201T000000.000000-0-0.unsent"
    for content in (b"", b"\n", b"{}\n", b"\xff\n", b"[" * 100_000):
        damaged.write_bytes(content)
        assert list_minutes(spool) == [1]
        assert spool.drop_excess(kept) == [str(damaged)]
    abandoned, running = tmp_path / f"{TEMPORARY}a", tmp_path / f"{TEMPORARY}b"
    abandoned.touch()
    running.touch()
    os.utime(abandoned, (time.time() - 200_000,) * 2)
    assert spool.drop_excess(kept) == []
    assert sorted(tmp_path.iterdir()) == [running, kept.path]


def test_threads_and_processes_share_a_spool(tmp_path: Path) -> None:
    def work(number: int) -> None:
        spool = Spool(tmp_path, SpoolLimits(count=5))
        for minute in range(number * 100, number * 100 + 20):
            spool.drop_excess(add(spool, minute, f"cluster/{number} "))
            for unsent in spool.list_unsent(SERVER)[:2]:
                spool.remove(unsent)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(list_minutes(Spool(tmp_path))) <= 5
    assert not list(tmp_path.glob(f"{TEMPORARY}*"))


PROGRAM = """
import os, sys, datetime as dt
from pathlib import Path
from kubekeep.uplink.spool import Spool, SubmissionHead
spool = Spool(Path(sys.argv[1]))
for number in range(10_000):
    started = dt.datetime(2026, 12, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=number)
    head = SubmissionHead(server="https://kubekeep.example.com", source="a", state="a", started=started, id=f"{number:032x}")
    spool.add(head, lambda stream: [stream.write(os.urandom(5000).hex()) for _ in range(20)])
    print(number, flush=True)
"""


def test_killed_process_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    for repetition in range(5):
        folder = tmp_path / str(repetition)
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(3 + repetition):
                last = int(process.stdout.readline())
            process.kill()
            last = max([last, *map(int, process.stdout.read().split())])
        stored = Spool(folder).list_unsent(SERVER)
        assert [int(unsent.head.id, 16) for unsent in stored][: last + 1] == list(range(last + 1))
        assert all(len(decompress(b"".join(unsent.content.read()))) == 200_000 for unsent in stored)


def test_sources_have_names_for_people() -> None:
    assert describe_source(SourceCluster("1-2", "production")) == "cluster production"
    assert describe_source(SourceCluster("1-2")) == "cluster 1-2"
    assert describe_source(SourceRegistry("docker.io")) == "registry docker.io"
    assert (
        describe_source(SourceRepository("github.com/shop/web", (), "main")) == "repository github.com/shop/web (main)"
    )
