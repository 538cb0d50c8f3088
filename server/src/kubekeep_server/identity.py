"""Identities and their rights: roles, each with a scope of sources. Values only."""

from __future__ import annotations

import datetime as dt
import enum
import re
from typing import Final

import msgspec

from kubekeep.model.scanned_source import covers_source

_SCOPE: Final = re.compile(r"\*|(cluster|repository|registry)/[\x21-\x29\x2b-\x7e]*\*?")
_LONGEST_SCOPE: Final = 500


class Role(enum.StrEnum):
    """A set of permissions; `auth.permissions` lists them."""

    ADMINISTRATOR = "administrator"
    MANAGER = "manager"
    AUDITOR = "auditor"
    VIEWER = "viewer"
    AGENT = "agent"


class Grant(msgspec.Struct, frozen=True):
    """A role in the sources of a scope.

    scope: `*`, the key of a source, or the beginning of keys with `*` at the end. namespaces: of clusters; empty for all.
    """

    role: Role
    scope: str
    namespaces: tuple[str, ...] = ()

    def covers(self, source: str) -> bool:
        """Return True if the scope contains the source with a key."""
        return covers_source(self.scope, source)

    def includes(self, other: Grant) -> bool:
        """Return True if the scope and the namespaces of another grant are a part of those of this one."""
        if self.namespaces and not (other.namespaces and set(other.namespaces) <= set(self.namespaces)):
            return False
        return self.covers(other.scope)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The sender of a request. key: digest of the secret. account: of the user; None for a token without one.

    is_session: True for a session of a browser, False for a token.
    """

    name: str
    key: bytes
    grants: tuple[Grant, ...]
    expires: dt.datetime
    account: int | None = None
    is_session: bool = False

    @property
    def role(self) -> Role | None:
        """The role with the most permissions; None without a grant."""
        ranks = list(Role)
        return min((grant.role for grant in self.grants), key=ranks.index, default=None)


def check_scope(text: str) -> str:
    """Return a valid scope. Raises ValueError."""
    if len(text) > _LONGEST_SCOPE or not _SCOPE.fullmatch(text):
        raise ValueError(
            f"{text!r} is no scope: use *, cluster/UID, repository/HOST/PATH or registry/HOST, with * at the end only"
        )
    return text
