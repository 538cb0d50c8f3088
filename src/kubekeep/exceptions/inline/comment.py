"""A suppression comment as a value. Loads nothing that only files with comments need."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec

from kubekeep.model.location import Region

MARKER: Final = "kubekeep:ignore"
"""The start of a suppression comment, in any case and with spaces around the colon."""
PRODUCT: Final = "kubekeep"
"""A text that does not contain this in lower case has no suppression comments."""


class SuppressionComment(msgspec.Struct, frozen=True):
    """A suppression comment: the controls it names and the lines it covers, `first` to `last`, from 1.

    With a `problem` it covers nothing.
    """

    region: Region
    first: int
    last: int
    names: tuple[str, ...] = ()
    until: dt.datetime | None = None
    reason: str = ""
    problem: str = ""

    def covers(self, line: int) -> bool:
        """Return True if the comment covers a line."""
        return not self.problem and self.first <= line <= self.last
