"""Decisions on findings: made, approved, ended and commented by people, and applied by scans."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, Field, StrictBool

from kubekeep.model.decision import DecisionEntry, DecisionKind, DecisionScope, DecisionState
from kubekeep.model.errors import KubekeepError
from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.answers import Cursor, Limit, read_in_scope
from kubekeep_server.api.documents import ApiModel, Name
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_address, get_state
from kubekeep_server.api.structs import describe_answer, respond
from kubekeep_server.api.submissions import JSON
from kubekeep_server.auth.permissions import Permission, list_grants, may_decide, may_read_decision
from kubekeep_server.identity import Identity, check_scope
from kubekeep_server.store.decision_documents import DecisionFile, Publisher, write_exceptions, write_statements
from kubekeep_server.store.decision_effects import WideDecisionError
from kubekeep_server.store.decisions import (
    DecisionConflictError,
    DecisionWork,
    NewDecision,
    NoPersonError,
    Person,
    add_comment,
    answer_decision,
    change_work,
    end_decision,
    make_decision,
    refresh_images,
)
from kubekeep_server.store.queries.decision_exports import ExportedDecision, load_exports
from kubekeep_server.store.queries.decisions import (
    DecisionFilter,
    DecisionPage,
    DecisionRow,
    get_decision,
    list_decisions,
    list_in_force,
)
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page
from kubekeep_server.store.urgency import SEVERITIES

router: Final = APIRouter(prefix="/api/v1", tags=["decisions"], responses=DOCUMENTED)
_LONGEST_TEXT: Final = 4_096
_MOST_LINKS: Final = 10
_DEFAULT_TIME: Final = dt.timedelta(days=90)
_EMPTY: Final = ""
_OMITTED: Final = "Kubekeep-Omitted"
_HEADERS: Final = {
    _OMITTED: {
        "description": "Numbers of the decisions that the format cannot express, with commas",
        "schema": {"type": "string"},
    }
}
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Result = TypeVar("Result")


def _check_text(text: str) -> str:
    # PostgreSQL stores no NUL.
    if "\0" in text:
        raise ValueError("A text has no NUL character")
    return text.strip()


def _check_link(text: str) -> str:
    address = urlsplit(text)
    if address.scheme not in {"https", "http"} or not address.hostname or "@" in address.netloc:
        raise ValueError(
            "A link is an address that begins with https:// or http://, without a user name and a password"
        )
    return text


Link = Annotated[str, Field(max_length=2_000, pattern=r"^[\x21-\x7e]+$"), AfterValidator(_check_link)]
Text = Annotated[str, Field(max_length=_LONGEST_TEXT), AfterValidator(_check_text)]
Reason = Annotated[str, Field(min_length=1, max_length=_LONGEST_TEXT, pattern=r"\S"), AfterValidator(_check_text)]
Value = Annotated[str, Field(min_length=1, max_length=1_024), AfterValidator(_check_text)]
Source = Annotated[str, AfterValidator(check_scope)]
Digest = Annotated[str, Field(pattern=r"^sha(256|512):[0-9a-f]{64,128}$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
PackageName = Annotated[str, Field(pattern=r"^pkg:[^@?#\s]+$", max_length=1_024)]


class DecisionFormat(enum.StrEnum):
    """Formats of a file of decisions: exceptions as Kubekeep and Kubescape read them, OpenVEX 0.2.0, CycloneDX 1.6, CSAF 2.0."""

    EXCEPTIONS = "exceptions"
    OPENVEX = "openvex"
    CYCLONEDX = "cyclonedx"
    CSAF = "csaf"


class DecisionScopeDocument(ApiModel):
    """Findings of definitions; each other field that is not empty limits them.

    definitions: keys, such as `C-0016` or `CVE-2021-44228`. sources: `*`, keys of sources, and beginnings of keys with `*` at the
    end. namespaces, kinds, names: of subjects. images: digests. repositories: of images. packages: package URLs without version.
    """

    definitions: Annotated[list[Value], Field(min_length=1, max_length=100)]
    sources: list[Source] = Field(default=["*"], min_length=1, max_length=100)
    namespaces: list[Value] = Field(default=[], max_length=100)
    kinds: list[Value] = Field(default=[], max_length=100)
    names: list[Value] = Field(default=[], max_length=100)
    fingerprints: list[Fingerprint] = Field(default=[], max_length=100)
    images: list[Digest] = Field(default=[], max_length=100)
    repositories: list[Value] = Field(default=[], max_length=100)
    packages: list[PackageName] = Field(default=[], max_length=100)

    def to_scope(self) -> DecisionScope:
        """Return the scope, sorted and without repetitions."""
        return DecisionScope(**{name: tuple(sorted(set(values))) for name, values in self.model_dump().items()})


class DecisionWorkDocument(ApiModel):
    """Work that a decision is about. due: for the owner. links: addresses of tickets and pull requests, `https` or `http`."""

    owner: Name | None = None
    due: AwareDatetime | None = None
    links: list[Link] = Field(default=[], max_length=_MOST_LINKS)

    def to_work(self) -> DecisionWork:
        """Return the work, with each link once."""
        return DecisionWork(self.owner or "", self.due, tuple(dict.fromkeys(self.links)))


class DecisionDraft(DecisionWorkDocument):
    """A decision to make. expires: in 90 days without it."""

    kind: DecisionKind
    scope: DecisionScopeDocument
    reason: Reason
    expires: AwareDatetime | None = None


class DecisionAnswer(ApiModel):
    """The answer of a second person to a decision."""

    is_approved: StrictBool
    comment: Text = _EMPTY


class CommentDraft(ApiModel):
    """A comment on a decision."""

    text: Reason


class DecisionEnd(ApiModel):
    """The reason why a decision ends before its time."""

    comment: Text = _EMPTY


class CreatedDecision(ApiModel):
    """The number and the state of a new decision."""

    id: int
    state: DecisionState


@router.get(
    "/decisions", operation_id="listDecisions", response_class=Response, responses=describe_answer(Page[DecisionRow])
)
async def read_decisions(
    request: Request,
    state: Annotated[list[DecisionState], Query(max_length=10)] = [],  # noqa: B006 - FastAPI copies it
    kind: Annotated[list[DecisionKind], Query(max_length=10)] = [],  # noqa: B006
    owner: Annotated[str, Query(max_length=200)] = "",
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the decisions on findings that the identity may see, the newest first. owner: the whole name."""
    selection = DecisionFilter(tuple(state), tuple(kind), owner)
    is_visible = see_decisions(get_identity(request))
    try:
        page = await get_state(request).reading.run(list_decisions, selection, is_visible, cursor, limit)
    except ValueError as error:
        raise ProblemError(422, str(error)) from error
    return respond(request, page)


@router.get(
    "/decisions/in-force",
    operation_id="listDecisionsInForce",
    response_class=Response,
    responses=describe_answer(tuple[DecisionEntry, ...]),
)
async def read_in_force(request: Request, source: Annotated[str, Query(max_length=2_000)]) -> Response:
    """Return the decisions that cover findings of a source or problems of images, for a scan of the source. source: its key."""
    _check_source(get_identity(request), source)
    return respond(request, await get_state(request).reading.run(list_in_force, source))


@router.get(
    "/decisions/export",
    operation_id="exportDecisions",
    response_class=Response,
    responses={200: {"description": "The file", "content": {JSON: {"schema": {}}}, "headers": _HEADERS}},
)
async def export_decisions(
    request: Request,
    format: DecisionFormat = DecisionFormat.EXCEPTIONS,
    source: Annotated[str, Query(max_length=2_000)] = "",
) -> Response:
    """Return the decisions in force as a file: those on all sources, and with `source`, the key of one, those on that source too."""
    identity = get_identity(request)
    if source:
        _check_source(identity, source)
    is_visible = see_decisions(identity)

    def is_selected(scope: DecisionScope) -> bool:
        return is_visible(scope) and (scope.has_every_source or scope.selects_source(source))

    decisions = await read_in_scope(request, load_exports, is_selected)
    publisher = Publisher(f"Kubekeep server {get_address(request)}", get_address(request), get_now())
    async with get_state(request).conversions:
        try:
            file = await asyncio.to_thread(_write_file, decisions, format, publisher)
        except LookupError as error:
            raise ProblemError(404, f"{str(error).capitalize()}.") from error
        except (KubekeepError, ValueError) as error:
            raise ProblemError(422, f"The format cannot express the decisions: {error}") from error
    name = "exceptions.json" if format is DecisionFormat.EXCEPTIONS else f"decisions.{format}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', _OMITTED: ",".join(map(str, file.omitted))}
    return Response(file.content, media_type=JSON, headers=headers)


@router.get(
    "/decisions/{number}",
    operation_id="getDecision",
    response_class=Response,
    responses=describe_answer(DecisionPage),
)
async def read_decision(request: Request, number: Number) -> Response:
    """Return a decision with its comments, and the numbers of findings that it covers."""
    return respond(request, await _load(request, number))


@router.post("/decisions", operation_id="createDecision", status_code=201)
async def create(request: Request, draft: DecisionDraft) -> CreatedDecision:
    """Make a decision. It is in force at once, or waits for the approval of another person."""
    identity, state, now = get_identity(request), get_state(request), get_now()
    scope, expires = draft.scope.to_scope(), draft.expires or now + _DEFAULT_TIME
    _check_scope(identity, scope)
    longest = now + dt.timedelta(days=state.settings.decision_days)
    if not now < expires <= longest:
        raise ProblemError(422, f"`expires` must be after now, and not after {longest:%Y-%m-%d}.")
    approval = state.settings.decision_approval
    new = NewDecision(
        kind=draft.kind,
        scope=scope,
        reason=draft.reason,
        expires=expires,
        work=draft.to_work(),
        approval_level=SEVERITIES.get(approval),
    )
    number = await _change(request, make_decision, new, _describe_person(identity), now)
    return CreatedDecision(id=number, state=(await _load(request, number)).state)


@router.post("/decisions/{number}/answer", operation_id="answerDecision", status_code=204)
async def answer(request: Request, number: Number, document: DecisionAnswer) -> None:
    """Approve or reject a decision that another person has made."""
    person = await _check_decision(request, number)
    values = {"is_approved": document.is_approved, "comment": document.comment}
    await _change(request, answer_decision, number, person, get_now(), **values)


@router.post("/decisions/{number}/end", operation_id="endDecision", status_code=204)
async def end(request: Request, number: Number, document: DecisionEnd) -> None:
    """End a decision before it expires: its findings count again."""
    person = await _check_decision(request, number)
    await _change(request, end_decision, number, person, get_now(), document.comment)


@router.post("/decisions/{number}/comments", operation_id="commentDecision", status_code=204)
async def comment(request: Request, number: Number, document: CommentDraft) -> None:
    """Add a comment to a decision."""
    person = await _check_decision(request, number)
    await get_state(request).writing.run(add_comment, number, person.name, get_now(), document.text)


@router.put("/decisions/{number}/work", operation_id="setDecisionWork", status_code=204)
async def set_work(request: Request, number: Number, document: DecisionWorkDocument) -> None:
    """Replace owner, due date and links of a decision: assign it to somebody else, or name the ticket and the pull request."""
    person = await _check_decision(request, number)
    await _change(request, change_work, number, document.to_work(), person, get_now())


def _write_file(decisions: tuple[ExportedDecision, ...], format_: DecisionFormat, publisher: Publisher) -> DecisionFile:
    if format_ is DecisionFormat.EXCEPTIONS:
        return write_exceptions(decisions)
    return write_statements(decisions, format_.value, publisher)


def _check_source(identity: Identity, source: str) -> None:
    if not any(grant.covers(source) for grant in identity.grants):
        raise ProblemError(403, f"{identity.name} may not read decisions on {source}.")


def see_decisions(identity: Identity) -> Callable[[DecisionScope], bool]:
    """Return the function that tells if an identity may read a decision with a scope."""
    grants = list_grants(identity, Permission.READ)
    return lambda scope: may_read_decision(grants, scope)


async def _load(request: Request, number: int) -> DecisionPage:
    try:
        page = await get_state(request).reading.run(get_decision, number)
    except LookupError as error:
        raise ProblemError(404, f"{str(error).capitalize()}.") from error
    if not see_decisions(get_identity(request))(page.scope):
        raise ProblemError(404, f"There is no decision {number}.")
    return page


async def _check_decision(request: Request, number: int) -> Person:
    """Return the sender, who may change a decision. Raises ProblemError."""
    identity = get_identity(request)
    _check_scope(identity, (await _load(request, number)).scope)
    return _describe_person(identity)


def _check_scope(identity: Identity, scope: DecisionScope) -> None:
    if not may_decide(identity, scope):
        parts = [*scope.sources, *(f"namespace {name}" for name in scope.namespaces)]
        raise ProblemError(403, f"{identity.name} may not decide on all findings of {', '.join(parts)}.")


def _describe_person(identity: Identity) -> Person:
    return Person(identity.name, identity.account)


async def _change(request: Request, change: Callable[..., Result], *arguments: Any, **values: Any) -> Result:
    """Run a change, then refresh the first images that it concerns; the others follow in the background."""
    writing = get_state(request).writing

    def apply(connection: Any) -> Result:
        return change(connection, *arguments, **values)

    try:
        result = await writing.run(apply)
    except LookupError as error:
        raise ProblemError(404, f"{str(error).capitalize()}.") from error
    except NoPersonError as error:
        raise ProblemError(403, f"{str(error).capitalize()}.") from error
    except (DecisionConflictError, WideDecisionError) as error:
        raise ProblemError(409, f"{str(error).capitalize()}.") from error
    except ValueError as error:
        raise ProblemError(422, f"{str(error).capitalize()}.") from error
    await writing.run(refresh_images, get_now())
    return result
