"""Where a value of a document stands, and what editing it needs. Never edits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from kubekeep.fixes.edits.change import Branch
from kubekeep.fixes.edits.style import Style
from kubekeep.fixes.edits.syntax import Node


class Slot(msgspec.Struct, frozen=True):
    """Where a value stands.

    `lead` is the index after its colon or dash, or None without one; `column` is that of the key, or of what follows
    the dash. Between brackets `indent` is that of the entry if each has a line of its own, and `step` what one level
    adds; `compact` says that there are no spaces.
    """

    node: Node
    value: Any
    lead: int | None
    column: int = 0
    is_item: bool = False
    in_flow: bool = False
    indent: str | None = None
    step: str = "  "
    compact: bool = False


class Edits(Protocol):
    """The edits of one document as they are being made."""

    text: str
    style: Style

    def entry(self, slot: Slot, branch: Branch) -> None:
        """Change a value that an entry or item has."""

    def merged(self, alias: Node, branch: Branch, alone: Callable[[], None]) -> None:
        """Change what a merge key takes over from `alias`, for all or by `alone`."""

    def built(self, branch: Branch) -> Any:
        """The value that changes make where nothing is; ABSENT, and they are given up, if they remove."""

    def refuse(self, branch: Branch, reason: str) -> None:
        """Give up all changes of `branch`."""

    def splice(self, start: int, end: int, text: str, changes: list[int]) -> None:
        """Replace a piece of the text."""

    def lead(self, key: Node) -> int:
        """The index after the colon of a key. Raises RefusedError for a key that is not simple."""
