"""The identity of the sender of a request."""

from __future__ import annotations

import datetime as dt
from typing import Final

from fastapi import APIRouter, Request

from kubekeep_server.api.access import get_identity, get_session_secret
from kubekeep_server.api.documents import ApiModel, GrantDocument
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.auth.secrets import derive_csrf_token
from kubekeep_server.identity import Identity, Role

router: Final = APIRouter(prefix="/api/v1", tags=["identity"], responses=DOCUMENTED)


class IdentityDocument(ApiModel):
    """An identity. role: with the most permissions; null without one. csrfToken: header of a session's changes."""

    name: str
    role: Role | None
    scopes: list[str]
    grants: list[GrantDocument]
    expires: dt.datetime
    csrf_token: str | None = None


@router.get("/identity", operation_id="getIdentity")
async def read_identity(request: Request) -> IdentityDocument:
    """Return the name, the role and the scopes of the token or the session of this request."""
    identity = get_identity(request)
    csrf_token = derive_csrf_token(get_session_secret(request)) if identity.is_session else None
    return describe_identity(identity, csrf_token)


def describe_identity(identity: Identity, csrf_token: str | None = None) -> IdentityDocument:
    """Return the document of an identity."""
    return IdentityDocument(
        name=identity.name,
        role=identity.role,
        scopes=sorted({grant.scope for grant in identity.grants}),
        grants=[GrantDocument.describe(grant) for grant in identity.grants],
        expires=identity.expires,
        csrf_token=csrf_token,
    )
