"""Rules of notifications, with a preview of their messages."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import Field

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.destinations import CreatedNumber, Number, load_author
from kubekeep_server.api.documents import ApiModel, Name
from kubekeep_server.api.problems import DOCUMENTED, ProblemError, convert_errors
from kubekeep_server.api.server_state import get_address, get_state
from kubekeep_server.api.structs import describe_answer, respond
from kubekeep_server.auth.permissions import Permission, has_whole_scope, list_grants
from kubekeep_server.notifications.composition import Frame, compose_changes, compose_digest
from kubekeep_server.notifications.messages import write_plain
from kubekeep_server.store import notification_rules
from kubekeep_server.store.destinations import Author
from kubekeep_server.store.notification_rules import NewRule, Rule
from kubekeep_server.store.queries.due_findings import list_selected_due
from kubekeep_server.store.queries.event_changes import find_newest_changes
from kubekeep_server.store.queries.pages import Document, Page
from kubekeep_server.store.rule_documents import Digest, Grouping, RuleDocument, RuleEvent
from kubekeep_server.store.scopes import run_in_scope

router: Final = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], responses=DOCUMENTED)
_LONGEST: Final = 1_024
_MOST: Final = 100
Level = Literal["unknown", "low", "medium", "high", "critical"]
Values = list[Annotated[str, Field(max_length=_LONGEST)]]
Levels = list[Level]
Clock = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class FilterInput(ApiModel):
    """Filters of findings, as in the list of findings; sources are scopes, such as `cluster/*`."""

    sources: Values = Field(default=[], max_length=_MOST)
    namespaces: Values = Field(default=[], max_length=_MOST)
    kinds: Values = Field(default=[], max_length=_MOST)
    names: Values = Field(default=[], max_length=_MOST)
    owners: Values = Field(default=[], max_length=_MOST)
    labels: Values = Field(default=[], max_length=_MOST)
    definitions: Values = Field(default=[], max_length=_MOST)
    definition_kinds: Values = Field(default=[], max_length=_MOST)
    priorities: Levels = Field(default=[], max_length=_MOST)
    severities: Levels = Field(default=[], max_length=_MOST)
    text: Annotated[str, Field(max_length=_LONGEST)] = ""
    exposed: bool | None = None


class QuietHoursInput(ApiModel):
    """A time of each day in which nothing is sent."""

    start: Clock
    end: Clock


class RuleDocumentInput(ApiModel):
    """The selection of a rule, and the times of its messages."""

    events: Annotated[list[RuleEvent], Field(min_length=1, max_length=_MOST)]
    filter: FilterInput = FilterInput()
    grouping: Grouping = Grouping.DEFINITION
    grouping_minutes: Annotated[int, Field(ge=0, le=1_440)] = 10
    quiet_hours: QuietHoursInput | None = None
    digest: Digest | None = None
    digest_hour: Annotated[int, Field(ge=0, le=23)] = 8
    zone: Annotated[str, Field(max_length=100)] = "UTC"
    silent_hours: Annotated[int, Field(ge=1, le=8_784)] = 48


class RuleInput(ApiModel):
    """A rule. destination: its number."""

    name: Name
    destination: Annotated[int, Field(ge=1, le=2**31 - 1)]
    document: RuleDocumentInput
    is_enabled: bool = True


class RuleRow(Document, frozen=True, kw_only=True):
    """A rule. hasAuthor: False if its author has no access any more, so that it sends nothing."""

    id: int
    name: str
    destination: int
    is_enabled: bool
    document: RuleDocument
    author: str
    has_author: bool
    created: dt.datetime


class RulePreview(ApiModel):
    """The message for the newest event of a rule. title: empty if there is no event yet."""

    title: str
    text: str


@router.get("/rules", operation_id="listRules", response_class=Response, responses=describe_answer(Page[RuleRow]))
async def list_all(request: Request) -> Response:
    """Return all rules by name."""
    rows = await get_state(request).reading.run(notification_rules.list_rules, get_now())
    return respond(request, Page(tuple(_describe(row) for row in rows)))


@router.post("/rules", operation_id="createRule", status_code=201)
async def create(request: Request, new: RuleInput) -> CreatedNumber:
    """Create a rule. Its messages have what its author may see at the time of sending."""
    checked, author = _check(new), await load_author(request)
    try:
        number = await get_state(request).writing.run(notification_rules.create_rule, checked, author, get_now())
    except LookupError as error:
        raise ProblemError(422, f"{str(error).capitalize()}.") from error
    except ValueError as error:
        raise ProblemError(409, f"{str(error).capitalize()}.") from error
    return CreatedNumber(id=number)


@router.put("/rules/{number}", operation_id="changeRule", status_code=204)
async def change(request: Request, number: Number, new: RuleInput) -> None:
    """Replace a rule; the sender becomes its author. Only its author and users with a scope of everything may."""
    checked, author = _check(new), await load_author(request)
    await _require_author(request, number, author)
    with convert_errors(409):
        await get_state(request).writing.run(notification_rules.change_rule, number, checked, author, get_now())


@router.delete("/rules/{number}", operation_id="deleteRule", status_code=204)
async def delete(request: Request, number: Number) -> None:
    """Delete a rule with its messages. Only its author and users with a scope of everything may."""
    author = await load_author(request)
    await _require_author(request, number, author)
    try:
        await get_state(request).writing.run(notification_rules.delete_rule, number, author, get_now())
    except LookupError as error:
        raise ProblemError(404, f"{str(error).capitalize()}.") from error


@router.post("/rules/preview", operation_id="previewRule")
async def preview(request: Request, document: RuleDocumentInput) -> RulePreview:
    """Return the message for the newest event that a rule of the sender would select; sends nothing."""
    checked, state = _convert(document), get_state(request)
    grants = list_grants(get_identity(request), Permission.READ)
    read = functools.partial(run_in_scope, may_collect=True)
    changes = await state.reading.run(read, grants, find_newest_changes, checked)
    now = get_now()
    due = None
    if RuleEvent.FINDING_DUE in checked.events:
        due = await state.reading.run(read, grants, list_selected_due, checked.filter, now)
    frame = Frame(id="preview", rule=0, rule_name="", address=get_address(request), moment=now)
    if due is not None:
        message = compose_digest(frame, [changes] if changes is not None else [], (), due)
    elif changes is not None:
        message = compose_changes(frame, changes, "")
    else:
        return RulePreview(title="", text="")
    return RulePreview(title=message.title, text=write_plain(message))


async def _require_author(request: Request, number: int, author: Author) -> None:
    try:
        rule = await get_state(request).reading.run(notification_rules.find_rule, number, get_now())
    except LookupError as error:
        raise ProblemError(404, f"{str(error).capitalize()}.") from error
    is_own = (rule.account, rule.token) == (author.account, author.token)
    if not is_own and not has_whole_scope(get_identity(request), Permission.MANAGE_NOTIFICATIONS):
        raise ProblemError(403, "Only its author and users whose scope is everything may change a rule.")


def _check(new: RuleInput) -> NewRule:
    return NewRule(
        name=new.name, destination=new.destination, document=_convert(new.document), is_enabled=new.is_enabled
    )


def _convert(document: RuleDocumentInput) -> RuleDocument:
    """Return a rule's document. Raises ProblemError."""
    try:
        converted = msgspec.convert(document.model_dump(mode="json", by_alias=True), RuleDocument)
        converted.check()
    except ValueError as error:
        raise ProblemError(422, f"The rule cannot be used: {error}.") from error
    return converted


def _describe(rule: Rule) -> RuleRow:
    return RuleRow(
        id=rule.id,
        name=rule.name,
        destination=rule.destination,
        is_enabled=rule.is_enabled,
        document=rule.document,
        author=rule.author,
        has_author=bool(rule.grants),
        created=rule.created,
    )
