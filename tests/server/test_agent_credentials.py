"""Credentials of agents after 400 days and after the restoration of a backup: renewed, or refused with the next step."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import Connection, update

from kubekeep_server.store.engine import open_file_engine
from kubekeep_server.store.identity_schema import api_token, enrolment
from kubekeep_server.store.numbers import to_number
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.live import environment
from tests.server.test_identity_api import sign_in
from tests.server.test_ingest import START

UID: Final = "5f0c2a3e-0000-4000-8000-000000000001"
SOURCE: Final = f"cluster/{UID}"
OBJECTS: Final = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": UID}},
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "uid": "2"},
        "spec": {"containers": [{"name": "web", "image": "web:1", "securityContext": {"privileged": True}}]},
    },
)
REFUSED: Final = 3
"""Exit code of a scan whose results the server refuses."""


class Agent:
    """A cluster that scans itself and submits with a credential, which it keeps in a file."""

    def __init__(self, folder: Path, server: EmbeddedServer) -> None:
        self._folder = folder
        self._server = server
        (folder / "cluster.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": OBJECTS}))

    @property
    def token(self) -> str:
        return (self._folder / "credential").read_text()

    def enrol(self, administrator: httpx2.Client, source: str | None = None) -> None:
        """Exchange a one-time token for the first credential."""
        token = administrator.post("/api/v1/enrolments", json={"source": source}).json()["token"]
        answer = self._server.client().post("/api/v1/enrolments/redeem", json={"token": token, "source": SOURCE})
        assert answer.status_code == 201, answer.text
        self._keep(answer)

    def renew(self) -> httpx2.Response:
        """Exchange the credential for the next one, which is kept if there is one."""
        answer = self._server.client(self.token).post("/api/v1/credentials/renew")
        if answer.status_code == 201:
            self._keep(answer)
        return answer

    def submit(self) -> tuple[int, str]:
        """Scan and submit; return the exit code and standard error."""
        (self._folder / "home").mkdir(exist_ok=True)
        variables = {**environment(), "HOME": str(self._folder / "home"), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}
        options = ("--snapshot", "--submit", "--server", self._server.url, "--token-file", "credential")
        command = (sys.executable, "-m", "kubekeep", "scan", "cluster.json", *options)
        ended = subprocess.run(command, cwd=self._folder, env=variables, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stderr

    def _keep(self, answer: httpx2.Response) -> None:
        (self._folder / "credential").write_text(answer.json()["token"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent").mkdir()
    return tmp_path


def sign_in_first(server: EmbeddedServer) -> httpx2.Client:
    match = re.search(r"/sign-in#(kkl_\S+)", server.log)
    assert match
    return sign_in(server, match.group(1))


def let_pass(data: Path, days: int) -> None:
    """Make the credentials of a server older, as if its clock had gone on."""
    elapsed = to_number(START + dt.timedelta(days=days)) - to_number(START)

    def move(connection: Connection) -> None:
        for table, names in ((api_token, ("created", "expires")), (enrolment, ("expires", "redeemed"))):
            columns: dict[str, Any] = {name: table.c[name] - elapsed for name in names}
            connection.execute(update(table).values(columns))

    engine = open_file_engine(f"sqlite:///{data / 'kubekeep.sqlite'}")
    with engine.begin() as connection:
        move(connection)
    engine.dispose()


def list_sources(server: EmbeddedServer) -> list[str]:
    rows = server.client(server.create_token("viewer")).get("/api/v1/sources").json()["rows"]
    return [row["key"] for row in rows]


def test_agent_that_was_away_renews_or_enrols_again(folder: Path) -> None:
    with run_server(folder) as server:
        administrator = sign_in_first(server)
        agent = Agent(folder / "agent", server)
        agent.enrol(administrator)
        assert agent.submit()[0] == 0
        let_pass(folder / "kubekeep-data", 20)
        code, message = agent.submit()
        assert code == REFUSED
        assert "expired" in message
        assert agent.renew().status_code == 201
        assert agent.submit()[0] == 0
        let_pass(folder / "kubekeep-data", 400)
        assert agent.submit()[0] == REFUSED
        refused = agent.renew()
        assert refused.status_code == 401
        assert "enrol the cluster again" in refused.json()["detail"]
        agent.enrol(administrator, SOURCE)
        assert agent.submit()[0] == 0
        assert list_sources(server) == [SOURCE]


def test_restored_server_accepts_the_credentials_of_its_backup(folder: Path) -> None:
    backup = folder / "backup"
    with run_server(folder) as server:
        administrator = sign_in_first(server)
        agent = Agent(folder / "agent", server)
        agent.enrol(administrator)
        assert agent.submit()[0] == 0
        pipeline = server.create_token()
        server.run("backup", str(backup))
        first = agent.token
        assert agent.renew().status_code == 201
    restored = folder / "restored"
    restored.mkdir()
    with run_server(restored, "--data", str(restored / "data"), "--advisories", "off") as other:
        other.stop()
        (restored / "data" / "kubekeep.sqlite").unlink()
        for log in (restored / "data").glob("kubekeep.sqlite-*"):
            log.unlink()
        other.run("restore", str(backup))
        other.start()
        assert other.client(pipeline).get("/api/v1/identity").status_code == 200
        agent = Agent(folder / "agent", other)
        code, message = agent.submit()
        assert code == REFUSED
        assert "not submitted" in message
        refused = agent.renew()
        assert refused.status_code == 401
        assert "enrol the cluster again" in refused.json()["detail"]
        (folder / "agent" / "credential").write_text(first)
        assert agent.submit()[0] == 0
        assert agent.renew().status_code == 201
        assert agent.submit()[0] == 0
        assert list_sources(other) == [SOURCE]
