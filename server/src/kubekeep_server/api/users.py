"""Users and their rights. For administrators."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import Field

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.documents import ApiModel, GrantDocument, Name
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import Permission, list_grants, may_give
from kubekeep_server.auth.secrets import LINK, create_secret, hash_secret
from kubekeep_server.identity import Grant
from kubekeep_server.store.accounts import (
    AccountConflictError,
    change_account,
    create_account,
    list_accounts,
    load_account,
)
from kubekeep_server.store.numbers import to_moment, to_optional_moment
from kubekeep_server.store.sessions import LINK_LIFETIME, create_link

router: Final = APIRouter(prefix="/api/v1", tags=["users"], responses=DOCUMENTED)
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Grants = Annotated[list[GrantDocument], Field(max_length=100)]


class UserDocument(ApiModel):
    """A user. signedIn: the last time. issuer: URL of the provider; empty for a local user. subject: identity there, or the name."""

    id: int
    name: str
    issuer: str
    subject: str
    is_enabled: bool
    created: dt.datetime
    signed_in: dt.datetime | None
    grants: list[GrantDocument]


class NewUser(ApiModel):
    """A user to create."""

    name: Name
    grants: Grants


class UserChange(ApiModel):
    """A change of a user; null changes nothing."""

    grants: Grants | None = None
    is_enabled: bool | None = None


class SignInLink(ApiModel):
    """The secret of a one-time link; it is not shown again."""

    link: str
    expires: dt.datetime


@router.get("/users", operation_id="listUsers")
async def list_users(request: Request) -> list[UserDocument]:
    """Return all users."""
    return [_describe(row, grants) for row, grants in await get_state(request).reading.run(list_accounts)]


@router.post("/users", operation_id="createUser", status_code=201)
async def create_user(request: Request, user: NewUser) -> UserDocument:
    """Create a user without a password; create a link for the first sign-in next."""
    identity, state = get_identity(request), get_state(request)
    grants = _check_grants(request, user.grants)

    def create(connection: Any) -> Any:
        number = create_account(connection, user.name, grants, now=get_now(), actor=identity.name)
        return load_account(connection, number)

    try:
        return _describe(await state.writing.run(create), grants)
    except AccountConflictError as error:
        raise ProblemError(409, str(error)) from error


@router.patch("/users/{number}", operation_id="changeUser", status_code=204)
async def change_user(request: Request, number: Number, change: UserChange) -> None:
    """Replace the rights of a user, or disable it."""
    grants = None if change.grants is None else _check_grants(request, change.grants)

    def apply(connection: Any) -> None:
        values: dict[str, Any] = {"grants": grants, "is_enabled": change.is_enabled}
        change_account(connection, number, **values, now=get_now(), actor=get_identity(request).name)

    try:
        await get_state(request).writing.run(apply)
    except LookupError as error:
        raise ProblemError(404, str(error)) from error
    except AccountConflictError as error:
        raise ProblemError(409, str(error)) from error


@router.post("/users/{number}/link", operation_id="createLink", status_code=201)
async def create_sign_in_link(request: Request, number: Number) -> SignInLink:
    """Create a link for one sign-in. It replaces the password of the user when it is used."""
    secret, now, actor = create_secret(LINK), get_now(), get_identity(request).name

    def create(connection: Any) -> None:
        load_account(connection, number)
        create_link(connection, hash_secret(secret), number, now, actor)

    try:
        await get_state(request).writing.run(create)
    except LookupError as error:
        raise ProblemError(404, str(error)) from error
    return SignInLink(link=secret, expires=now + LINK_LIFETIME)


def _check_grants(request: Request, documents: list[GrantDocument]) -> tuple[Grant, ...]:
    """Return grants that the sender may give. Raises ProblemError."""
    grants = tuple(document.to_grant() for document in documents)
    own = list_grants(get_identity(request), Permission.MANAGE_USERS)
    if not all(may_give(own, grant) for grant in grants):
        raise ProblemError(403, "A user gets no rights that the sender does not have.")
    return grants


def _describe(row: Any, grants: tuple[Grant, ...]) -> UserDocument:
    return UserDocument(
        id=row.id,
        name=row.name,
        issuer=row.issuer,
        subject=row.subject,
        is_enabled=row.is_enabled,
        created=to_moment(row.created),
        signed_in=to_optional_moment(row.signed_in),
        grants=[GrantDocument.describe(grant) for grant in grants],
    )
