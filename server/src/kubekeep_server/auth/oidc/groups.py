"""Groups of a user at an OpenID provider. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kubekeep_server.auth.oidc.errors import SignInRefusedError

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
