"""Rules of notifications with their authors, whose scope limits what the destinations get."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, delete, insert, or_, select, update

from kubekeep.model.text import encode_json
from kubekeep_server.identity import Grant, Identity, Role
from kubekeep_server.store.deliveries import remove_deliveries
from kubekeep_server.store.destinations import Author, NameTakenError, find_destination
from kubekeep_server.store.grants import load_account_grants, load_token_grants
from kubekeep_server.store.identity_schema import account, api_token
from kubekeep_server.store.notification_schema import delivery, notification_rule
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.rule_documents import RuleDocument


class NewRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule. destination: its number."""

    name: str
    destination: int
    document: RuleDocument
    is_enabled: bool = True


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in the store. account, token: of the author; one of them is None. grants: that the author has now."""

    id: int
    name: str
    destination: int
    is_enabled: bool
    document: RuleDocument
    author: str
    account: int | None
    token: int | None
    created: dt.datetime
    grants: tuple[Grant, ...]

    def list_grants(self, roles: frozenset[Role]) -> tuple[Grant, ...]:
        """Return the author's grants of some roles."""
        return tuple(grant for grant in self.grants if grant.role in roles)


def describe_author(connection: Connection, identity: Identity) -> Author:
    """Return the author of what an identity makes: its user, or the token if that has grants of its own."""
    if identity.is_session:
        return Author(identity.name, identity.account)
    number = connection.execute(select(api_token.c.id).where(api_token.c.digest == identity.key)).scalar_one()
    if identity.account is not None and not load_token_grants(connection, number):
        return Author(identity.name, identity.account)
    return Author(identity.name, token=number)


def list_rules(connection: Connection, now: dt.datetime) -> list[Rule]:
    """Return all rules by name."""
    return [_describe(connection, row) for row in connection.execute(_select(now).order_by(notification_rule.c.name))]


def find_rule(connection: Connection, number: int, now: dt.datetime) -> Rule:
    """Return a rule. Raises LookupError."""
    row = connection.execute(_select(now).where(notification_rule.c.id == number)).first()
    if row is None:
        raise LookupError(f"there is no rule {number}")
    return _describe(connection, row)


def create_rule(connection: Connection, new: NewRule, author: Author, now: dt.datetime) -> int:
    """Store a rule and return its number. Raises LookupError without its destination, and NameTakenError."""
    find_destination(connection, new.destination)
    _check_name(connection, new.name, None)
    row = {**_encode(new, author), "created": to_number(now)}
    table = notification_rule
    number = connection.execute(insert(table).values(**row).returning(table.c.id)).scalar_one()
    append_entry(connection, now, author.name, "created rule", id=number, name=new.name, destination=new.destination)
    return int(number)


def change_rule(connection: Connection, number: int, new: NewRule, author: Author, now: dt.datetime) -> None:
    """Replace a rule, whose messages have the scope of its last author from now on.

    Raises LookupError without the rule or its destination, and NameTakenError.
    """
    find_rule(connection, number, now)
    find_destination(connection, new.destination)
    _check_name(connection, new.name, number)
    table = notification_rule
    connection.execute(update(table).where(table.c.id == number).values(**_encode(new, author)))
    append_entry(connection, now, author.name, "changed rule", id=number, name=new.name, destination=new.destination)


def delete_rule(connection: Connection, number: int, author: Author, now: dt.datetime) -> None:
    """Delete a rule with its messages. Raises LookupError."""
    rule = find_rule(connection, number, now)
    remove_deliveries(connection, delivery.c.rule == number)
    connection.execute(delete(notification_rule).where(notification_rule.c.id == number))
    append_entry(connection, now, author.name, "deleted rule", id=number, name=rule.name)


def _select(now: dt.datetime) -> Select[Any]:
    """Return the query of rules, with True for authors that may sign in."""
    is_valid_token = and_(api_token.c.revoked.is_(None), api_token.c.expires > to_number(now))
    is_active = or_(
        and_(notification_rule.c.account.is_not(None), account.c.is_enabled),
        and_(notification_rule.c.account.is_(None), is_valid_token),
    )
    return (
        select(notification_rule, is_active.label("is_active"))
        .outerjoin(account, account.c.id == notification_rule.c.account)
        .outerjoin(api_token, api_token.c.id == notification_rule.c.token)
    )


def _describe(connection: Connection, row: Any) -> Rule:
    grants: tuple[Grant, ...] = ()
    if row.is_active and row.account is not None:
        grants = load_account_grants(connection, row.account)
    elif row.is_active:
        grants = load_token_grants(connection, row.token)
    return Rule(
        id=row.id,
        name=row.name,
        destination=row.destination,
        is_enabled=row.is_enabled,
        document=msgspec.json.decode(row.document, type=RuleDocument),
        author=row.author,
        account=row.account,
        token=row.token,
        created=to_moment(row.created),
        grants=grants,
    )


def _encode(new: NewRule, author: Author) -> dict[str, Any]:
    return {
        "name": new.name,
        "destination": new.destination,
        "is_enabled": new.is_enabled,
        "document": encode_json(new.document),
        "author": author.name,
        "account": author.account,
        "token": author.token,
    }


def _check_name(connection: Connection, name: str, number: int | None) -> None:
    query = select(notification_rule.c.id).where(notification_rule.c.name == name)
    if connection.execute(query).scalar() not in (None, number):
        raise NameTakenError(name)
