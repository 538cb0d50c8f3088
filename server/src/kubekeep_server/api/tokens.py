"""API tokens of programs. A sender manages those with no more rights than its own."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import Field

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.documents import ApiModel, GrantDocument, Name
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import Permission, list_grants, may_give
from kubekeep_server.auth.secrets import TOKEN, create_secret, hash_secret
from kubekeep_server.identity import Grant
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.tokens import create_token, list_tokens, revoke_token

router: Final = APIRouter(prefix="/api/v1", tags=["tokens"], responses=DOCUMENTED)


class NewToken(ApiModel):
    """A token to create."""

    name: Name
    grants: Annotated[list[GrantDocument], Field(min_length=1, max_length=100)]
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] = 90


class TokenDocument(ApiModel):
    """A token without its secret."""

    id: int
    name: str
    created: dt.datetime
    expires: dt.datetime
    grants: list[GrantDocument]


class CreatedToken(ApiModel):
    """The secret of a new token; it is not shown again."""

    id: int
    token: str
    expires: dt.datetime


@router.get("/tokens", operation_id="listTokens")
async def list_all(request: Request) -> list[TokenDocument]:
    """Return the tokens that the sender may manage."""
    own = list_grants(get_identity(request), Permission.MANAGE_TOKENS)
    rows = await get_state(request).reading.run(list_tokens)
    return [_describe(row, grants) for row, grants in rows if all(may_give(own, grant) for grant in grants)]


@router.post("/tokens", operation_id="createToken", status_code=201)
async def create(request: Request, new: NewToken) -> CreatedToken:
    """Create a token and return its secret."""
    identity = get_identity(request)
    own = list_grants(identity, Permission.MANAGE_TOKENS)
    grants = tuple(document.to_grant() for document in new.grants)
    if not all(may_give(own, grant) for grant in grants):
        raise ProblemError(403, "A token gets no rights that the sender may not give.")
    secret, now = create_secret(TOKEN), get_now()
    expires = now + dt.timedelta(days=new.expires_in_days)
    values = {"now": now, "expires": expires, "actor": identity.name}
    insert = functools.partial(create_token, **values)  # type: ignore[arg-type]
    number = await get_state(request).writing.run(insert, hash_secret(secret), new.name, grants)
    return CreatedToken(id=number, token=secret, expires=expires)


@router.delete("/tokens/{number}", operation_id="revokeToken", status_code=204)
async def revoke(request: Request, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> None:
    """Revoke a token. A cluster whose token is revoked cannot renew it."""
    identity = get_identity(request)
    may_revoke = functools.partial(may_give, list_grants(identity, Permission.MANAGE_TOKENS))
    try:
        await get_state(request).writing.run(revoke_token, number, get_now(), identity.name, may_revoke)
    except LookupError as error:
        raise ProblemError(404, str(error)) from error


def _describe(row: Any, grants: tuple[Grant, ...]) -> TokenDocument:
    return TokenDocument(
        id=row.id,
        name=row.name,
        created=to_moment(row.created),
        expires=to_moment(row.expires),
        grants=[GrantDocument.describe(grant) for grant in grants],
    )
