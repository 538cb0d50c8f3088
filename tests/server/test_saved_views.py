"""Saved views over HTTP: who sees and deletes which, their number, and addresses that are pages of this server only."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx2
import pytest

from kubekeep_server.store import saved_views
from kubekeep_server.store.accounts import create_account
from kubekeep_server.store.saved_views import TooManyViewsError, delete_view, list_views, save_view
from tests.server.conftest import Database
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_identity_api import sign_in_user
from tests.server.test_ingest import START


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("views")) as running:
        yield running


@pytest.fixture(scope="module")
def users(server: EmbeddedServer) -> dict[str, httpx2.Client]:
    roles = {"ada": "viewer", "bob": "viewer", "root": "administrator"}
    return {name: sign_in_user(server, name, role) for name, role in roles.items()}


def save(client: httpx2.Client, **values: Any) -> httpx2.Response:
    return client.post("/api/v1/views", json={"name": "Urgent", "address": "/findings?priority=critical", **values})


def read(client: httpx2.Client) -> dict[str, tuple[str, bool]]:
    """Return author and ownership of the views by name."""
    return {row["name"]: (row["author"], row["isOwn"]) for row in client.get("/api/v1/views").json()}


def test_private_and_shared_views(server: EmbeddedServer, users: dict[str, httpx2.Client]) -> None:
    private = save(users["ada"], name="Mine").json()["id"]
    shared = save(users["ada"], name="Ours", isShared=True).json()["id"]
    assert read(users["ada"]) == {"Mine": ("ada", True), "Ours": ("ada", True)}
    assert read(users["bob"]) == {"Ours": ("ada", False)}
    assert users["bob"].delete(f"/api/v1/views/{shared}").status_code == 404
    # An administrator removes what all see, and nothing private.
    assert users["root"].delete(f"/api/v1/views/{private}").status_code == 404
    assert users["root"].delete(f"/api/v1/views/{shared}").status_code == 204
    assert read(users["bob"]) == {}
    assert users["ada"].delete(f"/api/v1/views/{private}").status_code == 204
    with server.client(server.create_token("viewer")) as program:
        assert save(program).status_code == 403
        assert read(program) == {}
    with server.client(server.create_token("agent")) as agent:
        assert agent.get("/api/v1/views").status_code == 403


def test_same_name_replaces_the_view(users: dict[str, httpx2.Client]) -> None:
    save(users["ada"])
    number = save(users["ada"], address="/images?fixable=true").json()["id"]
    (row,) = users["ada"].get("/api/v1/views").json()
    assert (row["id"], row["address"]) == (number, "/images?fixable=true")


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/?source=3&source=4",
        "/findings?text=a+b%20c&openedSince=2026-01-01",
        "/packages/maven/org.slf4j%2Fslf4j-api?below=1.0",
        "/images/sha256:" + "a" * 64,
        "/compare?from=1:abc&to=2",
    ],
)
def test_pages_are_accepted(users: dict[str, httpx2.Client], address: str) -> None:
    assert save(users["bob"], address=address).status_code == 201


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/findings",
        "//example.com/findings",
        "/\\example.com",
        "javascript:alert(1)",
        "/findings#x",
        "/findings?text=<script>",
        "/findings?a='b",
        "/findings/../api/v1/log",
        "/findings/%2E%2e/sign-in",
        "/api/v1/findings",
        "/sign-in",
        "/settings/users",
        "findings",
        "/findings\n",
        "/findings?text=a b",
        "/findings?" + "a" * 5_000,
        "",
    ],
)
def test_other_addresses_are_refused(users: dict[str, httpx2.Client], address: str) -> None:
    answer = save(users["bob"], address=address)
    assert answer.status_code == 422, address


@pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 300])
def test_names_are_text(users: dict[str, httpx2.Client], name: str) -> None:
    assert save(users["bob"], name=name).status_code == 422


def test_number_of_views(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MOST_VIEWS", 2)
    create = partial(create_account, now=START, actor="test")
    first, second = (database.run(create, name, ()) for name in ("ada", "bob"))

    def add(user: int, name: str) -> int:
        return database.run(lambda connection: save_view(connection, user, name, "/findings", START, is_shared=True))

    numbers = [add(first, name) for name in ("b", "A")]
    with pytest.raises(TooManyViewsError):
        add(first, "c")
    # One with the same name takes no more room.
    add(first, "b")
    add(second, "c")
    assert [view.name for view in database.run(list_views, first)] == ["A", "b", "c"]
    database.run(lambda connection: delete_view(connection, numbers[1], first, may_delete_shared=False))
    with pytest.raises(LookupError):
        database.run(lambda connection: delete_view(connection, numbers[1], first, may_delete_shared=True))
