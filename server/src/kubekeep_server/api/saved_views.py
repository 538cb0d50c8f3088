"""Saved views: a user keeps the address of a page with its filters and order, alone or for all."""

from __future__ import annotations

import functools
import re
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, Field

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.documents import ApiModel, Name
from kubekeep_server.api.pages import LISTED_PAGES
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.structs import describe_answer, respond
from kubekeep_server.auth.permissions import Permission, has_whole_scope
from kubekeep_server.store import saved_views

router: Final = APIRouter(prefix="/api/v1", tags=["views"], responses=DOCUMENTED)
_ADDRESS: Final = re.compile(r"/(?:(?P<page>[a-z-]+)(?:/[\w.~%:@,+-]+)*)?(?:\?[\w.~%:@,+&=/*!$();-]*)?", re.ASCII)
_DOTS: Final = frozenset({".", ".."})


def check_address(text: str) -> str:
    """Return the address of a page of this server: its path and query. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    path = text.partition("?")[0]
    if (
        match is None
        or (match["page"] or "") not in LISTED_PAGES
        or _DOTS & {*path.lower().replace("%2e", ".").split("/")}
    ):
        raise ValueError(
            "A view is the path of a page of this server with its filters, such as /findings?priority=high"
        )
    return text


Address = Annotated[str, Field(min_length=1, max_length=4_096), AfterValidator(check_address)]


class NewView(ApiModel):
    """A view to save. address: path and query of a page of this server."""

    name: Name
    address: Address
    is_shared: bool = False


class CreatedView(ApiModel):
    """The number of a new view."""

    id: int


@router.get(
    "/views",
    operation_id="listViews",
    response_class=Response,
    responses=describe_answer(tuple[saved_views.SavedView, ...]),
)
async def list_all(request: Request) -> Response:
    """Return the views of the sender, and those that others share, by name."""
    account = get_identity(request).account
    return respond(request, await get_state(request).reading.run(saved_views.list_views, account))


@router.post("/views", operation_id="createView", status_code=201)
async def create(request: Request, new: NewView) -> CreatedView:
    """Save a view, in place of one of the sender with the same name. A user has at most 200."""
    account = get_identity(request).account
    if account is None:
        raise ProblemError(403, "A view belongs to a user, and this token to none. Sign in, or use a token of a user.")
    save = functools.partial(saved_views.save_view, is_shared=new.is_shared)
    try:
        number = await get_state(request).writing.run(save, account, new.name, new.address, get_now())
    except saved_views.TooManyViewsError as error:
        raise ProblemError(409, f"You have {saved_views.MOST_VIEWS} views already. Delete one first.") from error
    return CreatedView(id=number)


@router.delete("/views/{number}", operation_id="deleteView", status_code=204)
async def delete(request: Request, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> None:
    """Delete a view of the sender. An administrator of all sources deletes shared ones of others, too."""
    identity = get_identity(request)
    is_administrator = has_whole_scope(identity, Permission.MANAGE_USERS)
    remove = functools.partial(saved_views.delete_view, may_delete_shared=is_administrator)
    try:
        await get_state(request).writing.run(remove, number, identity.account)
    except LookupError as error:
        raise ProblemError(404, f"{str(error).capitalize()}.") from error
