"""Answers from the store in the scope of the identity, and the parameters that several operations have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Path, Query, Request, Response

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.problems import convert_errors
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.structs import respond
from kubekeep_server.auth.permissions import Permission, list_grants
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.queries.pages import MAX_LIMIT
from kubekeep_server.store.scopes import UnstoredScopeError, run_in_scope
from kubekeep_server.store.stored_scopes import store_scope

T = TypeVar("T")
_LONGEST_CURSOR: Final = 4_096
LONGEST_TEXT: Final = 1_024
MOST_VALUES: Final = 100
Cursor = Annotated[str, Query(max_length=_LONGEST_CURSOR, description="Of the page before; empty for the first one")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
SourceNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]
SourceNumbers = Annotated[list[Annotated[int, Query(ge=1, le=2**31 - 1)]], Query(max_length=MOST_VALUES)]
Text = Annotated[str, Query(max_length=LONGEST_TEXT)]
Values = Annotated[list[Annotated[str, Query(max_length=LONGEST_TEXT)]], Query(max_length=MOST_VALUES)]
SubjectKey = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


async def read_in_scope(request: Request, function: Callable[..., T], *arguments: Any) -> T:
    """Return the result of a query, which gets a connection, the scope of the identity and the arguments.

    Raises ProblemError with status 404 for LookupError, and 422 for ValueError.
    """
    grants = list_grants(get_identity(request), Permission.READ)
    state = get_state(request)
    with convert_errors():
        try:
            return await state.reading.run(run_in_scope, grants, function, *arguments)
        except UnstoredScopeError as error:
            await state.writing.run(store_scope, error.scope, to_number(get_now()), is_long=True)
            # A source that was added meanwhile makes another scope, which the next request stores.
            read = functools.partial(run_in_scope, may_collect=True)
            return await state.reading.run(read, grants, function, *arguments)


async def answer(request: Request, function: Callable[..., Any], *arguments: Any) -> Response:
    """Return the answer with the result of a query. Raises what `read_in_scope` raises."""
    return respond(request, await read_in_scope(request, function, *arguments))
