"""Enforcement of a control by admission policies of a cluster: bindings and actions. Values only."""

from __future__ import annotations

from typing import Final

import msgspec

DENY: Final = "Deny"
"""The action that rejects an object; all others only report it."""


class Enforcement(msgspec.Struct, frozen=True, kw_only=True):
    """A ValidatingAdmissionPolicy that checks the same as a control.

    `is_bound` is true if a binding refers to the policy; without one it has no effect. `actions` are the actions of all
    its bindings. `is_partial` is true if the policy, or the bindings for one of the actions, exclude some objects.
    """

    policy: str
    is_bound: bool = False
    actions: tuple[str, ...] = ()
    is_partial: bool = False

    @property
    def denies(self) -> bool:
        """True if the policy rejects objects."""
        return DENY in self.actions
