"""The position of a value in a document, and the interface for editing it. Never edits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from kubekeep.fixes.edits.change import ChangeTree
from kubekeep.fixes.edits.style import Style
from kubekeep.fixes.edits.syntax import Node


class Slot(msgspec.Struct, frozen=True):
    """The position of a value.

    lead: index after its colon or dash, None without one. column: column of the key, or of the text after the dash. In
    brackets, indent: indentation of the entry if each has its own line; step: indentation of one level; compact: no
    spaces.
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


class DocumentEdits(Protocol):
    """Interface of the edits of one document."""

    text: str
    style: Style

    def edit_entry(self, slot: Slot, tree: ChangeTree) -> None:
        """Change the value of an entry or item."""

    def edit_merged(self, alias: Node, tree: ChangeTree, alone: Callable[[], None]) -> None:
        """Change values that a merge key takes from an alias, for all users or by `alone`."""

    def build_value(self, tree: ChangeTree) -> Any:
        """Return the value that changes create where there is none; ABSENT, and refuse them, if they remove."""

    def refuse(self, tree: ChangeTree, reason: str) -> None:
        """Refuse all changes of a tree."""

    def splice(self, start: int, end: int, text: str, changes: list[int]) -> None:
        """Replace a piece of the text."""

    def find_lead(self, key: Node) -> int:
        """Return the index after the colon of a key. Raises EditRefusedError for a complex key."""
