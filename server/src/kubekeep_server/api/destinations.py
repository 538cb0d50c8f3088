"""Destinations of notifications. Their secrets are accepted, and never returned."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.documents import ApiModel, Name
from kubekeep_server.api.problems import DOCUMENTED, ProblemError, convert_errors
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.structs import describe_answer, respond
from kubekeep_server.auth.permissions import Permission, has_whole_scope
from kubekeep_server.notifications.kinds import KINDS, build_destination
from kubekeep_server.store import destinations
from kubekeep_server.store.deliveries import queue_test
from kubekeep_server.store.destinations import Author, NewDestination, StoredDestination
from kubekeep_server.store.notification_rules import describe_author
from kubekeep_server.store.queries.pages import Document, Page

router: Final = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], responses=DOCUMENTED)
_LONGEST: Final = 2_000
_MOST: Final = 50
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Value = Annotated[str, Field(max_length=_LONGEST)]


class DestinationRow(Document, frozen=True, kw_only=True):
    """A destination. hasSecrets: True if it has secrets, which are not shown."""

    id: int
    name: str
    kind: str
    settings: dict[str, Any]
    has_secrets: bool
    author: str
    created: dt.datetime


class DestinationInput(ApiModel):
    """A destination. settings: of its kind. secrets: others of its kind; null keeps those of before."""

    name: Name
    kind: Annotated[str, Field(max_length=50)]
    settings: dict[str, Value | int | bool | list[Value]] = Field(default={}, max_length=_MOST)
    secrets: dict[str, Value] | None = Field(default=None, max_length=_MOST)


class CreatedNumber(ApiModel):
    """The number of what was created."""

    id: int


@router.get(
    "/destinations",
    operation_id="listDestinations",
    response_class=Response,
    responses=describe_answer(Page[DestinationRow]),
)
async def list_all(request: Request) -> Response:
    """Return all destinations by name."""
    rows = await get_state(request).reading.run(destinations.list_destinations)
    return respond(request, Page(tuple(_describe(row) for row in rows)))


@router.post("/destinations", operation_id="createDestination", status_code=201)
async def create(request: Request, new: DestinationInput) -> CreatedNumber:
    """Create a destination."""
    checked = _check(request, new, new.secrets or {})
    author = await load_author(request)
    try:
        number = await get_state(request).writing.run(destinations.create_destination, checked, author, get_now())
    except ValueError as error:
        raise ProblemError(409, f"{str(error).capitalize()}.") from error
    return CreatedNumber(id=number)


@router.put("/destinations/{number}", operation_id="changeDestination", status_code=204)
async def change(request: Request, number: Number, new: DestinationInput) -> None:
    """Replace a destination. Only its author and users with a scope of everything may: rules of others send to it.

    Secrets are kept only for the same kind and settings, so that nobody can send them to another address.
    """
    stored, author = await _find(request, number)
    _require_author(request, stored, author)
    if new.secrets is None:
        if (new.kind, dict(new.settings)) != (stored.kind, stored.settings):
            raise ProblemError(422, "The secrets are required after a change of the settings.")
        checked = NewDestination(name=new.name, kind=stored.kind, settings=stored.settings, secrets=None)
    else:
        checked = _check(request, new, new.secrets)
    with convert_errors(409):
        await get_state(request).writing.run(destinations.change_destination, number, checked, author, get_now())


@router.delete("/destinations/{number}", operation_id="deleteDestination", status_code=204)
async def delete(request: Request, number: Number) -> None:
    """Delete a destination that no rule names, with its messages."""
    stored, author = await _find(request, number)
    _require_author(request, stored, author)
    with convert_errors(409):
        await get_state(request).writing.run(destinations.delete_destination, number, author, get_now())


@router.post("/destinations/{number}/test", operation_id="testDestination", status_code=202)
async def send_test(request: Request, number: Number) -> CreatedNumber:
    """Queue a test message; the answer has the number of its delivery, which tells how it ended."""
    _, author = await _find(request, number)
    title = f"Test message of {author.name}"
    return CreatedNumber(id=await get_state(request).writing.run(queue_test, number, title, get_now()))


async def load_author(request: Request) -> Author:
    """Return the identity of a request as an author."""
    return await get_state(request).reading.run(describe_author, get_identity(request))


async def _find(request: Request, number: int) -> tuple[StoredDestination, Author]:
    try:
        stored = await get_state(request).reading.run(destinations.find_destination, number)
    except LookupError as error:
        raise ProblemError(404, f"{str(error).capitalize()}.") from error
    return stored, await load_author(request)


def _require_author(request: Request, stored: StoredDestination, author: Author) -> None:
    is_own = stored.account is not None and stored.account == author.account
    if not is_own and not has_whole_scope(get_identity(request), Permission.MANAGE_NOTIFICATIONS):
        raise ProblemError(403, "Only its author and users whose scope is everything may change a destination.")


def _check(request: Request, new: DestinationInput, secrets: dict[str, str]) -> NewDestination:
    """Return a destination with encrypted secrets. Raises ProblemError."""
    try:
        build_destination(new.kind, new.settings, secrets)
    except ValueError as error:
        raise ProblemError(422, f"The destination cannot be used: {error}") from error
    box = get_state(request).secrets
    if secrets and box is None:
        raise ProblemError(409, "secret_key_file is not set on this server, and the destination has secrets.")
    sealed = box.seal(secrets) if box is not None and secrets else b""
    return NewDestination(name=new.name, kind=new.kind, settings=new.settings, secrets=sealed)


def _describe(stored: StoredDestination) -> DestinationRow:
    known = KINDS[stored.kind].__struct_encode_fields__ if stored.kind in KINDS else ()
    return DestinationRow(
        id=stored.id,
        name=stored.name,
        kind=stored.kind,
        settings={key: value for key, value in stored.settings.items() if key in known},
        has_secrets=bool(stored.secrets),
        author=stored.author,
        created=stored.created,
    )
