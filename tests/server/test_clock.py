"""A clock of the server that jumps by a year, ahead or back: nothing is lost, and nobody is locked out after it is right again.

Scans of a clock that is ahead or behind are in `test_ingest`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from kubekeep.model.submission import Submission
from kubekeep_server.api.body_budget import BodyBudget
from kubekeep_server.api.server_state import ServerState
from kubekeep_server.identity import Grant, Role
from kubekeep_server.process.retention import remove_expired
from kubekeep_server.settings import Settings
from kubekeep_server.store import schema
from kubekeep_server.store.accounts import create_account
from kubekeep_server.store.attempts import count_attempt
from kubekeep_server.store.device_logins import DeviceState, answer_login, begin_login, find_login, take_token
from kubekeep_server.store.enrolments import create_enrolment, redeem_enrolment, renew_credential
from kubekeep_server.store.ingest import ingest_results
from kubekeep_server.store.lanes import open_lanes
from kubekeep_server.store.retention import advance_clock
from kubekeep_server.store.sessions import IDLE, create_link, find_session, open_session, redeem_link, touch_session
from kubekeep_server.store.tokens import find_token
from tests.server.conftest import Database
from tests.server.test_ingest import CLUSTER, START, build, build_subject, submit

DAY: Final = dt.timedelta(days=1)
YEAR: Final = dt.timedelta(days=365)
MINUTE: Final = dt.timedelta(minutes=1)
GRANTS: Final = (Grant(Role.ADMINISTRATOR, "*"),)
JUMPS: Final = pytest.mark.parametrize("jump", [YEAR, -YEAR], ids=["ahead", "back"])


def create_user(database: Database) -> int:
    def create(connection: Connection) -> int:
        return create_account(connection, "ada", GRANTS, now=START, actor="test")

    return database.run(create)


def count_scans(database: Database) -> int:
    query = select(func.count()).select_from(schema.scan)
    number: int = database.run(lambda connection: connection.execute(query).scalar_one())
    return number


@JUMPS
def test_retention_removes_nothing_that_is_not_old(database: Database, jump: dt.timedelta) -> None:
    for day in range(3):
        submit(database, build(day, build_subject(1, "C-0001"), build_subject(day + 2, "C-0002")))
    moments = [START + 3 * DAY, START + 3 * DAY + jump, START + 3 * DAY + jump + DAY / 24, START + 4 * DAY]

    async def run() -> None:
        async with open_lanes(database.url, 1) as (writing, reading):
            settings = Settings(database=database.url, scan_days=30, history_days=30)
            state = ServerState(settings, writing, reading, BodyBudget(1))
            for moment in moments:
                await remove_expired(state, moment)

    asyncio.run(run())
    assert count_scans(database) == 3


def test_retention_catches_up_after_a_stop(database: Database) -> None:
    assert database.run(advance_clock, START) == START
    after = START + 10 * DAY
    assert database.run(advance_clock, after) == START
    days = [(database.run(advance_clock, after + number * DAY) - START) // DAY for number in range(1, 13)]
    assert days == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 21, 22]


@JUMPS
def test_sessions_count_again_after_the_jump(database: Database, jump: dt.timedelta) -> None:
    number = create_user(database)
    database.run(open_session, b"before", number, START)
    database.run(find_session, b"before", START + jump)
    assert database.run(find_session, b"before", START + MINUTE) is not None
    database.run(open_session, b"meanwhile", number, START + jump)
    assert database.run(find_session, b"meanwhile", START + jump) is not None
    # One of a clock that was ahead would last for a year.
    assert database.run(find_session, b"meanwhile", START + 2 * MINUTE) is None
    database.run(open_session, b"after", number, START + 2 * MINUTE)
    assert database.run(find_session, b"after", START + 3 * MINUTE) is not None


def test_session_that_was_used_in_the_future_ends_without_use(database: Database) -> None:
    number = create_user(database)
    database.run(open_session, b"session", number, START)
    database.run(touch_session, b"session", START + 6 * IDLE)
    match = database.run(find_session, b"session", START + MINUTE)
    assert match is not None
    assert match[1]
    database.run(touch_session, b"session", START + MINUTE)
    assert database.run(find_session, b"session", START + MINUTE + IDLE) is None


@JUMPS
def test_attempts_lock_nobody_out(database: Database, jump: dt.timedelta) -> None:
    for moment in (START, START + jump):
        results = [database.run(count_attempt, {"name ada": 3}, moment) for _ in range(4)]
        assert results == [True] * 3 + [False]
    assert database.run(count_attempt, {"name ada": 3}, START + 16 * MINUTE)


@JUMPS
def test_clusters_renew_their_credentials(database: Database, jump: dt.timedelta) -> None:
    database.run(create_enrolment, b"enrolment", "cluster/uid", START, "ada")
    database.run(redeem_enrolment, b"enrolment", "cluster/uid", b"first", START)
    try:
        database.run(renew_credential, b"first", b"other", START + jump)
    except LookupError:
        assert jump > 10 * DAY
    assert database.run(find_token, b"first", START + 2 * MINUTE) is not None
    database.run(renew_credential, b"first", b"second", START + 3 * MINUTE)
    assert database.run(find_token, b"second", START + 4 * MINUTE) is not None


def test_one_time_secrets_of_the_future_are_refused(database: Database) -> None:
    number = create_user(database)
    ahead = START + YEAR
    database.run(create_enrolment, b"enrolment", None, ahead, "ada")
    database.run(create_link, b"link", number, ahead, "ada")
    database.run(begin_login, b"device", "BCDF-BCDF", "laptop", ahead)
    with pytest.raises(LookupError):
        database.run(redeem_enrolment, b"enrolment", "cluster/uid", b"token", START)
    with pytest.raises(LookupError):
        database.run(redeem_link, b"link", b"session", START)
    with pytest.raises(LookupError):
        database.run(find_login, "BCDF-BCDF", START)
    assert database.run(take_token, b"device", b"token", START) is DeviceState.EXPIRED
    database.run(begin_login, b"again", "BCDF-BCDF", "laptop", START)
    session = database.run(open_session, b"session", number, START)

    def approve(connection: Connection) -> None:
        answer_login(connection, "BCDF-BCDF", session, START, is_approved=True)

    database.run(approve)
    assert database.run(take_token, b"again", b"token", START) is DeviceState.APPROVED


def test_results_of_other_tools_have_the_present_time_after_the_jump(database: Database) -> None:
    def receive(day: int, moment: dt.datetime, *names: str) -> Any:
        scan = build(day, build_subject(1, *names))

        def finish(connection: object, finished: dt.datetime) -> Submission:
            del connection
            return msgspec.structs.replace(scan, finished=finished)

        return database.run(ingest_results, CLUSTER, finish, lambda: moment)

    assert receive(0, START + YEAR, "C-0001").is_applied
    assert receive(1, START, "C-0002").is_applied
    assert receive(2, START + MINUTE, "C-0001", "C-0002").opened == 1
    query = select(schema.source.c.finished)
    finished = database.run(lambda connection: connection.execute(query).scalar_one())
    assert finished == int((START + MINUTE).timestamp()) * 1_000_000
