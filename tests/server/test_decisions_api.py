"""Decisions over HTTP: who may make, approve, end and read them, and documents that are refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest

from kubekeep.model.scanned_source import SourceCluster
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_identity_api import PASSWORD, sign_in_user
from tests.server.test_images import WEB, build_image, build_scan, build_workload, run
from tests.server.test_ingest import NSA, build, build_subject
from tests.server.test_scans_api import encode, post

CLUSTERS: Final = ("shop", "blog")
URL: Final = "/api/v1/decisions"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("decisions")
    (folder / "server.toml").write_text('decision_approval = "critical"\ndecision_days = 200\n')
    with run_server(folder, "--config", "server.toml") as running:
        agent = running.client(running.create_token())
        for name in CLUSTERS:
            source = SourceCluster(name)
            entries = (build_subject(2, *NSA), build_subject(3, "C-0003", namespace="blog"))
            post(agent, encode(build(0, *entries, scope=(*NSA, "C-0003"), source=source)))
            scan = build_scan(1, *entries, build_workload(9, run(WEB)), build_image(WEB, "CVE-1"), source=source)
            post(agent, encode(scan))
        yield running


@pytest.fixture(scope="module")
def users(server: EmbeddedServer) -> dict[str, httpx2.Client]:
    return {
        "manager": sign_in_user(server, "maria", "manager"),
        "second": sign_in_user(server, "omar", "manager"),
        "shop": sign_in_user(server, "sam", "manager", "cluster/shop"),
        "viewer": sign_in_user(server, "vera", "viewer", "cluster/blog"),
        "auditor": sign_in_user(server, "anna", "auditor"),
    }


def draft(*definitions: str, **fields: Any) -> dict[str, Any]:
    scope = {"definitions": list(definitions), **fields.pop("scope", {})}
    return {
        "kind": "accepted-risk",
        "reason": "The network policy of the platform limits it.",
        "scope": scope,
        **fields,
    }


def count_open(client: httpx2.Client, definition: str) -> int:
    return len(client.get("/api/v1/findings", params={"definition": definition}).json()["rows"])


def test_decision_is_made_read_and_ended(users: dict[str, httpx2.Client]) -> None:
    manager = users["manager"]
    assert count_open(manager, "C-0001") == 2
    created = manager.post(URL, json=draft("C-0001", owner="team shop", due="2026-12-24T00:00:00Z"))
    assert (created.status_code, created.json()["state"]) == (201, "active")
    number = created.json()["id"]
    assert count_open(manager, "C-0001") == 0
    decided = manager.get("/api/v1/findings", params={"state": "decided"}).json()["rows"]
    assert [(row["definition"], row["decision"]) for row in decided] == [("C-0001", number)] * 2
    assert manager.post(f"{URL}/{number}/comments", json={"text": "see the ticket"}).status_code == 204
    page = users["auditor"].get(f"{URL}/{number}").json()
    assert (page["author"], page["owner"], page["findings"], page["problems"]) == ("maria", "team shop", 2, 0)
    assert [comment["text"] for comment in page["comments"]] == ["see the ticket"]
    expires = dt.datetime.fromisoformat(page["expires"]) - dt.datetime.fromisoformat(page["created"])
    assert expires == dt.timedelta(days=90)
    assert manager.post(f"{URL}/{number}/end", json={"comment": "fixed"}).status_code == 204
    assert count_open(manager, "C-0001") == 2
    assert manager.post(f"{URL}/{number}/end", json={}).status_code == 409
    actions = [entry["action"] for entry in users["auditor"].get("/api/v1/log").json()[:2]]
    assert actions == ["ended decision", "active decision"]


def test_second_person_approves(users: dict[str, httpx2.Client], server: EmbeddedServer) -> None:
    created = users["manager"].post(URL, json=draft("C-0003"))
    assert created.json()["state"] == "proposed"
    path = f"{URL}/{created.json()['id']}/answer"
    assert count_open(users["manager"], "C-0003") == 2
    assert users["manager"].post(path, json={"isApproved": True}).status_code == 409
    assert users["shop"].post(path, json={"isApproved": True}).status_code == 403
    assert users["auditor"].post(path, json={"isApproved": True}).status_code == 403
    token = server.create_token("manager")
    with server.client(token) as program:
        assert program.post(path, json={"isApproved": True}).status_code == 403
        assert program.post(URL, json=draft("C-0003")).status_code == 403
    assert users["second"].post(path, json={"isApproved": True, "comment": "agreed"}).status_code == 204
    assert count_open(users["manager"], "C-0003") == 0
    assert users["second"].post(path, json={"isApproved": True}).status_code == 409


def test_author_does_not_approve_by_other_means(users: dict[str, httpx2.Client], server: EmbeddedServer) -> None:
    """Neither a second session, an own token, nor a new name of the account makes another person of the author."""
    author = sign_in_user(server, "paul", "administrator")
    created = author.post(URL, json=draft("C-0003", scope={"names": ["web-3"]}))
    path = f"{URL}/{created.json()['id']}/answer"
    assert created.json()["state"] == "proposed"
    grants = [{"role": "administrator", "scope": "*"}]
    token = author.post("/api/v1/tokens", json={"name": "of paul", "grants": grants}).json()["token"]
    link = author.put("/api/v1/password", json={"password": PASSWORD})
    assert link.status_code == 200
    again = server.client()
    session = again.post("/api/v1/session", json={"name": "paul", "password": PASSWORD})
    again.headers["X-Csrf-Token"] = session.json()["csrfToken"]
    clients = {"token": server.client(token), "session": again}
    for name, client in clients.items():
        assert client.post(path, json={"isApproved": True}).status_code in {403, 409}, name
    for answer in ({}, {"isApproved": "yes"}, {"isApproved": 1}, {"isApproved": True, "approver": "omar"}, [True]):
        assert users["second"].post(path, json=answer).status_code == 422
    assert users["viewer"].post(path, json={"isApproved": True}).status_code == 403
    assert again.get(f"{URL}/{created.json()['id']}").json()["state"] == "proposed"
    assert users["second"].post(path, json={"isApproved": False, "comment": "no"}).status_code == 204
    # A rejected decision is not approved later.
    assert users["second"].post(path, json={"isApproved": True}).status_code == 409


def test_vulnerability_is_decided_for_images(users: dict[str, httpx2.Client]) -> None:
    manager = users["manager"]
    created = manager.post(
        URL, json=draft("CVE-1", scope={"packages": ["pkg:deb/debian/openssl"]}, kind="false-positive")
    )
    # Its priority is critical.
    number = created.json()["id"]
    assert users["second"].post(f"{URL}/{number}/answer", json={"isApproved": True}).status_code == 204
    (problem,) = manager.get(f"/api/v1/images/{WEB}/problems").json()["rows"]
    assert (problem["decision"], problem["isSuppressed"]) == (number, False)
    assert manager.get(f"{URL}/{number}").json()["problems"] == 1
    assert manager.post(f"{URL}/{number}/end", json={}).status_code == 204


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"sources": ["cluster/blog"]},
        {"sources": ["cluster/*"]},
        {"sources": ["cluster/shop", "cluster/blog"]},
        {"images": [WEB]},
    ],
)
def test_nobody_decides_outside_of_the_own_scope(users: dict[str, httpx2.Client], scope: dict[str, Any]) -> None:
    answer = users["shop"].post(URL, json=draft("C-0002", scope=scope))
    assert (answer.status_code, answer.json()["detail"][:27]) == (403, "sam may not decide on all f")


def test_decision_is_visible_in_its_scope_only(users: dict[str, httpx2.Client]) -> None:
    created = users["shop"].post(URL, json=draft("C-0002", scope={"sources": ["cluster/shop"], "namespaces": ["shop"]}))
    assert created.status_code == 201, created.text
    number = created.json()["id"]
    assert users["viewer"].get(f"{URL}/{number}").status_code == 404
    assert number not in [row["id"] for row in users["viewer"].get(URL).json()["rows"]]
    assert number in [row["id"] for row in users["auditor"].get(URL, params={"state": "active"}).json()["rows"]]
    assert users["viewer"].post(f"{URL}/{number}/end", json={}).status_code == 403
    assert count_open(users["shop"], "C-0002") == 0
    assert count_open(users["viewer"], "C-0002") == 1


def test_scan_reads_the_decisions_of_its_source(users: dict[str, httpx2.Client], server: EmbeddedServer) -> None:
    users["manager"].post(URL, json=draft("C-0002", scope={"sources": ["cluster/b*"]}))
    token = server.create_token("agent", "cluster/blog")
    with server.client(token) as agent:
        entries = agent.get(f"{URL}/in-force", params={"source": "cluster/blog"}).json()
        assert ["cluster/b*"] in [entry["scope"].get("sources") for entry in entries]
        assert agent.get(f"{URL}/in-force", params={"source": "cluster/shop"}).status_code == 403
        assert agent.get(URL).status_code == 403


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (draft(), 422),
        (draft("C-0001", kind="ignored"), 422),
        (draft("C-0001", reason=""), 422),
        (draft("C-0001", reason="  "), 422),
        (draft("C-0001", reason="a\0b"), 422),
        (draft("C-0001", reason="x" * 5_000), 422),
        (draft("C-0001", owner="a\u202eb"), 422),
        (draft("C-0001", expires="2020-01-01T00:00:00Z"), 422),
        (draft("C-0001", expires="2999-01-01T00:00:00Z"), 422),
        (draft("C-0001", expires="2026-12-24T00:00:00"), 422),
        (draft("C-0001", state="active"), 422),
        (draft("C-0001", scope={"sources": []}), 422),
        (draft("C-0001", scope={"sources": ["cluster/*x"]}), 422),
        (draft("C-0001", scope={"fingerprints": ["' OR 1=1 --"]}), 422),
        (draft("C-0001", scope={"images": ["latest"]}), 422),
        (draft("C-0001", scope={"packages": ["pkg:deb/debian/openssl@1"]}), 422),
        (draft("C-0001", scope={"labels": {"team": "shop"}}), 422),
        (draft(*(f"C-{number}" for number in range(101))), 422),
        (draft("'; DROP TABLE decision; --"), 404),
        (draft("CVE-1", scope={"namespaces": ["shop"]}), 422),
        (draft("CVE-1", scope={"namespaces": ["shop"], "images": [WEB]}), 422),
    ],
)
def test_wrong_documents_are_refused(users: dict[str, httpx2.Client], document: dict[str, Any], status: int) -> None:
    before = users["auditor"].get(URL).json()["rows"]
    assert users["manager"].post(URL, json=document).status_code == status
    assert users["auditor"].get(URL).json()["rows"] == before


def test_reason_is_a_value(users: dict[str, httpx2.Client]) -> None:
    text = "<script>alert(1)</script> {{7*7}} '; DROP TABLE decision; --"
    number = users["manager"].post(URL, json=draft("C-0002", reason=text, scope={"names": ["%", "_"]})).json()["id"]
    page = users["manager"].get(f"{URL}/{number}").json()
    assert (page["reason"], page["findings"]) == (text, 0)


def test_work_is_assigned_and_shown_with_the_change(users: dict[str, httpx2.Client]) -> None:
    """Somebody works on a control and on packages; both are assigned to somebody else, with a ticket and a pull request."""
    manager = users["manager"]
    link = "https://git.example/shop/web/pull/7"
    control = draft("C-0001", kind="in-progress", owner="sam", links=[link, link])
    update = draft("CVE-1", kind="in-progress", scope={"packages": ["pkg:deb/debian/openssl"]}, owner="omar")
    numbers = [manager.post(URL, json=document).json()["id"] for document in (control, update)]
    assert read_work(users["auditor"]) == {"C-0001": [("sam", [link])], "debian": [("omar", [])]}
    work = {"owner": "team shop", "due": "2026-12-24T00:00:00Z", "links": ["https://tickets.example/SHOP-1", link]}
    assert manager.put(f"{URL}/{numbers[0]}/work", json=work).status_code == 204
    page = manager.get(f"{URL}/{numbers[0]}").json()
    assert (page["state"], page["owner"], page["due"], page["links"]) == ("active", *work.values())
    assert read_work(manager)["C-0001"] == [("team shop", work["links"])]
    (entry,) = [one for one in users["auditor"].get("/api/v1/log").json() if one["action"] == "changed decision"]
    assert entry["details"] == {"decision": numbers[0], **work}
    own = {"kind": "in-progress", "owner": "team shop"}
    assert [row["id"] for row in manager.get(URL, params=own).json()["rows"]] == [numbers[0]]
    assert manager.get(URL, params={**own, "owner": "team"}).json()["rows"] == []
    for number in numbers:
        manager.post(f"{URL}/{number}/end", json={})
    assert manager.put(f"{URL}/{numbers[0]}/work", json=work).status_code == 409
    assert set(map(len, read_work(manager).values())) == {0}


def read_work(client: httpx2.Client) -> dict[str, list[tuple[str, list[str]]]]:
    page = client.get("/api/v1/fixes").json()
    assert page["changes"] == len(page["rows"])
    assert page["removed"] == sum(row["removed"] for row in page["rows"])
    rows = {row.get("name") or row["definition"]: row["work"] for row in page["rows"]}
    return {name: [(one["owner"], one["links"]) for one in work] for name, work in rows.items()}


def test_work_is_hidden_and_refused_outside_of_the_own_scope(users: dict[str, httpx2.Client]) -> None:
    document = draft("C-0001", kind="in-progress", scope={"sources": ["cluster/shop"]}, owner="sam")
    number = users["shop"].post(URL, json=document).json()["id"]
    assert read_work(users["shop"])["C-0001"] == [("sam", [])]
    assert read_work(users["viewer"])["C-0001"] == []
    assert users["viewer"].put(f"{URL}/{number}/work", json={}).status_code == 403
    everywhere = users["manager"].post(URL, json=draft("C-0001", kind="in-progress")).json()["id"]
    assert users["shop"].put(f"{URL}/{everywhere}/work", json={"owner": "sam"}).status_code == 403
    for one in (number, everywhere):
        users["manager"].post(f"{URL}/{one}/end", json={})


@pytest.mark.parametrize(
    "link",
    [
        *("javascript:alert(1)", "JaVaScRiPt://git.example/%0aalert(1)", "data:text/html,x", "file:///etc/passwd"),
        *(
            "//git.example/x",
            "git.example/x",
            "https://",
            "https://user:secret@git.example/",
            "https://git.example/a b",
        ),
        *(
            "https://git.example/\u202e",
            "https://git.example/\n",
            "https://[git.example/",
            "https://git.example/" + "x" * 2_000,
        ),
    ],
)
def test_link_that_is_no_address_of_a_page_is_refused(users: dict[str, httpx2.Client], link: str) -> None:
    assert users["manager"].post(URL, json=draft("C-0001", links=[link])).status_code == 422


@pytest.mark.parametrize("path", ["0", "99", "x", "1/answer"])
def test_unknown_decision(users: dict[str, httpx2.Client], path: str) -> None:
    assert users["manager"].get(f"{URL}/{path}").status_code in {404, 405, 422}
