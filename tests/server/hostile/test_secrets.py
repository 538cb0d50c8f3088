"""Secrets in another place, ended, forged or used twice, and requests of other pages."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from sqlalchemy import Connection, update

from kubekeep_server.store.identity_schema import api_token
from tests.server.conftest import Database
from tests.server.hostile.attacked import (
    API,
    Attacked,
    create_token,
    describe_state,
)
from tests.server.test_identity_api import FORM, sign_in


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("position", [0, 1])
def test_two_authorizations_are_refused(attacked: Attacked, position: int) -> None:
    values = ["Bearer kk_wrong", attacked.everyone.headers["authorization"]]
    headers = [("Authorization", values[position]), ("Authorization", values[1 - position])]
    with attacked.server.client() as client:
        assert client.get(f"{API}/sources", headers=headers).status_code == 400


@pytest.mark.usefixtures("unchanged")
def test_secrets_count_in_their_place_only(attacked: Attacked) -> None:
    token = attacked.everyone.headers["authorization"].removeprefix("Bearer ")
    session = attacked.administrator.cookies["kubekeep"]
    csrf = attacked.administrator.headers["x-csrf-token"]
    attempts: list[dict[str, Any]] = [
        {"params": {"access_token": token, "token": token}},
        {"cookies": {"kubekeep": token}},
        {"headers": {"Authorization": f"Bearer {session}"}},
        {"headers": {"X-Api-Key": session}},
        {"headers": {"Authorization": f"Bearer {csrf}"}},
        {"headers": {"Authorization": f"Bearer {token.upper()}"}},
        {"headers": {"Authorization": f"Bearer {token[:-1]}"}},
        {"headers": {"Authorization": f"Bearer {token} x"}},
        {"headers": {"Authorization": f"Token {token}"}},
        {"headers": {"Authorization": f"Bearer {token}\u00e4".encode()}},
        {"headers": {"Authorization": "Bearer"}, "cookies": {"kubekeep": session}},
        {"headers": {"X-Api-Key": "x"}, "cookies": {"kubekeep": session}},
    ]
    for attempt in attempts:
        with attacked.server.client() as client:
            client.cookies.update(attempt.pop("cookies", {}))
            assert client.get(f"{API}/sources", **attempt).status_code == 401, attempt


@pytest.mark.parametrize("column", ["expires", "revoked"])
def test_ended_tokens_are_refused(attacked: Attacked, column: str) -> None:
    token = create_token(attacked.administrator, "administrator", "*")

    def end(connection: Connection) -> None:
        last = max(connection.scalars(api_token.select().with_only_columns(api_token.c.id)))
        connection.execute(update(api_token).where(api_token.c.id == last).values({column: 1}))

    with attacked.server.client(token) as client:
        assert client.get(f"{API}/sources").status_code == 200
        database = Database(attacked.url)
        database.run(end)
        database.close()
        assert client.get(f"{API}/sources").status_code == 401
        assert client.post(f"{API}/credentials/renew").status_code == 401
        assert client.post(f"{API}/tokens", json={"name": "x", "grants": []}).status_code == 401


def test_token_gets_no_more_rights_than_its_maker(attacked: Attacked) -> None:
    manager = attacked.server.client(create_token(attacked.administrator, "manager", "cluster/shop", "pay"))
    grants: list[dict[str, Any]] = [
        {"role": "viewer", "scope": "cluster/shop"},
        {"role": "viewer", "scope": "cluster/shop", "namespaces": ["pay", "shop"]},
        {"role": "viewer", "scope": "cluster/sho*", "namespaces": ["pay"]},
        {"role": "viewer", "scope": "*", "namespaces": ["pay"]},
        {"role": "agent", "scope": "cluster/shop"},
        {"role": "auditor", "scope": "cluster/shop", "namespaces": ["pay"]},
        {"role": "administrator", "scope": "cluster/shop", "namespaces": ["pay"]},
        {"role": "viewer", "scope": "cluster/shop", "namespaces": []},
    ]
    before = describe_state(attacked)
    own = {"role": "viewer", "scope": "cluster/shop", "namespaces": ["pay"]}
    for grant in grants:
        assert manager.post(f"{API}/tokens", json={"name": "x", "grants": [own, grant]}).status_code == 403, grant
    assert manager.post(f"{API}/enrolments", json={"source": "cluster/shop"}).status_code == 403
    assert manager.delete(f"{API}/sources/{attacked.shop}").status_code == 404
    assert describe_state(attacked) == before


def test_session_of_another_browser_is_not_taken_over(attacked: Attacked) -> None:
    """A secret that an attacker has put into a browser is not the one of the session after the sign-in."""
    link = attacked.server.run("user", "add", "victim", "--role", "viewer").partition("#")[2]
    with attacked.server.client() as victim:
        victim.cookies.set("kubekeep", "kks_" + "A" * 43)
        answer = victim.post(f"{API}/session/link", json={"link": link})
        assert answer.status_code == 201
        assert "kks_AAAA" not in answer.headers["set-cookie"]
        assert victim.post(f"{API}/session/link", json={"link": link}).status_code == 401
    with attacked.server.client() as thief:
        thief.cookies.set("kubekeep", "kks_" + "A" * 43)
        assert thief.get(f"{API}/identity").status_code == 401


def test_rights_that_are_taken_away_end_at_once(attacked: Attacked) -> None:
    user = sign_in(
        attacked.server, attacked.server.run("user", "add", "former", "--role", "administrator").partition("#")[2]
    )
    number = next(each["id"] for each in user.get(f"{API}/users").json() if each["name"] == "former")
    change = {"grants": [{"role": "viewer", "scope": "cluster/blog"}]}
    assert attacked.administrator.patch(f"{API}/users/{number}", json=change).status_code == 204
    assert user.get(f"{API}/sources/{attacked.shop}").status_code == 404
    for method, path in (("GET", "users"), ("GET", "tokens"), ("GET", "log"), ("DELETE", f"sources/{attacked.shop}")):
        assert user.request(method, f"{API}/{path}").status_code == 403, path
    assert attacked.administrator.patch(f"{API}/users/{number}", json={"isEnabled": False}).status_code == 204
    assert user.get(f"{API}/identity").status_code == 401


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Csrf-Token": "0" * 64},
        {"X-Csrf-Token": ""},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Content-Type": "text/plain"},
        {"X-Csrf-Token": "\u00e4".encode()},
    ],
    ids=repr,
)
def test_changes_from_other_pages_are_refused(attacked: Attacked, headers: dict[str, Any]) -> None:
    content = json.dumps({"name": "eve", "grants": []})
    sent = {"Content-Type": "application/json", **headers}
    for path in ("users", "tokens"):
        answer = attacked.administrator.post(f"{API}/{path}", content=content, headers=sent)
        assert answer.status_code in {403, 422}, answer.text


@pytest.mark.usefixtures("unchanged")
def test_second_origin_does_not_hide_the_first(attacked: Attacked) -> None:
    headers = [
        ("Origin", attacked.server.url),
        ("Origin", "https://evil.example"),
        *attacked.administrator.headers.items(),
    ]
    answer = attacked.administrator.post(f"{API}/users", json={"name": "eve", "grants": []}, headers=headers)
    assert answer.status_code == 400


def repeat_at_once(client: httpx2.Client, path: str, **content: Any) -> list[int]:
    with ThreadPoolExecutor(10) as pool:
        return [answer.status_code for answer in pool.map(lambda _: client.post(path, **content), range(20))]


def test_one_time_secrets_count_once_in_parallel(attacked: Attacked) -> None:
    with attacked.server.client() as client:
        enrolment = attacked.administrator.post(f"{API}/enrolments", json={}).json()["token"]
        redemption = {"token": enrolment, "source": "cluster/parallel"}
        assert repeat_at_once(client, f"{API}/enrolments/redeem", json=redemption).count(201) == 1
        begun = client.post(f"{API}/device/authorizations", data={"client_name": "x"}).json()
        path = f"{API}/device/approvals/{begun['user_code']}"
        assert attacked.administrator.post(path, json={"isApproved": True}).status_code == 204
        form = {**FORM, "device_code": begun["device_code"]}
        assert repeat_at_once(client, f"{API}/device/tokens", data=form).count(200) == 1
        link = attacked.server.run("user", "add", "racer", "--role", "viewer").partition("#")[2]
        assert repeat_at_once(client, f"{API}/session/link", json={"link": link}).count(201) == 1
