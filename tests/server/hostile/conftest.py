"""A server on each database, whose log and state each test checks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.server.conftest import create_database
from tests.server.hostile.attacked import (
    API,
    Attacked,
    build_scans,
    create_token,
    describe_state,
)
from tests.server.live import run_server
from tests.server.test_identity_api import sign_in
from tests.server.test_scans_api import encode, post


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("hostile")
    url = f"sqlite:///{folder / 'kubekeep-data' / 'kubekeep.sqlite'}"
    options: tuple[str, ...] = ()
    if request.param == "postgresql":
        url = create_database(request.getfixturevalue("postgres"))
        options = ("--database", url)
    with run_server(folder, *options) as server:
        link = re.search(r"/sign-in#(kkl_\S+)", server.log)
        assert link
        administrator = sign_in(server, link.group(1))
        with server.client(server.create_token()) as sender:
            for scan in build_scans():
                assert post(sender, encode(scan)).status_code == 201
        sources = administrator.get(f"{API}/sources").json()["rows"]
        yield Attacked(
            server,
            url,
            administrator,
            server.client(create_token(administrator, "viewer", "*")),
            server.client(create_token(administrator, "viewer", "cluster/blog")),
            server.client(create_token(administrator, "viewer", "cluster/shop", "pay")),
            create_token(administrator, "viewer", "cluster/*", "pay"),
            server.client(server.create_token("agent", "cluster/blog")),
            next(source["id"] for source in sources if source["key"] == "cluster/shop"),
        )


@pytest.fixture(autouse=True)
def check_log(attacked: Attacked) -> Iterator[None]:
    """Check that the server still answers, and logged no defect and no control character."""
    start = len(attacked.server.log)
    yield
    assert attacked.everyone.get(f"{API}/identity").status_code == 200
    log = attacked.server.log[start:]
    assert "Traceback" not in log
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]", log)
    assert all(line.startswith("timestamp=") for line in log.splitlines())


@pytest.fixture
def unchanged(attacked: Attacked) -> Iterator[None]:
    """Check that the test changes nothing."""
    before = describe_state(attacked)
    yield
    assert describe_state(attacked) == before
