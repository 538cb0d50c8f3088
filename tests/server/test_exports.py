"""Exports as CSV: all pages of a list with its filters and rights, safe in spreadsheets, and recorded."""

from __future__ import annotations

import asyncio
import csv
import io
import string
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import msgspec
import pytest
from fastapi import Response

from kubekeep.model.submission import ImageEntry
from kubekeep_server.api import exports
from kubekeep_server.api.csv_text import write_cell, write_rows
from kubekeep_server.api.exports import ExportedList
from kubekeep_server.store.queries.fixes import Update, Upgrade
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_images import BLOG, SHOP, WEB, build_content, build_image, build_scan, build_workload, run
from tests.server.test_ingest import build_finding, build_subject
from tests.server.test_scans_api import encode, post

MANY: Final = 620
"""Workloads, more than one page of findings."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("exports")) as running:
        with running.client(running.create_token()) as agent:
            image = ImageEntry(WEB, ("ghcr.io/shop/web:1",), "linux/amd64", build_content("3.0.1"))
            entries = [build_subject(number, findings=(build_finding(number, "C-0001"),)) for number in range(2, MANY)]
            workload = build_workload(1, run(WEB), exposure="reachable from the internet")
            scan = build_scan(0, workload, build_image(WEB, "CVE-1"), *entries, source=SHOP, images=[image])
            assert post(agent, encode(scan)).status_code == 201
            other = build_scan(0, build_subject(1, "C-0002"), build_image(WEB, "CVE-1"), source=BLOG, images=[image])
            assert post(agent, encode(other)).status_code == 201
        yield running


@pytest.fixture(scope="module")
def auditor(server: EmbeddedServer) -> Iterator[httpx2.Client]:
    with server.client(server.create_token("auditor")) as client:
        yield client


def read(answer: httpx2.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_export_has_all_pages_with_the_filters(auditor: httpx2.Client) -> None:
    answer = auditor.get("/api/v1/exports/findings?definition=C-0001&order=newest&limit=3&cursor=x")
    rows = read(answer)
    assert len(rows) == len({row["name"] for row in rows}) == MANY - 2
    assert {row["definition"] for row in rows} == {"C-0001"}
    assert rows[0]["opened"] == "2026-01-01T00:00:00Z"
    assert "findings-20" in answer.headers["content-disposition"]
    assert read(auditor.get("/api/v1/exports/findings?text=no finding has this text")) == []


def test_rows_are_those_of_the_scope(server: EmbeddedServer) -> None:
    with server.client(server.create_token("viewer", BLOG.key)) as client:
        assert [row["name"] for row in read(client.get("/api/v1/exports/findings"))] == ["web-1"]
        assert [row["key"] for row in read(client.get("/api/v1/exports/sources"))] == [BLOG.key]
        # The log is not for viewers, and the answer is that of the list.
        refused = client.get("/api/v1/exports/log")
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
        assert client.get("/api/v1/exports/image-packages?of=sha256:" + "f" * 64).status_code == 404
        assert client.get("/api/v1/exports/image-packages?of=../../sources").status_code in {404, 422}
    with server.client() as nobody:
        assert nobody.get("/api/v1/exports/findings").status_code == 401
    with server.client(server.create_token("agent")) as agent:
        assert agent.get("/api/v1/exports/findings").status_code == 403


@pytest.mark.parametrize("name", [each.value for each in ExportedList])
def test_each_list_is_exported_and_its_columns_exist(auditor: httpx2.Client, name: str) -> None:
    query = {
        "vulnerable-workloads": "?of=CVE-1",
        "image-packages": f"?of={WEB}",
        "comparison": "?from=1&to=2",
    }.get(name, "")
    rows = read(auditor.get(f"/api/v1/exports/{name}{query}"))
    if name in {"deliveries", "decisions"}:
        assert rows == []
        return
    assert rows
    described = exports.LISTS[ExportedList(name)]
    listed = auditor.get(f"/api/v1{described.path.replace('{of}', query.removeprefix('?of='))}{query}").json()
    (first, *_) = listed if isinstance(listed, list) else listed["rows"]
    fields = {*first}
    if name == "changes":
        # A change of each kind has fields of its own.
        fields |= {field.encode_name for kind in (Upgrade, Update) for field in msgspec.structs.fields(kind)}
    for column in described.columns:
        # Numbers by level have those that are not zero.
        assert column.partition(".")[0] in fields


def test_exposure_is_in_words(auditor: httpx2.Client) -> None:
    (row,) = read(auditor.get("/api/v1/exports/images"))
    assert (row["exposure"], row["problems.critical"], row["references"]) == (
        "reachable from outside",
        "1",
        "ghcr.io/shop/web:1",
    )


def test_exports_are_recorded(auditor: httpx2.Client) -> None:
    read(auditor.get("/api/v1/exports/packages?text=ssl"))
    entry = auditor.get("/api/v1/log?limit=1").json()[0]
    assert entry["action"] == "exported"
    assert entry["details"] == {"list": "packages", "filters": "text=ssl"}
    assert entry["actor"] == "auditor of a test"


def test_refused_filters_and_names(auditor: httpx2.Client) -> None:
    assert auditor.get("/api/v1/exports/findings?priority=worst").status_code == 422
    assert auditor.get("/api/v1/exports/users").status_code == 422


HOSTILE: Final = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\r\n@x",
    "  =1",
    '=HYPERLINK("https://example.com")',
    "\uff1d1+1",
    "\u200b=1",
    'a","=1',
    "a;=1",
    "a\n=1",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_cells_are_no_formulas(text: str) -> None:
    line = write_rows([[text, "last"]]).decode()
    (row,) = csv.reader(io.StringIO(line, newline=""))
    assert row[1:] == ["last"]
    assert not row[0].lstrip(string.whitespace + "\ufeff\u200b").startswith(("=", "+", "-", "@", "\uff1d"))
    # With semicolons between cells, as in some languages, the text is one cell too.
    assert line.startswith('"')
    assert "\n" not in line.rstrip("\r\n")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["=1", "b"], "'=1; b"),
        ({"=1": 2, "none": 0}, "'=1: 2"),
        (-3, "-3"),
        (None, ""),
        (True, "true"),
        ("5.2.2", "5.2.2"),
        ("a=1", "a=1"),
        ("a" * 40_000, "a" * 32_766 + "…"),
    ],
)
def test_values_are_texts(value: object, expected: str) -> None:
    assert write_cell(value) == expected


class FailingPages:
    """Pages of which the second one cannot be read."""

    listed = exports.LISTS[ExportedList.PACKAGES]
    is_complete = False

    async def read(self) -> Response:
        return Response(status_code=503)


@pytest.mark.parametrize(
    ("most", "expected"), [(2, "an export ends after 2 rows"), (9, "could not read the next rows")]
)
def test_last_line_says_that_rows_are_missing(monkeypatch: pytest.MonkeyPatch, most: int, expected: str) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", most)
    packages = [{"type": "deb", "name": name, "versions": 1, "images": 1} for name in ("a", "b", "c")]

    async def collect() -> bytes:
        pages: Any = FailingPages()
        return b"".join([part async for part in exports.write_lines(pages, packages)])

    header, *rows, last = asyncio.run(collect()).decode().splitlines()
    assert header == '"type","name","versions","images"'
    assert len(rows) == min(most, len(packages))
    assert last.startswith(('"INCOMPLETE', "INCOMPLETE"))
    assert expected in last
