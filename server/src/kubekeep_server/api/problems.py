"""Answers to requests that fail: problem documents (RFC 9457) with the id of the request. Never quotes a secret.

A browser that opens an address gets a page with the same content.
"""

from __future__ import annotations

import contextlib
import http
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kubekeep.model.text import visible
from kubekeep_server.api.problem_page import write_page
from kubekeep_server.store.errors import InvalidContentError, StoreUnavailableError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5
_HTML: Final = "text/html"
_log: Final = structlog.get_logger("kubekeep.server.requests")
DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A problem (RFC 9457)",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["title", "status", "requestId"],
                    "properties": {
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "requestId": {"type": "string"},
                    },
                }
            }
        },
    }
}
"""The answer to every failed request in the OpenAPI document."""


class ProblemError(Exception):
    """A request that is refused. members: more members of the document."""

    def __init__(self, status: int, detail: str, *, retry_after: int = 0, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.members = members
        self.headers = {"Retry-After": str(retry_after)} if retry_after else {}
        if status == http.HTTPStatus.UNAUTHORIZED:
            self.headers["WWW-Authenticate"] = "Bearer"


@contextlib.contextmanager
def convert_errors(invalid: int = http.HTTPStatus.UNPROCESSABLE_ENTITY) -> Iterator[None]:
    """Raise ProblemError with status 404 for LookupError, and with another one for ValueError. invalid: that status."""
    try:
        yield
    except LookupError as error:
        raise ProblemError(http.HTTPStatus.NOT_FOUND, f"{str(error).capitalize()}.") from error
    except ValueError as error:
        raise ProblemError(invalid, f"{str(error).capitalize()}.") from error


def describe_problem(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """Return the answer with a problem document, or with a page if the client asks for HTML."""
    document = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "requestId": request.scope.get("kubekeep.request_id", ""),
        **members,
    }
    if _HTML in request.headers.get("accept", ""):
        return HTMLResponse(write_page(document), status, dict(headers or {}))
    return Response(msgspec.json.encode(document), status, dict(headers or {}), MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    """Answer all errors of an application by problem documents."""
    app.add_exception_handler(ProblemError, _handle_problem)
    app.add_exception_handler(StoreUnavailableError, _handle_unavailable)
    app.add_exception_handler(InvalidContentError, _handle_content)
    app.add_exception_handler(RequestValidationError, _handle_invalid)
    app.add_exception_handler(HTTPException, _handle_http)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    app.add_exception_handler(Exception, _handle_defect)


async def _handle_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - for the types
    return describe_problem(request, error.status, error.detail, error.headers, **error.members)


async def _handle_unavailable(request: Request, error: Exception) -> Response:
    _log.warning("database not available", request_id=request.scope.get("kubekeep.request_id", ""), reason=str(error))
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return describe_problem(request, 503, "The database is not available. Repeat the request later.", headers)


async def _handle_content(request: Request, error: Exception) -> Response:
    return describe_problem(request, 422, f"The request cannot be stored: {error}.")


async def _handle_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the types
    # Without the input, which may be a password.
    errors = [
        {"location": [visible(str(part)) for part in each["loc"]], "message": visible(each["msg"])}
        for each in error.errors()
    ]
    return describe_problem(request, 422, "The request does not have the documented form.", errors=errors)


async def _handle_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the types
    return describe_problem(request, error.status_code, str(error.detail), error.headers)


async def _handle_disconnect(request: Request, error: Exception) -> Response:
    """Return the answer that nobody receives; the log has it."""
    del error
    return describe_problem(request, 400, "The connection ended before the body.")


async def _handle_defect(request: Request, error: Exception) -> Response:
    """Return the answer; the caller logs the error."""
    del error
    return describe_problem(request, 500, "The server has a defect. Its log has the request id.")
