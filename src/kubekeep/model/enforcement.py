"""What an admission policy of a cluster does about a control: whether it is bound, and what comes of it. Values only."""

from __future__ import annotations

from typing import Final

import msgspec

DENY: Final = "Deny"
"""The action that keeps an object out; the others only tell of it."""


class Enforcement(msgspec.Struct, frozen=True, kw_only=True):
    """A ValidatingAdmissionPolicy that asks what a control asks.

    `bound` says whether a binding names it: without one it does nothing. `actions` are those of all its bindings
    together. `partial` says that the policy, or the bindings that bring one of the actions, leave some objects out.
    """

    policy: str
    bound: bool = False
    actions: tuple[str, ...] = ()
    partial: bool = False

    @property
    def denies(self) -> bool:
        """Whether it keeps objects out."""
        return DENY in self.actions
