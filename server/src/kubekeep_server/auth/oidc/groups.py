"""Groups of a user at an OpenID provider, and the grants that the settings give to them. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kubekeep_server.auth.oidc.errors import SignInRefusedError
from kubekeep_server.identity import Grant, Role, check_scope

_MAX_GROUPS: Final = 10_000
_LONGEST_GROUP: Final = 1_000


def read_groups(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """Return the groups of a claim, sorted; empty without the claim.

    Some providers write one group as a string. Names with control characters, which no settings contain, are left out.
    Raises SignInRefusedError for another value.
    """
    value = claims.get(claim, [])
    groups = [value] if isinstance(value, str) else value
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise SignInRefusedError(f"the claim {claim} is no list of groups")
    if len(groups) > _MAX_GROUPS or any(len(group) > _LONGEST_GROUP for group in groups):
        raise SignInRefusedError(f"the claim {claim} has more than {_MAX_GROUPS:,} groups, or a name that is too long")
    return tuple(sorted({group for group in groups if group and group.isprintable()}))


def parse_roles(roles: Mapping[str, Iterable[str]]) -> dict[str, tuple[Grant, ...]]:
    """Return grants by group. roles: by group, `ROLE SCOPE`, such as `viewer cluster/*`. Raises ValueError."""
    return {group: tuple(_parse_grant(group, text) for text in texts) for group, texts in roles.items()}


def select_grants(groups: Iterable[str], roles: Mapping[str, tuple[Grant, ...]]) -> tuple[Grant, ...]:
    """Return the grants of all groups, each once."""
    return tuple(dict.fromkeys(grant for group in groups for grant in roles.get(group, ())))


def _parse_grant(group: str, text: str) -> Grant:
    role, _, scope = text.partition(" ")
    try:
        return Grant(Role(role), check_scope(scope))
    except ValueError as error:
        raise ValueError(f"group {group}: {text!r} is not ROLE SCOPE: {error}") from error
