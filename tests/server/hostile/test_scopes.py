"""Sources that a client may not see or speak for: their objects, rows, sums and cursors do not exist for it."""

from __future__ import annotations

import base64
import itertools
import re
from typing import Any, Final

import httpx2
import msgspec
import pytest

from kubekeep.model.scanned_source import SourceCluster, SourceRepository
from kubekeep_server.store.queries.image_lists import ImageOrder
from tests.server.hostile.attacked import (
    API,
    PRIVATE_PURL,
    PURL,
    SUBJECT,
    Attacked,
    build_scans,
    build_web,
)
from tests.server.test_images import BLOG, REBUILT, WEB, build_image, build_scan, run
from tests.server.test_ingest import build_subject
from tests.server.test_scans_api import encode, post


@pytest.mark.parametrize(
    "source",
    [
        SourceCluster("shop"),
        SourceCluster("blog/../shop"),
        SourceCluster("BLOG"),
        SourceCluster("blog\u200b"),
        SourceCluster("*"),
        SourceCluster("%"),
        SourceRepository("cluster/blog"),
        SourceRepository("../cluster/blog"),
    ],
    ids=lambda source: source.key,
)
@pytest.mark.usefixtures("unchanged")
def test_agent_submits_for_no_other_source(attacked: Attacked, source: Any) -> None:
    assert post(attacked.agent, encode(build_scan(1, source=source))).status_code == 403
    with attacked.agent.stream("GET", f"{API}/sources") as answer:
        assert answer.status_code == 403


def test_agent_hides_no_problem_of_another_source(attacked: Attacked) -> None:
    """Neither an empty report on a shared image, nor the id of a scan of the other source, nor its state changes that source."""
    before = attacked.administrator.get(f"{API}/vulnerabilities/CVE-1/workloads").json()
    first = next(build_scans())
    scan = build_scan(
        2, build_subject(1, "C-0001", containers=(run(WEB),)), build_image(WEB), source=BLOG, images=[build_web()]
    )
    assert post(attacked.agent, encode(msgspec.structs.replace(scan, id=first.id))).status_code == 201
    after = attacked.administrator.get(f"{API}/vulnerabilities/CVE-1/workloads").json()
    shown = {row["sourceKey"] for row in after["rows"]}
    assert "cluster/shop" in shown
    assert [row for row in after["rows"] if row["sourceKey"] == "cluster/shop"] == [
        row for row in before["rows"] if row["sourceKey"] == "cluster/shop"
    ]


PRIVATE: Final = (
    "sources/{shop}",
    "sources/{shop}/sbom",
    "sources/{shop}/vex",
    "sources/{shop}/scans",
    "sources/{shop}/scans/{scan}",
    "sources/{shop}/subjects/" + SUBJECT,
    "sources/{shop}/subjects/" + SUBJECT + "/sbom",
    "sources/{shop}/subjects/" + SUBJECT + "/vex",
    f"images/{REBUILT}/sbom",
    f"images/{REBUILT}/vex",
    "vulnerabilities/CVE-2",
    "sources/{shop}/coverage",
    "sources/{shop}/namespaces",
    "sources/{shop}/branches",
    f"images/{REBUILT}",
    f"images/{REBUILT}/packages",
    "comparison?from={shop}&to={shop}",
    "comparison/findings?from={shop}&to={shop}",
)


def read_scan_id(attacked: Attacked) -> str:
    rows = attacked.everyone.get(f"{API}/sources/{attacked.shop}/scans").json()["rows"]
    return str(rows[-1]["id"])


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", PRIVATE)
def test_objects_of_other_scopes_do_not_exist(attacked: Attacked, path: str) -> None:
    path = f"{API}/{path.format(shop=attacked.shop, scan=read_scan_id(attacked))}"
    visible = attacked.everyone.get(path)
    assert visible.status_code == 200, visible.text
    tag = visible.headers.get("etag", "*")
    for headers in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}, {"If-None-Match": f"W/{tag}"}):
        answer = attacked.outsider.get(path, headers=headers)
        assert answer.status_code == 404, headers
        assert not {"shop", "secretlib", "concealed"} & set(re.findall(r"\w+", answer.text))
    unknown = attacked.outsider.get(
        path.replace(f"/{attacked.shop}", "/99").replace("b" * 64, "c" * 64).replace("CVE-2", "CVE-9")
    )
    assert [problem(answer) for problem in (read_form,)] == [read_form(unknown)]


def read_form(answer: httpx2.Response) -> tuple[int, list[str], str]:
    """Return what tells an object that is hidden from one that does not exist."""
    document = answer.json()
    return answer.status_code, sorted(document), re.sub(r"\d+|[bc]{64}", "N", document["detail"])


FILTERED: Final = (
    "findings?source={shop}",
    "findings?namespace=pay",
    "findings?name=web-2",
    "findings?definition=C-0003",
    "findings?owner=web-2+team",
    "findings?label=app%3Dweb-2",
    "owners",
    "fixes?owner=web-2+team",
    "fixes?source={shop}",
    "vulnerabilities?source={shop}",
    "vulnerabilities?text=CVE-2",
    f"images/{REBUILT}/problems",
    "vulnerabilities/CVE-2/images",
    "vulnerabilities/CVE-2/workloads",
    "packages?text=secretlib",
    f"packages/workloads?purl={PRIVATE_PURL}",
    "sources?text=shop",
    "images?text=concealed",
    "images?source={shop}",
    f"images/{REBUILT}/workloads",
)
EXPORTS: Final = (
    "findings?source={shop}",
    "images?text=concealed",
    "packages?text=secretlib",
    "sources?text=shop",
    "vulnerabilities?text=CVE-2",
)


@pytest.mark.parametrize("path", EXPORTS)
def test_exports_have_no_rows_of_other_scopes(attacked: Attacked, path: str) -> None:
    path = f"{API}/exports/{path.format(shop=attacked.shop)}"
    heading, *rows = attacked.everyone.get(path).text.splitlines()
    assert rows
    assert attacked.outsider.get(path).text.splitlines() == [heading]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", FILTERED)
def test_filters_show_no_rows_of_other_scopes(attacked: Attacked, path: str) -> None:
    path = f"{API}/{path.format(shop=attacked.shop)}"
    visible = attacked.everyone.get(path)
    assert visible.status_code == 200, visible.text
    assert visible.json()["rows"]
    answer = attacked.outsider.get(path, headers={"If-None-Match": visible.headers["etag"]})
    assert answer.status_code == 404 or answer.json()["rows"] == []


@pytest.mark.usefixtures("unchanged")
def test_sums_count_nothing_of_other_scopes(attacked: Attacked) -> None:
    totals = attacked.outsider.get(f"{API}/totals", params={"source": attacked.shop}).json()
    assert {value for name, value in totals.items() if isinstance(value, int)} == {0}
    assert {number for value in totals.values() if isinstance(value, dict) for number in value.values()} == {0}
    assert attacked.outsider.get(f"{API}/changes", params={"source": attacked.shop, "days": 3660}).json() == []
    versions = attacked.outsider.get(f"{API}/packages/versions", params={"type": "deb", "name": "debian/secretlib"})
    assert versions.status_code == 404
    matches = attacked.outsider.get(f"{API}/search", params={"text": "secretlib"}).text
    assert "secretlib" not in matches.replace('"text"', "")
    assert "cluster/shop" not in attacked.outsider.get(f"{API}/search", params={"text": "shop"}).text


@pytest.mark.usefixtures("unchanged")
def test_user_of_a_namespace_learns_nothing_of_the_others(attacked: Attacked) -> None:
    source = attacked.limited.get(f"{API}/sources/{attacked.shop}").json()
    assert [source["findings"], source["vulnerabilities"]] == [None, None]
    assert (source["images"], source["unknown"]) == (1, 0)
    cursor = (
        attacked.server.client(attacked.both)
        .get(f"{API}/sources", params={"order": "critical", "limit": 1})
        .json()["cursor"]
    )
    assert msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[1][0] == 0
    assert attacked.limited.get(f"{API}/findings").json()["rows"]
    assert "web-1" not in attacked.limited.get(f"{API}/findings").text
    assert attacked.limited.get(f"{API}/sources/{attacked.shop}/subjects/{SUBJECT}").status_code == 404
    assert attacked.limited.get(f"{API}/sources/{attacked.shop}/scans").status_code == 404
    assert attacked.limited.get(f"{API}/images/{REBUILT}/sbom").status_code == 404
    assert attacked.limited.get(f"{API}/vulnerabilities/CVE-2").status_code == 404
    assert attacked.limited.get(f"{API}/totals").json()["findings"]["critical"] == 0
    assert "secretlib" not in attacked.limited.get(f"{API}/sources/{attacked.shop}/sbom").text


LISTS: Final = (
    *(f"findings?order={order}" for order in ("priority", "severity", "oldest", "newest")),
    *(f"vulnerabilities?order={order}" for order in ("priority", "severity", "epss", "images", "newest")),
    *(f"sources?order={order}" for order in ("name", "critical", "last_scan", "silent")),
    "fixes?",
    "owners?",
    "packages?",
    *(f"images?order={order}" for order in ImageOrder),
    "vulnerabilities/CVE-1/images?",
    "vulnerabilities/CVE-1/workloads?",
    f"images/{WEB}/problems?",
    f"packages/workloads?purl={PURL}&",
)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", LISTS)
def test_cursors_of_others_show_no_other_rows(attacked: Attacked, path: str) -> None:
    path, cursors = f"{API}/{path}&limit=1", [""]
    while (
        cursor := attacked.everyone.get(path, params={**query_of(path), "cursor": cursors[-1]}).json().get("cursor")
    ) and len(cursors) < 20:
        cursors.append(cursor)
    for cursor, client in itertools.product(cursors, (attacked.outsider, attacked.limited)):
        answer = client.get(path, params={**query_of(path), "cursor": cursor, "limit": 100})
        assert answer.status_code == 200, answer.text
        for secret in ("secretlib", "concealed", "CVE-2", "C-0003", "web-1" if client is attacked.limited else "web-2"):
            assert secret not in answer.text


def query_of(path: str) -> dict[str, Any]:
    return dict(httpx2.QueryParams(path.partition("?")[2]).multi_items())


POSITIONS: Final[tuple[Any, ...]] = (
    None, 1, "", [], {}, [2**64 - 1], [-(2**63), "x"], [1.5], [float("nan"), float("inf")], [None] * 9, [2**63] * 4, ["\0"] * 4,
    [2**64 - 1, 0], ["x", 2**64 - 1], [0, 2**40, 2**64 - 1], [1, 2, 3, 2**64 - 1], [0.5, 2**64 - 1, 2**64 - 1], [["x"] * 1000],
)  # fmt: skip


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", [*LISTS, "sources/{shop}/scans?"])
def test_forged_cursors_are_refused(attacked: Attacked, path: str) -> None:
    path = f"{API}/{path.format(shop=attacked.shop)}"
    real = attacked.everyone.get(path, params={**query_of(path), "limit": 1}).json()["cursor"]
    order = msgspec.msgpack.decode(base64.urlsafe_b64decode(real + "=" * (-len(real) % 4)))[0] if real else "x"
    forged = [
        base64.urlsafe_b64encode(msgspec.msgpack.encode((order, value))).decode().rstrip("=") for value in POSITIONS
    ]
    if real:
        written = msgspec.msgpack.decode(base64.urlsafe_b64decode(real + "=" * (-len(real) % 4)))[1]
        values: tuple[Any, ...] = (2**64 - 1, -(2**63), 2**63, "\0", "x", float("nan"), None, [], True)
        for index, value in itertools.product(range(len(written)), values):
            position = [*written[:index], value, *written[index + 1 :]]
            forged.append(base64.urlsafe_b64encode(msgspec.msgpack.encode((order, position))).decode().rstrip("="))
    for cursor in (*forged, "=", "A", "\u00e4", "../../etc/passwd", "A" * 4096, "\0", "' OR 1=1 --"):
        answer = attacked.everyone.get(path, params={**query_of(path), "cursor": cursor})
        assert answer.status_code in {200, 422}, (cursor, answer.text)
