"""The pull request comment against a server with the semantics of GitHub's REST API for issue comments."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.github_runner import FinishedStep, run_step
from tests.integrations.samples import HARMLESS, PRIVILEGED, write_files
from tests.loopback import serving

TOKEN = "ghs_0123456789"  # noqa: S105 - of the test server
BOT = {"login": "github-actions[bot]", "type": "Bot"}
PERSON = {"login": "reader", "type": "User"}


class Comments:
    """The comments of pull request 7 of shop/deploy, and the requests that changed them.

    https://docs.github.com/en/rest/issues/comments: list with pages of at most 100, create (201), update (200).
    """

    def __init__(self, *, is_writable: bool = True) -> None:
        """Start without comments. is_writable: the token has `pull-requests: write`."""
        self.entries: list[dict[str, Any]] = []
        self.changes: list[str] = []
        self.problems: list[str] = []
        self.is_writable = is_writable

    def add(self, user: dict[str, str] | None, body: str) -> dict[str, Any]:
        """Add a comment of a user."""
        entry = {"id": 1000 + len(self.entries), "user": user, "body": body}
        self.entries.append(entry)
        return entry

    def respond(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Return status and document of the response to a request."""
        path, _, query = url.partition("?")
        if headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        expected = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        self.problems += [f"{name}: {headers[name]}" for name, value in expected.items() if headers[name] != value]
        if not headers["User-Agent"]:
            return 403, {"message": "Request forbidden by administrative rules"}
        if method == "GET" and path == "/repos/shop/deploy/issues/7/comments":
            fields = dict(urllib.parse.parse_qsl(query))
            size, page = min(int(fields.get("per_page", 30)), 100), int(fields.get("page", 1))
            return 200, self.entries[(page - 1) * size : page * size]
        return self.change(method, path, json.loads(body))

    def change(self, method: str, path: str, document: dict[str, Any]) -> tuple[int, Any]:
        """Return status and document of the response to a request that creates or updates a comment."""
        if not self.is_writable:
            return 403, {"message": "Resource not accessible by integration"}
        if not isinstance(document.get("body"), str) or not 0 < len(document["body"]) <= 65536:
            return 422, {"message": "Validation Failed"}
        self.changes.append(method)
        if method == "POST" and path == "/repos/shop/deploy/issues/7/comments":
            return 201, self.add(BOT, document["body"])
        match = re.fullmatch(r"/repos/shop/deploy/issues/comments/(\d+)", path)
        entry = next((entry for entry in self.entries if match and entry["id"] == int(match[1])), None)
        if method != "PATCH" or entry is None:
            return 404, {"message": "Not Found"}
        entry["body"] = document["body"]
        return 200, entry


@contextlib.contextmanager
def serve_github(comments: Comments, redirect: str = "") -> Iterator[str]:
    """Yield the address of a server of the comments, or of one that redirects all requests."""

    class CommentHandler(http.server.BaseHTTPRequestHandler):
        """Handler of the API's requests."""

        def handle_one(self) -> None:
            """Answer one request."""
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, document = (307, {}) if redirect else comments.respond(self.command, self.path, self.headers, body)
            encoded = json.dumps(document).encode()
            self.send_response(status)
            if redirect:
                self.send_header("Location", redirect + self.path)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = do_PATCH = handle_one  # noqa: N815 - names of http.server

    with serving(CommentHandler) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def repository(tmp_path: Path) -> Path:
    return write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED})


def run_commenting(folder: Path, address: str, inputs: dict[str, str] | None = None) -> FinishedStep:
    """Run the step for pull request 7 of shop/deploy."""
    event = folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "base": {"sha": "0" * 40}}}))
    return run_step(
        folder,
        {"comment": "true", "token": TOKEN} | (inputs or {}),
        environment={
            "GITHUB_API_URL": address,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "shop/deploy",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "42",
            "GITHUB_WORKFLOW": "Kubekeep",
            "GITHUB_JOB": "scan",
        },
    )


def test_comment_is_created_then_updated_in_place(tmp_path: Path, repository: Path) -> None:
    comments = Comments()
    with serve_github(comments) as address:
        first = run_commenting(tmp_path, address, {"fail-on": "critical"})
        body = comments.entries[0]["body"]
        write_files(repository, {"pod.yaml": HARMLESS})
        second = run_commenting(tmp_path, address, {"fail-on": "critical"})
    assert (first.code, second.code) == (1, 0)
    assert (comments.changes, comments.problems, len(comments.entries)) == (["POST", "PATCH"], [], 1)
    assert re.match(rf"<!-- kubekeep [0-9a-f]{{16}} -->\n### Kubekeep: {first.outputs['findings']} findings\n", body)
    assert "| Critical | <code>C-0057</code> | <code>Containers do not run privileged</code> |" in body
    assert "<code>pod.yaml&#58;8</code>" in body
    assert "**A gate failed.**" in body
    assert "[Run](https://github.com/shop/deploy/actions/runs/42)" in body
    assert "### Kubekeep: no findings" in comments.entries[0]["body"]


def test_comment_on_a_later_page_is_found_and_those_of_people_stay(tmp_path: Path) -> None:
    comments = Comments()
    with serve_github(comments) as address:
        run_commenting(tmp_path, address)
        own = comments.entries.pop()
        marker = own["body"].splitlines()[0]
        for number in range(130):
            comments.add(PERSON, f"{marker}\nnot yours {number}")
        comments.add(None, marker)
        own["id"] = 5000
        comments.entries.append(own)
        run_commenting(tmp_path, address)
    assert comments.changes == ["POST", "PATCH"]
    assert all(entry["body"].startswith(f"{marker}\nnot yours") for entry in comments.entries[:130])


def test_no_comment_without_findings(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"pod.yaml": HARMLESS})
    comments = Comments()
    with serve_github(comments) as address:
        assert run_commenting(tmp_path, address).code == 0
    assert comments.entries == []


def test_missing_permission_is_a_warning(tmp_path: Path) -> None:
    comments = Comments(is_writable=False)
    with serve_github(comments) as address:
        step = run_commenting(tmp_path, address)
    assert step.code == 0
    warning = "The comment was not written: HTTP 403; add `permissions: pull-requests: write` to the job"
    assert f"::warning title=Kubekeep::{warning}" in step.commands
    assert TOKEN not in step.log


def test_unreachable_server_is_a_warning(tmp_path: Path) -> None:
    with serve_github(Comments()) as address:
        pass
    step = run_commenting(tmp_path, address, {"fail-on": "critical"})
    assert step.code == 1
    assert any("The comment was not written" in command for command in step.commands)


def test_token_does_not_follow_a_redirect(tmp_path: Path) -> None:
    comments = Comments()
    with serve_github(comments) as other, serve_github(Comments(), redirect=other) as address:
        step = run_commenting(tmp_path, address)
    assert step.code == 0
    assert any("The comment was not written: HTTP 307" in command for command in step.commands)
    assert comments.entries == []


def test_names_cannot_write_markup(tmp_path: Path, repository: Path) -> None:
    name = "@team [x](https://example.com) | <img src=x> `code` **a**.yaml".replace("/", "%2F")
    (repository / "pod.yaml").rename(repository / name)
    comments = Comments()
    with serve_github(comments) as address:
        run_commenting(tmp_path, address)
    rows = [line for line in comments.entries[0]["body"].splitlines() if "example" in line]
    assert rows
    for row in rows:
        assert row.count("|") == 5
        assert not set("@[]*`") & set(row)
        assert set(re.findall(r"<[^>]*>", row)) == {"<code>", "</code>"}


def test_only_pull_requests_get_a_comment(tmp_path: Path) -> None:
    comments = Comments()
    with serve_github(comments) as address:
        step = run_step(tmp_path, {"comment": "true", "token": TOKEN}, environment={"GITHUB_API_URL": address})
    assert step.code == 0
    assert "comment: not a pull request, or no token: no comment is written" in step.log
    assert comments.entries == []
