"""Single sign-on over HTTP: a real provider, the server, and the browser of a user between both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.server.embedded import EmbeddedServer, run_server
from tests.server.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    REDIRECT_URI,
    IdentityProvider,
    run_identity_provider,
)

LOGIN: Final = "/api/v1/oidc/login"
CALLBACK: Final = "/api/v1/oidc/callback"
ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "1": {"preferred_username": "ada", "groups": ["shop", "ops"]},
    "2": {"preferred_username": "bob", "groups": ["<script>", "guests"]},
    "3": {"preferred_username": "eve"},
}
ADA: Final = {"preferred_username": "ada", "email": "ada@example.org", "groups": ["ops"]}
SETTINGS: Final = """
public_url = "http://127.0.0.1:8080"
[oidc]
issuer = "{issuer}"
client_id = "{client}"
client_secret_file = "secret"
[oidc.roles]
ops = ["manager cluster/*"]
shop = ["viewer repository/github.com/shop/*"]
"""


@pytest.fixture(scope="module")
def identity() -> Iterator[IdentityProvider]:
    with run_identity_provider(ACCOUNTS) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oidc")


@pytest.fixture(scope="module")
def server(folder: Path, identity: IdentityProvider) -> Iterator[EmbeddedServer]:
    (folder / "secret").write_text(f"{CLIENT_SECRET}\n")
    (folder / "server.toml").write_text(SETTINGS.format(issuer=identity.issuer, client=CLIENT_ID))
    with run_server(folder, "--config", "server.toml") as running:
        yield running


def begin(client: httpx2.Client, identity: IdentityProvider, user: str) -> dict[str, str]:
    """Begin a sign-in, and return the answer that the provider sends by the browser."""
    answer = client.get(LOGIN)
    assert answer.status_code == 302, answer.text
    return identity.sign_in(answer.headers["location"], user)


def sign_in(server: EmbeddedServer, identity: IdentityProvider, user: str) -> tuple[httpx2.Client, httpx2.Response]:
    client = server.client()
    return client, client.get(CALLBACK, params=begin(client, identity, user))


def test_user_has_the_rights_of_the_groups(server: EmbeddedServer, identity: IdentityProvider) -> None:
    client, answer = sign_in(server, identity, "1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    document = client.get("/api/v1/identity").json()
    assert (document["name"], document["role"]) == ("ada", "manager")
    assert document["scopes"] == ["cluster/*", "repository/github.com/shop/*"]
    assert "kubekeep-sign-in" not in client.cookies
    cookies = [text.lower() for text in answer.headers.get_list("set-cookie")]
    assert all("httponly" in text and "samesite=lax" in text for text in cookies)


def test_sign_in_replaces_the_session_of_the_browser(server: EmbeddedServer, identity: IdentityProvider) -> None:
    client, _ = sign_in(server, identity, "1")
    before = dict(client.cookies)
    client.get(CALLBACK, params=begin(client, identity, "1"))
    assert client.cookies["kubekeep"] != before["kubekeep"]
    assert httpx2.get(f"{server.url}/api/v1/identity", cookies=before).status_code == 401


@pytest.mark.parametrize(("user", "name", "groups"), [("2", "bob", ["<script>", "guests"]), ("3", "eve", [])])
def test_user_without_rights_sees_the_groups(
    server: EmbeddedServer, identity: IdentityProvider, user: str, name: str, groups: list[str]
) -> None:
    client, answer = sign_in(server, identity, user)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["groups"] == groups
    assert f"{name} has no rights" in answer.json()["detail"]
    assert client.get("/api/v1/identity").status_code == 401


def test_answer_counts_in_its_browser_and_once(server: EmbeddedServer, identity: IdentityProvider) -> None:
    client = server.client()
    parameters = begin(client, identity, "1")
    assert server.client().get(CALLBACK, params=parameters).status_code == 403
    other = server.client()
    other.get(LOGIN)
    assert other.get(CALLBACK, params=parameters).status_code == 403
    cookies = dict(client.cookies)
    assert client.get(CALLBACK, params=parameters).status_code == 303
    replayed = server.client()
    replayed.cookies.update(cookies)
    assert replayed.get(CALLBACK, params=parameters).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"state": ""},
        {"state": "x"},
        {"state": "ä"},
        {"code": "x"},
        {"iss": "https://other.example.org"},
        {"error": "no"},
    ],
    ids=str,
)
def test_changed_answers_are_refused(
    server: EmbeddedServer, identity: IdentityProvider, change: dict[str, str]
) -> None:
    client = server.client()
    parameters = begin(client, identity, "1")
    answer = client.get(CALLBACK, params={**parameters, **change})
    assert answer.status_code == 403
    assert parameters["code"] not in answer.text
    assert client.get("/api/v1/identity").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "e30=", "ä".encode().hex(), "A" * 4000])
def test_damaged_cookies_are_refused(server: EmbeddedServer, cookie: str) -> None:
    client = server.client()
    client.cookies.set("kubekeep-sign-in", cookie)
    assert client.get(CALLBACK, params={"state": "", "code": "x"}).status_code == 403


def test_groups_that_change_and_rights_of_an_administrator(folder: Path, identity: IdentityProvider) -> None:
    text = SETTINGS.format(issuer=identity.issuer, client=CLIENT_ID)
    (folder / "secret").write_text(CLIENT_SECRET)
    # The command that checks the settings has another working folder.
    text = text.replace('"secret"', f'"{folder / "secret"}"')
    settings, database = folder / "changing.toml", f"sqlite:///{folder / 'changing.sqlite'}"
    settings.write_text(text)
    with run_server(folder, "--config", str(settings), "--database", database) as server:
        client, _ = sign_in(server, identity, "1")
        link = server.run("user", "add", "root", "--role", "administrator").partition("#")[2]
        root = server.client()
        root.headers["X-Csrf-Token"] = root.post("/api/v1/session/link", json={"link": link}).json()["csrfToken"]
        number = next(user["id"] for user in root.get("/api/v1/users").json() if user["name"] == "ada")
        grant = {"role": "auditor", "scope": "registry/*"}
        assert root.patch(f"/api/v1/users/{number}", json={"grants": [grant]}).status_code < 300
        assert "registry/*" in client.get("/api/v1/identity").json()["scopes"]
        settings.write_text(text.replace("manager cluster/*", "viewer cluster/prod"))
        server.stop()
        server.start()
        client, _ = sign_in(server, identity, "1")
        scopes = client.get("/api/v1/identity").json()["scopes"]
        assert scopes == ["cluster/prod", "registry/*", "repository/github.com/shop/*"]
        assert CLIENT_SECRET not in server.log
        assert server.run("check") == "The settings and the database can be used."


@pytest.fixture
def changing(folder: Path) -> Iterator[tuple[EmbeddedServer, IdentityProvider]]:
    """Return a server with an empty store, and a provider whose accounts a test changes."""
    with run_identity_provider({"1": ADA}) as identity:
        (folder / "secret").write_text(CLIENT_SECRET)
        settings, database = folder / "changing.toml", f"sqlite:///{folder / identity.issuer.rpartition(':')[2]}.sqlite"
        settings.write_text(SETTINGS.format(issuer=identity.issuer, client=CLIENT_ID))
        with run_server(folder, "--config", str(settings), "--database", database) as server:
            yield server, identity


def test_renamed_group_ends_rights_until_it_is_mapped(changing: tuple[EmbeddedServer, IdentityProvider]) -> None:
    server, identity = changing
    before, _ = sign_in(server, identity, "1")
    assert before.get("/api/v1/identity").json()["role"] == "manager"
    identity.change_account("1", **{**ADA, "groups": ["operations"]})
    _, answer = sign_in(server, identity, "1")
    assert (answer.status_code, answer.json()["groups"]) == (403, ["operations"])
    # The session of another browser has no rights of the former group.
    assert before.get("/api/v1/identity").json()["role"] is None
    assert before.get("/api/v1/findings").status_code == 403


def test_missing_claim_is_named_and_late_groups_count(changing: tuple[EmbeddedServer, IdentityProvider]) -> None:
    server, identity = changing
    identity.change_account("1", preferred_username="ada", email="ada@example.org")
    _, answer = sign_in(server, identity, "1")
    assert answer.status_code == 403
    assert "no claim groups, and these claims: " in answer.json()["detail"]
    assert "preferred_username" in answer.json()["detail"]
    identity.change_account("1", preferred_username="ada", groups=[])
    _, answer = sign_in(server, identity, "1")
    assert "no group in the claim groups" in answer.json()["detail"]
    identity.change_account("1", **ADA)
    client, answer = sign_in(server, identity, "1")
    assert answer.status_code == 303
    assert client.get("/api/v1/identity").json()["role"] == "manager"


def test_changed_subject_is_another_user(changing: tuple[EmbeddedServer, IdentityProvider]) -> None:
    server, identity = changing
    sign_in(server, identity, "1")
    link = server.run("user", "add", "root", "--role", "administrator").partition("#")[2]
    root = server.client()
    root.headers["X-Csrf-Token"] = root.post("/api/v1/session/link", json={"link": link}).json()["csrfToken"]
    number = next(user["id"] for user in root.get("/api/v1/users").json() if user["name"] == "ada")
    grant = {"role": "auditor", "scope": "registry/*"}
    assert root.patch(f"/api/v1/users/{number}", json={"grants": [grant]}).is_success
    identity.change_account("2", preferred_username="ada", email="ada@example.org", groups=["shop"])
    client, answer = sign_in(server, identity, "2")
    assert answer.status_code == 303
    assert client.get("/api/v1/identity").json()["scopes"] == ["repository/github.com/shop/*"]
    twins = [user for user in root.get("/api/v1/users").json() if user["name"] == "ada"]
    assert [user["subject"] for user in twins] == ["1", "2"]
    assert {user["issuer"] for user in twins} == {identity.issuer}


def test_session_is_not_as_short_as_the_tokens_of_the_provider(
    server: EmbeddedServer, identity: IdentityProvider
) -> None:
    client, _ = sign_in(server, identity, "1")
    expires = dt.datetime.fromisoformat(client.get("/api/v1/identity").json()["expires"])
    # Its tokens live for two minutes.
    assert expires - dt.datetime.now(dt.UTC) > dt.timedelta(hours=11)


def test_browser_gets_a_page_about_missing_rights(server: EmbeddedServer, identity: IdentityProvider) -> None:
    client = server.client()
    client.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
    answer = client.get(CALLBACK, params=begin(client, identity, "2"))
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "&lt;script&gt;, guests" in answer.text
    assert "<script" not in answer.text
    assert "An administrator of this server" in answer.text


def test_secrets_are_not_logged(server: EmbeddedServer, identity: IdentityProvider) -> None:
    client = server.client()
    parameters = begin(client, identity, "1")
    assert client.get(CALLBACK, params=parameters).status_code == 303
    assert not [value for name, value in parameters.items() if name != "iss" and value in server.log]


def test_provider_that_is_gone_and_none_at_all(tmp_path: Path) -> None:
    with run_identity_provider(ACCOUNTS) as gone:
        issuer = gone.issuer
    (tmp_path / "secret").write_text(CLIENT_SECRET)
    (tmp_path / "server.toml").write_text(SETTINGS.format(issuer=issuer, client=CLIENT_ID))
    with run_server(tmp_path, "--config", "server.toml") as server:
        answer = server.client().get(LOGIN)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    with run_server(tmp_path) as server:
        assert server.client().get(LOGIN).status_code == 404
        assert server.client().get(CALLBACK).status_code == 404


def test_address_of_the_client() -> None:
    assert urlsplit(REDIRECT_URI).path == CALLBACK
