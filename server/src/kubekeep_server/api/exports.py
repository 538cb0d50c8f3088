"""Exports of lists as CSV: all pages of a list, with its filters, order and rights, as one file.

Each page is a request to the operation of the list, within the process, so that nothing is in an export that the list does not show.
"""

from __future__ import annotations

import enum
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.answers import LONGEST_TEXT
from kubekeep_server.api.csv_text import select_value, write_rows
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.structs import PRIVATE
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.urgency import describe_exposure

router: Final = APIRouter(prefix="/api/v1", tags=["exports"], responses=DOCUMENTED)
MOST_ROWS: Final = 50_000
"""Rows of an export."""
_MEDIA_TYPE: Final = "text/csv"
_LONGEST_LOGGED: Final = 2_000
_LEVELS: Final = ("critical", "high", "medium", "low", "unknown")
_SUBJECT: Final = ("sourceName", "branch", "namespace", "kind", "name", "owner")
_EXPOSURE: Final = "exposure"
_PAGING: Final = frozenset({"cursor", "limit", "before", "of"})
_DROPPED_HEADERS: Final = frozenset({b"if-none-match", b"accept"})
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The list", "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}}},
    404: {"description": "There is no such object, or it is not in the scope of the identity"},
}


class ExportedList(enum.StrEnum):
    """Lists that can be exported."""

    FINDINGS = "findings"
    FINDING_GROUPS = "finding-groups"
    CHANGES = "changes"
    WORKLOADS = "workloads"
    VULNERABILITIES = "vulnerabilities"
    VULNERABLE_WORKLOADS = "vulnerable-workloads"
    PACKAGES = "packages"
    IMAGES = "images"
    IMAGE_PACKAGES = "image-packages"
    DECISIONS = "decisions"
    SOURCES = "sources"
    COMPARISON = "comparison"
    LOG = "log"
    DELIVERIES = "deliveries"


class _List(NamedTuple):
    """A list of the API. path: with `{of}` for one of an object. columns: paths in its rows. size: rows of a page.

    number: field of the last row of a page after which the next one begins, for a list without cursors.
    """

    path: str
    columns: tuple[str, ...]
    size: int = 500
    number: str = ""


def _count(name: str) -> tuple[str, ...]:
    return tuple(f"{name}.{level}" for level in _LEVELS)


LISTS: Final[dict[ExportedList, _List]] = {
    ExportedList.FINDINGS: _List(
        "/findings",
        (
            *("definition", "title", "priority", "severity", *_SUBJECT, "opened", "due", "unknownSince"),
            *("isSuppressed", "decision", "remediation", "fingerprint"),
        ),
    ),
    ExportedList.FINDING_GROUPS: _List(
        "/findings/groups", ("definitions", "title", "priority", "severity", "findings", "exposed", "remediation")
    ),
    ExportedList.CHANGES: _List(
        "/fixes",
        (
            *("change", "name", "version", "definition", "title", "priority", "removed", "vulnerabilities"),
            *("images", "workloads", "exposedWorkloads", "exposed", "work"),
        ),
        size=100,
    ),
    ExportedList.WORKLOADS: _List(
        "/findings/subjects", (*_SUBJECT, "priority", "exposure", *_count("findings"), "definition", "title"), size=100
    ),
    ExportedList.VULNERABILITIES: _List(
        "/vulnerabilities",
        (
            *("id", "title", "priority", "severity", "epss", "isExploited", "exposure", "images"),
            *("packages", "fixedVersions", "opened"),
        ),
    ),
    ExportedList.VULNERABLE_WORKLOADS: _List(
        "/vulnerabilities/{of}/workloads", (*_SUBJECT, "container", "digest", "exposure")
    ),
    ExportedList.PACKAGES: _List("/packages", ("type", "name", "versions", "images")),
    ExportedList.IMAGES: _List(
        "/images",
        (
            *("digest", "references", "platform", "distribution", "exposure", "workloads", "exposedWorkloads"),
            *(*_count("problems"), "fixable", "opened"),
        ),
    ),
    ExportedList.IMAGE_PACKAGES: _List(
        "/images/{of}/packages", ("name", "version", "type", "purl", "problems", "layer", "path", "licences")
    ),
    ExportedList.DECISIONS: _List(
        "/decisions",
        (
            *("id", "kind", "state", "titles", "scope", "reason", "owner", "author", "approver"),
            *("created", "changed", "due", "expires", "links"),
        ),
    ),
    ExportedList.SOURCES: _List(
        "/sources",
        (
            *("name", "branch", "key", "finished", "scans", "images", "unknown"),
            *(*_count("findings"), *_count("vulnerabilities")),
        ),
    ),
    ExportedList.COMPARISON: _List(
        "/comparison/findings",
        ("change", "definition", "title", "priority", "severity", "namespace", "kind", "name", "reason"),
    ),
    ExportedList.LOG: _List("/log", ("number", "moment", "actor", "action", "details", "digest"), number="number"),
    ExportedList.DELIVERIES: _List(
        "/notifications/deliveries",
        ("id", "title", "event", "state", "created", "due", "attempts", "error", "ended"),
        number="id",
    ),
}


@router.get("/exports/{name}", operation_id="exportList", response_class=Response, responses=_ANSWERS)
async def export_list(
    request: Request, name: ExportedList, of: Annotated[str, Query(max_length=LONGEST_TEXT)] = ""
) -> Response:
    """Return all rows of a list as CSV, at most 50,000. The other parameters are those of the list.

    of: the vulnerability or the image of a list that has one. A text that a spreadsheet would execute begins with an apostrophe. The
    last line says so if rows are missing.
    """
    pages = ListPages(request, LISTS[name], of)
    rows = await pages.read()
    if isinstance(rows, Response):
        return rows
    now, query = get_now(), urlencode(pages.filters)[:_LONGEST_LOGGED]
    details = {"list": name.value, "filters": query, **({"of": of} if of else {})}
    actor = get_identity(request).name
    await get_state(request).writing.run(lambda connection: append_entry(connection, now, actor, "exported", **details))
    headers = {"Content-Disposition": f'attachment; filename="{name.value}-{now.date().isoformat()}.csv"', **PRIVATE}
    return StreamingResponse(write_lines(pages, rows), media_type=_MEDIA_TYPE, headers=headers)


class ListPages:
    """The pages of a list for the identity of a request."""

    def __init__(self, request: Request, listed: _List, of: str) -> None:
        self._request = request
        self._path = f"{router.prefix}{listed.path.replace('{of}', quote(of, safe=':'))}"
        self._next: dict[str, Any] | None = {}
        self.listed = listed
        self.filters = [pair for pair in parse_qsl(request.url.query) if pair[0] not in _PAGING]

    @property
    def is_complete(self) -> bool:
        """True after the last page."""
        return self._next is None

    async def read(self) -> list[dict[str, Any]] | Response:
        """Return the rows of the next page, or the answer to a request that failed."""
        size = self.listed.size
        status, content = await self._get([*self.filters, *(self._next or {}).items(), ("limit", str(size))])
        if status != 200:
            return Response(content, status, media_type="application/problem+json")
        page = json.loads(content)
        rows: list[dict[str, Any]] = page if isinstance(page, list) else page["rows"]
        if self.listed.number:
            self._next = {"before": rows[-1][self.listed.number]} if len(rows) == size else None
        else:
            self._next = {"cursor": page["cursor"]} if page.get("cursor") else None
        return rows

    async def _get(self, query: list[tuple[str, Any]]) -> tuple[int, bytes]:
        """Return status and body of the answer of the list."""
        status, parts = 500, []

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        scope = {
            name: value
            for name, value in self._request.scope.items()
            if name not in ("route", "endpoint", "path_params")
        }
        scope |= {
            "method": "GET",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": urlencode(query).encode(),
            "headers": [pair for pair in self._request.scope["headers"] if pair[0] not in _DROPPED_HEADERS],
        }
        await self._request.app.router(scope, receive, send)
        return status, b"".join(parts)


async def write_lines(pages: ListPages, rows: list[dict[str, Any]] | Response) -> AsyncIterator[bytes]:
    """Yield the lines. rows: of the first page."""
    columns, written = pages.listed.columns, 0
    yield write_rows([columns])
    while not isinstance(rows, Response):
        part = rows[: MOST_ROWS - written]
        yield write_rows([_read(row, path) for path in columns] for row in part)
        written += len(part)
        if pages.is_complete and len(part) == len(rows):
            return
        if written >= MOST_ROWS:
            yield write_rows([[f"INCOMPLETE: an export ends after {MOST_ROWS:,} rows. Add filters to the list."]])
            return
        rows = await pages.read()
    yield write_rows([["INCOMPLETE: the server could not read the next rows. Export the list again."]])


def _read(row: dict[str, Any], path: str) -> Any:
    """Return the value of a column; an exposure in words, as on the pages."""
    value = select_value(row, path)
    return describe_exposure(value) if path == _EXPOSURE and isinstance(value, int) else value
