"""Changes of users, rights and tokens survive a server that is killed right after the answer. Settings come from where they are documented."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import text

from kubekeep_server.store.engine import open_file_engine
from tests.server.conftest import create_database
from tests.server.live import LiveServer, run_server
from tests.server.test_identity_api import sign_in

VIEWER: Final = {"role": "viewer", "scope": "cluster/a"}
MANAGER: Final = {"role": "manager", "scope": "repository/b/*", "namespaces": ["shop"]}
CHOSEN: Final = "a password of a test"


def restart(server: LiveServer) -> None:
    """Kill the process, which writes nothing any more, and start it again."""
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    server.start()


def continue_session(server: LiveServer, before: httpx2.Client) -> httpx2.Client:
    """Return a client with the session of an earlier process."""
    client = server.client()
    client.cookies.update(before.cookies)
    client.headers["X-Csrf-Token"] = before.headers["X-Csrf-Token"]
    return client


def find_user(client: httpx2.Client, name: str) -> dict[str, Any]:
    (user,) = (user for user in client.get("/api/v1/users").json() if user["name"] == name)
    return dict(user)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_changes_survive_the_end_of_the_process(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    options = ("--database", create_database(request.getfixturevalue("postgres"))) if engine != "sqlite" else ()
    with run_server(tmp_path, *options) as server:
        match = re.search(r"/sign-in#(kkl_\S+)", server.log)
        assert match
        client = sign_in(server, match.group(1))
        restart(server)
        assert "/sign-in#" not in server.log
        client = continue_session(server, client)

        created = client.post("/api/v1/users", json={"name": "ada", "grants": [VIEWER]})
        restart(server)
        client = continue_session(server, client)
        assert find_user(client, "ada") == created.json()

        path = f"/api/v1/users/{created.json()['id']}"
        assert client.patch(path, json={"grants": [MANAGER], "isEnabled": False}).status_code == 204
        restart(server)
        client = continue_session(server, client)
        changed = find_user(client, "ada")
        assert (changed["grants"], changed["isEnabled"]) == ([MANAGER], False)

        token = client.post("/api/v1/tokens", json={"name": "ci", "grants": [VIEWER], "expiresInDays": 9}).json()
        restart(server)
        client = continue_session(server, client)
        assert server.client(token["token"]).get("/api/v1/identity").json()["name"] == "ci"
        assert client.delete(f"/api/v1/tokens/{token['id']}").status_code == 204
        restart(server)
        assert server.client(token["token"]).get("/api/v1/identity").status_code == 401

        client = continue_session(server, client)
        assert client.put("/api/v1/password", json={"current": "", "password": CHOSEN}).status_code == 200
        restart(server)
        credentials = {"name": "administrator", "password": CHOSEN}
        assert server.client().post("/api/v1/session", json=credentials).status_code == 201


def test_commit_of_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    """A loss of power, which a test cannot make, keeps what the disk has confirmed."""
    engine = open_file_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")
    with engine.connect() as connection:
        full = 2
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == full
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    engine.dispose()
