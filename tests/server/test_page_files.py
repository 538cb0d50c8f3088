"""Files of the pages over HTTP."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.server.embedded import EmbeddedServer, run_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("files")) as server:
        yield server


@pytest.mark.parametrize(
    "path", ["/", "/findings", "/workloads/1/00ff", "/vulnerabilities/CVE-1", "/sign-in", "/settings/users"]
)
def test_each_address_of_a_page_has_the_document(server: EmbeddedServer, path: str) -> None:
    with server.client() as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert '<div id="root">' in answer.text
    # The content security policy refuses both.
    assert "<style" not in answer.text
    assert not re.search(r"<script(?![^>]* src=)", answer.text)


def test_assets_are_compressed_and_kept(server: EmbeddedServer) -> None:
    with server.client() as client:
        (script,) = re.findall(r'src="(/assets/[^"]+\.js)"', client.get("/").text)
        answer = client.get(script)
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        plain = client.get(script, headers={"accept-encoding": "identity"})
        assert plain.content == answer.content
        # Bar: at most 100 kB of script in the first view.
        assert len(gzip.compress(plain.content)) < 100_000
        known = client.get(script, headers={"if-none-match": answer.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/..%2fsettings.py",
        "/assets/%2e%2e/%2e%2e/settings.py",
        "/assets/..\\..\\settings.py",
        "/assets/%00",
        "/assets/",
        "/assets//etc/passwd",
        "/static/index.html",
        "/index.html.gz",
        "/.env",
    ],
)
def test_paths_outside_of_the_folder_do_not_exist(server: EmbeddedServer, path: str) -> None:
    with server.client() as client:
        answer = client.get(httpx2.URL(server.url, raw_path=path.encode()))
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_unknown_addresses_of_the_api_are_problems(server: EmbeddedServer) -> None:
    with server.client() as client:
        answer = client.get("/api/v1/nothing")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert client.post("/findings").status_code == 405
