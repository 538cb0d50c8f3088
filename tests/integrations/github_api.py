"""A server with the semantics of GitHub's REST API for the comments of one pull request."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

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
