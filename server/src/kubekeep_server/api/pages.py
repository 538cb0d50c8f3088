"""The pages: files of the built `web/`, which the distribution contains. Each address of a page answers with the same document.

Files are read by their names in the folder, so that no path of a request reaches the file system.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import mimetypes
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

_FOLDER: Final = "static"
_DOCUMENT: Final = "index.html"
LISTED_PAGES: Final = (
    "",
    "this-week",
    "findings",
    "images",
    "workloads",
    "vulnerabilities",
    "packages",
    "frameworks",
    "identities",
    "decisions",
    "sources",
    "compare",
)
"""First parts of the addresses of pages with filters; `src/app.tsx` of the pages has the same."""
_PAGES: Final = (*LISTED_PAGES[1:], "settings", "sign-in", "device")
_ASSETS: Final = "assets"
_ROOT_FILES: Final = ("icon.svg", "licenses.md", "problem.css")
_UNCHANGING: Final = "public, max-age=31536000, immutable"
_CHECKED: Final = "no-cache"
_COMPRESSED: Final = frozenset({".css", ".html", ".js", ".md", ".svg"})
_METHODS: Final = ("GET", "HEAD")


class _File(NamedTuple):
    content: bytes
    compressed: bytes
    media_type: str
    etag: str


def list_routes() -> list[BaseRoute]:
    """Return the routes of pages and files."""
    pages = ("/", *(path for page in _PAGES for path in (f"/{page}", f"/{page}/{{rest:path}}")))
    routes: list[BaseRoute] = [Route(path, _answer_page, methods=_METHODS) for path in pages]
    routes += [Route(f"/{name}", _answer_file, methods=_METHODS) for name in _ROOT_FILES]
    return [*routes, Route(f"/{_ASSETS}/{{name}}", _answer_asset, methods=_METHODS)]


async def _answer_page(request: Request) -> Response:
    """Return the document, which loads the page of the address."""
    file = _read_files("").get(_DOCUMENT)
    if file is None:
        text = "The pages are not built in this checkout. Run: scripts/web build\n"
        return PlainTextResponse(text, 503)
    return _respond(request, file, _CHECKED)


async def _answer_file(request: Request) -> Response:
    return _respond(request, _read_files("").get(request.url.path[1:]), _CHECKED)


async def _answer_asset(request: Request) -> Response:
    """Return a file whose name contains the digest of its content."""
    return _respond(request, _read_files(_ASSETS).get(request.path_params["name"]), _UNCHANGING)


def _respond(request: Request, file: _File | None, cache: str) -> Response:
    if file is None:
        return PlainTextResponse("There is no such file.\n", 404)
    headers = {"ETag": file.etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if file.compressed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


@functools.cache
def _read_files(folder: str) -> dict[str, _File]:
    """Return the files of a folder by their names; empty if the pages are not built."""
    directory = resources.files("kubekeep_server").joinpath(_FOLDER, *filter(None, [folder]))
    return {file.name: _read(file) for file in directory.iterdir() if file.is_file()} if directory.is_dir() else {}


def _read(file: Traversable) -> _File:
    content = file.read_bytes()
    suffix = file.name[file.name.rfind(".") :]
    compressed = gzip.compress(content, mtime=0) if suffix in _COMPRESSED else b""
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return _File(content, compressed, media_type, f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"')
