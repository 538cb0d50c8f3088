"""Enrolment of clusters: a one-time token for the operator of a cluster, and credentials that it renews itself."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import Field

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.documents import ApiModel
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import Permission, list_grants
from kubekeep_server.auth.secrets import ENROLMENT, TOKEN, create_secret, hash_secret
from kubekeep_server.store.enrolments import (
    CREDENTIAL_LIFETIME,
    LIFETIME,
    ClusterMismatchError,
    create_enrolment,
    redeem_enrolment,
    renew_credential,
)

router: Final = APIRouter(prefix="/api/v1", tags=["enrolments"], responses=DOCUMENTED)
_ANY_CLUSTER: Final = "cluster/*"
Cluster = Annotated[str, Field(pattern=r"^cluster/[0-9A-Za-z-]{1,100}$")]


class NewEnrolment(ApiModel):
    """An enrolment. source: key of a cluster; null for one that is not known yet."""

    source: Cluster | None = None


class EnrolmentDocument(ApiModel):
    """A one-time token; it is not shown again."""

    token: str
    expires: dt.datetime


class Redemption(ApiModel):
    """The one-time token and the cluster that has it."""

    token: Annotated[str, Field(max_length=100)]
    source: Cluster


class CredentialDocument(ApiModel):
    """A token for one cluster."""

    token: str
    expires: dt.datetime


@router.post("/enrolments", operation_id="createEnrolment", status_code=201)
async def create(request: Request, new: NewEnrolment) -> EnrolmentDocument:
    """Create a one-time token for one cluster."""
    identity, secret, now = get_identity(request), create_secret(ENROLMENT), get_now()
    grants = list_grants(identity, Permission.ENROL)
    if not any(grant.covers(new.source or _ANY_CLUSTER) and not grant.namespaces for grant in grants):
        raise ProblemError(403, f"{identity.name} may not enrol {new.source or 'new clusters'}.")
    await get_state(request).writing.run(create_enrolment, hash_secret(secret), new.source, now, identity.name)
    return EnrolmentDocument(token=secret, expires=now + LIFETIME)


@router.post("/enrolments/redeem", operation_id="redeemEnrolment", status_code=201)
async def redeem(request: Request, redemption: Redemption) -> CredentialDocument:
    """Exchange a one-time token for the first credential of a cluster."""
    secret, now = create_secret(TOKEN), get_now()
    arguments = (hash_secret(redemption.token), redemption.source, hash_secret(secret), now)
    try:
        await get_state(request).writing.run(redeem_enrolment, *arguments)
    except LookupError as error:
        raise ProblemError(401, str(error)) from error
    except ClusterMismatchError as error:
        raise ProblemError(403, str(error)) from error
    return CredentialDocument(token=secret, expires=now + CREDENTIAL_LIFETIME)


@router.post("/credentials/renew", operation_id="renewCredential", status_code=201)
async def renew(request: Request) -> CredentialDocument:
    """Exchange the credential of a cluster, as the bearer token, for the next one."""
    secret, now = create_secret(TOKEN), get_now()
    _, _, bearer = request.headers.get("authorization", "").partition(" ")
    try:
        await get_state(request).writing.run(renew_credential, hash_secret(bearer.strip()), hash_secret(secret), now)
    except LookupError as error:
        raise ProblemError(401, str(error)) from error
    return CredentialDocument(token=secret, expires=now + CREDENTIAL_LIFETIME)
