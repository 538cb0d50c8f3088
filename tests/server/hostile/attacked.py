"""Servers under attack, with the clients that may see a part of their sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec

from kubekeep.model.submission import GapEntry, HiddenObjects, ImageEntry, Submission
from tests.server.live import LiveServer
from tests.server.test_images import BLOG, REBUILT, SHOP, WEB, build_content, build_image, build_scan, run
from tests.server.test_ingest import build_subject

API: Final = "/api/v1"
PURL: Final = "pkg:deb/debian/openssl@3.0.1"
PRIVATE_PURL: Final = "pkg:deb/debian/secretlib@9.9"
SUBJECT: Final = "0000000000000001"
REFUSED: Final = frozenset({400, 401, 403, 404, 405, 409, 411, 413, 415, 422, 429, 431})
LONG: Final = "".join(f"{number:x}" for number in range(40_000))
"""A text that no compression makes short."""
MEBIBYTE: Final = 1 << 20


class Attacked(msgspec.Struct, frozen=True):
    """A server with two clusters, and clients of it. shop: number of the cluster that `outsider` does not see.

    administrator: a session. everyone, outsider, limited: viewers of all clusters, of `blog`, and of a namespace of `shop`. both:
    the token of a viewer of a namespace of both.
    agent: of `blog`. url: of the database.
    """

    server: LiveServer
    url: str
    administrator: httpx2.Client
    everyone: httpx2.Client
    outsider: httpx2.Client
    limited: httpx2.Client
    both: str
    agent: httpx2.Client
    shop: int


def build_scans() -> Iterator[Submission]:
    """Yield scans of a cluster whose second one leaves findings unknown, and of another one that shares an image."""
    entries = [
        build_subject(1, "C-0001", "C-0003", containers=(run(REBUILT, name="concealed"), run(WEB)), owner="web-1 team"),
        build_subject(
            2, "C-0002", namespace="pay", containers=(run(WEB),), owner="web-2 team", labels={"app": "web-2"}
        ),
    ]
    content = build_content("9.9", name="secretlib")
    images = [ImageEntry(REBUILT, ("ghcr.io/shop/concealed:1",), "linux/amd64", content), build_web()]
    image_entries = (build_image(REBUILT, "CVE-2"), build_image(WEB, "CVE-1"))
    scope = ("C-0001", "C-0002", "C-0003")
    yield build_scan(0, *entries, *image_entries, source=SHOP, images=images, scope=scope)
    hidden = (GapEntry("cannot list deployments", hides=HiddenObjects("apps", "Deployment", "shop")),)
    seen = build_scan(1, *entries[1:], *image_entries, source=SHOP, images=images, scope=scope)
    yield msgspec.structs.replace(seen, gaps=hidden)
    yield build_scan(
        0,
        build_subject(1, "C-0001", containers=(run(WEB),)),
        build_image(WEB, "CVE-1"),
        source=BLOG,
        images=[build_web()],
    )


def build_web() -> ImageEntry:
    return ImageEntry(WEB, ("ghcr.io/shop/web:1",), "linux/amd64", build_content("3.0.1"))


def create_token(administrator: httpx2.Client, role: str, scope: str, *namespaces: str) -> str:
    grant = {"role": role, "scope": scope, "namespaces": namespaces}
    answer = administrator.post(f"{API}/tokens", json={"name": f"{role} of a test", "grants": [grant]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def describe_state(attacked: Attacked) -> list[Any]:
    """Return what an attack must not change."""
    paths = ("totals", "sources", "findings?limit=1000", "vulnerabilities", "users", "tokens", "log?limit=1")
    answers = [attacked.administrator.get(f"{API}/{path}") for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]


def read_memory(server: LiveServer) -> int:
    """Return the most memory that the process has had, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match
    return int(match.group(1)) << 10
