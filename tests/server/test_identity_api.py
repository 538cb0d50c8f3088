"""Identity and access over HTTP: first start, sign-in, sessions, users, tokens, device login, enrolment, and the rights of roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest

from kubekeep_server.auth.permissions import OPERATIONS, ROLES, Permission
from kubekeep_server.identity import Role
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.live import TestServer
from tests.server.test_scans_api import build_scan, encode, post

PASSWORD: Final = "correct horse battery"  # noqa: S105 - of a test
FORM: Final = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("identity")) as running:
        yield running


def sign_in(server: TestServer, link: str) -> httpx2.Client:
    """Return a client with the session of a link."""
    client = server.client()
    answer = client.post("/api/v1/session/link", json={"link": link})
    assert answer.status_code == 201, answer.text
    client.headers["X-Csrf-Token"] = answer.json()["csrfToken"]
    return client


def sign_in_user(server: TestServer, name: str, role: str, *scopes: str) -> httpx2.Client:
    words = [word for scope in scopes or ("*",) for word in ("--scope", scope)]
    return sign_in(server, server.run("user", "add", name, "--role", role, *words).partition("#")[2])


@pytest.fixture(scope="module")
def administrator(server: EmbeddedServer) -> httpx2.Client:
    match = re.search(r"/sign-in#(kkl_\S+)", server.log)
    assert match
    return sign_in(server, match.group(1))


def test_link_of_the_first_start_is_used_once(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    assert administrator.get("/api/v1/identity").json()["role"] == "administrator"
    match = re.search(r"/sign-in#(kkl_\S+)", server.log)
    assert match
    assert server.client().post("/api/v1/session/link", json={"link": match.group(1)}).status_code == 401


def test_password_replaces_the_link_and_ends_sessions(server: EmbeddedServer) -> None:
    first = sign_in_user(server, "ada", "viewer")
    changed = first.put("/api/v1/password", json={"password": PASSWORD})
    assert changed.status_code == 200
    again = server.client()
    assert again.post("/api/v1/session", json={"name": "ada", "password": "wrong"}).status_code == 401
    answer = again.post("/api/v1/session", json={"name": "ada", "password": PASSWORD})
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/"))
    first.headers["X-Csrf-Token"] = changed.json()["csrfToken"]
    refused = first.put("/api/v1/password", json={"password": f"{PASSWORD} 2", "current": "wrong"})
    assert refused.status_code == 403
    answer = first.put("/api/v1/password", json={"password": f"{PASSWORD} 2", "current": PASSWORD})
    assert answer.status_code == 200
    assert again.get("/api/v1/identity").status_code == 401


def test_sign_out_ends_the_session(server: EmbeddedServer) -> None:
    client = sign_in_user(server, "out", "viewer")
    cookies = dict(client.cookies)
    assert client.delete("/api/v1/session").status_code == 204
    copied = server.client()
    copied.cookies.update(cookies)
    assert copied.get("/api/v1/identity").status_code == 401


def test_passwords_cannot_be_guessed_without_limit(server: EmbeddedServer) -> None:
    client = server.client()
    statuses = [
        client.post("/api/v1/session", json={"name": "nobody", "password": f"{number}"}).status_code
        for number in range(11)
    ]
    assert statuses == [401] * 10 + [429]


def test_wrong_passwords_of_one_address_lock_no_user_at_another_one(server: EmbeddedServer) -> None:
    for address, status in (("127.0.0.1", 429), ("127.0.0.2", 401)):
        with httpx2.Client(base_url=server.url, transport=httpx2.HTTPTransport(local_address=address)) as client:
            for _ in range(11 if status == 429 else 1):
                answer = client.post("/api/v1/session", json={"name": "victim", "password": "wrong"})
        assert answer.status_code == status


@pytest.mark.parametrize(
    "headers",
    [{"X-Csrf-Token": ""}, {"X-Csrf-Token": "0" * 64}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
    ids=repr,
)
def test_changes_from_other_pages_are_refused(administrator: httpx2.Client, headers: dict[str, str]) -> None:
    answer = administrator.post("/api/v1/users", json={"name": "eve", "grants": []}, headers=headers)
    assert answer.status_code == 403
    assert "eve" not in {user["name"] for user in administrator.get("/api/v1/users").json()}


def test_sign_in_from_other_pages_is_refused(server: EmbeddedServer) -> None:
    answer = server.client().post(
        "/api/v1/session", json={"name": "ada", "password": PASSWORD}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403


def test_last_administrator_keeps_its_rights(administrator: httpx2.Client) -> None:
    number = next(user["id"] for user in administrator.get("/api/v1/users").json() if user["name"] == "administrator")
    changes: tuple[dict[str, Any], ...] = ({"isEnabled": False}, {"grants": []})
    for change in changes:
        assert administrator.patch(f"/api/v1/users/{number}", json=change).status_code == 409
    assert administrator.get("/api/v1/users").status_code == 200


def test_disabled_user_loses_sessions_and_tokens(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    client = sign_in_user(server, "leaver", "viewer")
    token = login(server, client)
    number = next(user["id"] for user in administrator.get("/api/v1/users").json() if user["name"] == "leaver")
    assert administrator.patch(f"/api/v1/users/{number}", json={"isEnabled": False}).status_code == 204
    assert client.get("/api/v1/identity").status_code == 401
    assert server.client(token).get("/api/v1/identity").status_code == 401


def login(server: EmbeddedServer, user: httpx2.Client) -> str:
    """Return a token of a device login that a user approves."""
    device = server.client()
    begun = device.post("/api/v1/device/authorizations", data={"client_name": "laptop"}).json()
    form = {**FORM, "device_code": begun["device_code"]}
    assert device.post("/api/v1/device/tokens", data=form).json() == {"error": "authorization_pending"}
    assert device.post("/api/v1/device/tokens", data=form).json() == {"error": "slow_down"}
    path = f"/api/v1/device/approvals/{begun['user_code']}"
    assert user.get(path).json()["clientName"] == "laptop"
    assert user.post(path, json={"isApproved": True}).status_code == 204
    assert user.post(path, json={"isApproved": True}).status_code == 404
    answer = device.post("/api/v1/device/tokens", data=form)
    assert answer.status_code == 200
    assert device.post("/api/v1/device/tokens", data=form).json() == {"error": "expired_token"}
    return str(answer.json()["access_token"])


def test_token_of_a_device_has_the_rights_of_its_user(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    user = sign_in_user(server, "dev", "viewer", "cluster/a")
    device = server.client(login(server, user))
    assert device.get("/api/v1/identity").json()["scopes"] == ["cluster/a"]
    number = next(each["id"] for each in administrator.get("/api/v1/users").json() if each["name"] == "dev")
    change = {"grants": [{"role": "viewer", "scope": "cluster/b"}]}
    assert administrator.patch(f"/api/v1/users/{number}", json=change).status_code == 204
    assert device.get("/api/v1/identity").json()["scopes"] == ["cluster/b"]


def test_denied_login_gets_no_token(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    device = server.client()
    begun = device.post("/api/v1/device/authorizations", data={"client_name": "thief"}).json()
    administrator.post(f"/api/v1/device/approvals/{begun['user_code']}", json={"isApproved": False})
    answer = device.post("/api/v1/device/tokens", data={**FORM, "device_code": begun["device_code"]})
    assert (answer.status_code, answer.json()) == (400, {"error": "access_denied"})


def test_token_cannot_approve_a_login(server: EmbeddedServer) -> None:
    device = server.client(server.create_token("administrator"))
    begun = device.post("/api/v1/device/authorizations", data={"client_name": "other"}).json()
    path = f"/api/v1/device/approvals/{begun['user_code']}"
    assert device.post(path, json={"isApproved": True}).status_code == 403


def test_revoked_token_is_refused(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    new = {"name": "pipeline", "grants": [{"role": "agent", "scope": "repository/github.com/shop/*"}]}
    created = administrator.post("/api/v1/tokens", json=new).json()
    program = server.client(created["token"])
    assert program.get("/api/v1/identity").json()["role"] == "agent"
    assert administrator.delete(f"/api/v1/tokens/{created['id']}").status_code == 204
    assert administrator.delete(f"/api/v1/tokens/{created['id']}").status_code == 404
    assert program.get("/api/v1/identity").status_code == 401


def test_manager_stays_in_its_scope(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    manager = sign_in_user(server, "team", "manager", "cluster/team-*")

    def create(role: str, scope: str) -> int:
        new = {"name": "t", "grants": [{"role": role, "scope": scope}]}
        return manager.post("/api/v1/tokens", json=new).status_code

    assert [
        create("agent", scope) for scope in ("cluster/team-1", "cluster/team-*", "cluster/*", "*", "cluster/x")
    ] == [
        201,
        201,
        403,
        403,
        403,
    ]
    assert [create(role, "cluster/team-1") for role in ("administrator", "auditor")] == [403, 403]
    other = {"name": "other", "grants": [{"role": "agent", "scope": "cluster/other"}]}
    number = administrator.post("/api/v1/tokens", json=other).json()["id"]
    assert manager.delete(f"/api/v1/tokens/{number}").status_code == 404
    assert number not in {token["id"] for token in manager.get("/api/v1/tokens").json()}
    assert [
        manager.post("/api/v1/enrolments", json={"source": f"cluster/{uid}"}).status_code for uid in ("team-9", "x")
    ] == [
        201,
        403,
    ]
    assert manager.post("/api/v1/enrolments", json={}).status_code == 403


def test_sources_are_listed_in_scope_only(server: EmbeddedServer) -> None:
    with server.client(server.create_token("agent")) as agent:
        assert {post(agent, encode(build_scan(uid))).status_code for uid in ("seen", "unseen")} == {201}
    with server.client(server.create_token("viewer", "cluster/seen")) as viewer:
        assert [source["key"] for source in viewer.get("/api/v1/sources").json()["rows"]] == ["cluster/seen"]


def test_enrolment_is_for_one_new_cluster(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    anonymous = server.client()
    token = administrator.post("/api/v1/enrolments", json={}).json()["token"]
    redemption = {"token": token, "source": "cluster/new-1"}
    first = anonymous.post("/api/v1/enrolments/redeem", json=redemption)
    assert first.status_code == 201
    assert anonymous.post("/api/v1/enrolments/redeem", json=redemption).status_code == 401
    agent = server.client(first.json()["token"])
    assert [post(agent, encode(build_scan(uid))).status_code for uid in ("new-1", "new-2")] == [201, 403]
    second = agent.post("/api/v1/credentials/renew").json()["token"]
    assert {server.client(each).get("/api/v1/identity").status_code for each in (first.json()["token"], second)} == {
        200
    }
    another = administrator.post("/api/v1/enrolments", json={}).json()["token"]
    known = anonymous.post("/api/v1/enrolments/redeem", json={"token": another, "source": "cluster/new-1"})
    assert known.status_code == 403
    number = next(
        each["id"] for each in administrator.get("/api/v1/tokens").json() if each["name"] == "agent of cluster/new-1"
    )
    assert administrator.delete(f"/api/v1/tokens/{number}").status_code == 204
    assert {server.client(each).get("/api/v1/identity").status_code for each in (first.json()["token"], second)} == {
        401
    }
    assert server.client(second).post("/api/v1/credentials/renew").status_code == 401


def test_log_is_paged_and_has_no_secret(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    administrator.post("/api/v1/users", json={"name": "logged", "grants": []})
    newest = administrator.get("/api/v1/log", params={"limit": 2}).json()
    assert newest[0]["action"] == "created user"
    assert newest[0]["details"]["name"] == "logged"
    older = administrator.get("/api/v1/log", params={"limit": 2, "before": newest[-1]["number"]}).json()
    assert [entry["number"] for entry in (*newest, *older)] == list(
        range(newest[0]["number"], newest[0]["number"] - 4, -1)
    )
    assert "kk" not in str(administrator.get("/api/v1/log").json())
    assert server.run("check") == "The settings and the database can be used."


def test_log_of_the_process_has_no_secret(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    administrator.get("/api/v1/log", params={"secret": "kk_in_a_query"})
    lines = [line for line in server.log.splitlines() if "Sign in as administrator" not in line]
    assert not re.search(r"kk\w?_", "\n".join(lines))


def _list_routes() -> list[tuple[str, str, str]]:
    """Return operation id, method and path of the OpenAPI document."""
    from kubekeep_server.api.application import create_application  # noqa: PLC0415
    from kubekeep_server.settings import Settings  # noqa: PLC0415

    async def prepare(_: Any) -> None:
        """Do nothing."""

    paths = create_application(Settings(), prepare).openapi()["paths"]
    return [
        (operation["operationId"], method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def test_each_operation_has_a_permission() -> None:
    assert {operation for operation, _, _ in _list_routes()} == set(OPERATIONS)


@pytest.mark.parametrize("role", [None, *Role])
def test_roles_are_refused_all_other_operations(server: EmbeddedServer, role: Role | None) -> None:
    client = server.client(server.create_token(role.value) if role else "")
    for operation, method, path in _list_routes():
        permission = OPERATIONS[operation]
        # A stream of events has no end.
        with client.stream(method, re.sub(r"\{\w+\}", "2147483647", path), content=b"") as answer:
            status = answer.status_code
        if permission is Permission.PUBLIC:
            assert status != 403, operation
        elif role is None:
            assert status == 401, operation
        elif role in ROLES[permission] and permission is not Permission.SIGNED_IN:
            assert status not in {401, 403}, operation
        elif permission is not Permission.SIGNED_IN:
            assert status == 403, operation


def test_restart_keeps_sessions_and_prints_no_link(tmp_path_factory: pytest.TempPathFactory) -> None:
    with run_server(tmp_path_factory.mktemp("restart")) as server:
        first = re.search(r"/sign-in#(kkl_\S+)", server.log)
        assert server.stop()
        server.start()
        second = re.search(r"/sign-in#(kkl_\S+)", server.log)
        assert first
        assert second
        assert server.client().post("/api/v1/session/link", json={"link": first.group(1)}).status_code == 401
        cookies = dict(sign_in(server, second.group(1)).cookies)
        assert server.stop()
        server.start()
        assert "/sign-in#" not in server.log
        client = server.client()
        client.cookies.update(cookies)
        assert client.get("/api/v1/identity").json()["name"] == "administrator"
