"""Users, groups and service accounts of a cluster: what they may do there, and who may make a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from kubekeep.model.permissions import AccessRequest, BoundSubject
from kubekeep_server.api.answers import LONGEST_TEXT, Cursor, Limit, Text, read_in_scope
from kubekeep_server.api.problems import DOCUMENTED, ProblemError, convert_errors
from kubekeep_server.api.structs import describe_answer, respond
from kubekeep_server.store.permissions import load_permissions
from kubekeep_server.store.queries.identities import (
    IdentityFilter,
    IdentityPage,
    PermissionPage,
    SubjectKind,
    list_identities,
    list_permissions,
)
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT
from kubekeep_server.store.queries.permitted import PermittedPage, list_permitted

router: Final = APIRouter(prefix="/api/v1", tags=["identities"], responses=DOCUMENTED)
Source = Annotated[int, Query(ge=1, le=2**31 - 1, description="Number of the cluster or repository")]


async def read_filter(
    text: Text = "",
    kind: Literal["", "User", "Group", "ServiceAccount"] = "",
    namespace: Text = "",
    danger: Text = "",
    *,
    defaults: Annotated[bool, Query(description="With subjects that only Kubernetes itself has bound")] = False,
) -> IdentityFilter:
    """Return the filters of a list of subjects."""
    return IdentityFilter(text=text, kind=kind, namespace=namespace, danger=danger, has_defaults=defaults)


async def read_access(
    verb: Text,
    resource: Annotated[
        str, Query(max_length=LONGEST_TEXT, description="With its subresource, such as `pods/exec`")
    ] = "",
    group: Text = "",
    name: Text = "",
    path: Annotated[str, Query(max_length=LONGEST_TEXT, description="Instead of a resource, such as `/metrics`")] = "",
) -> AccessRequest:
    """Return the request to the API server that an operation is about."""
    if bool(resource) == bool(path):
        raise ProblemError(422, "A request is for a `resource` or for a `path`.")
    return AccessRequest(verb, group, resource, name, path)


@router.get(
    "/identities", operation_id="listIdentities", response_class=Response, responses=describe_answer(IdentityPage)
)
async def read_identities(
    request: Request,
    source: Source,
    selection: Annotated[IdentityFilter, Depends(read_filter)],
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the subjects of bindings, the most dangerous first, and the numbers of those with each dangerous permission."""
    return await _answer(request, source, list_identities, selection, cursor, limit)


@router.get(
    "/identities/permissions",
    operation_id="listIdentityPermissions",
    response_class=Response,
    responses=describe_answer(PermissionPage),
)
async def read_permissions(
    request: Request,
    source: Source,
    kind: SubjectKind,
    name: Text,
    namespace: Text = "",
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the rules that a subject has, also through groups that Kubernetes adds, with the binding that grants each."""
    if (kind == "ServiceAccount") != bool(namespace):
        raise ProblemError(422, "A service account has a `namespace`, users and groups have none.")
    return await _answer(request, source, list_permissions, BoundSubject(kind, name, namespace), cursor, limit)


@router.get(
    "/identities/permitted",
    operation_id="listPermittedIdentities",
    response_class=Response,
    responses=describe_answer(PermittedPage),
)
async def read_permitted(
    request: Request,
    source: Source,
    access: Annotated[AccessRequest, Depends(read_access)],
    namespace: Annotated[
        str, Query(max_length=LONGEST_TEXT, description="Empty for all, and for resources of none")
    ] = "",
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the subjects that may make a request, with the binding that permits it."""
    return await _answer(request, source, list_permitted, access, namespace, cursor, limit)


async def _answer(request: Request, source: int, function: Callable[..., Any], *arguments: Any) -> Response:
    """Return the result of a function on the roles and bindings of a source, in a thread: large ones take long."""
    content = await read_in_scope(request, load_permissions, source)
    with convert_errors():
        return respond(request, await asyncio.to_thread(function, content, *arguments))
