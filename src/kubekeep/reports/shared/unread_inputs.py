"""Parts of the input that were not read or assessed, those with one cause together. Formats no text for a medium."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location

_COUNT: Final = re.compile(r"([0-9][0-9,]*) (?=\S)")
"""The number at the beginning of a message, such as that of packages."""


class UnreadInputs(msgspec.Struct, frozen=True):
    """Parts with one cause: the location of the first, the number of the others, and the message with the sum of its numbers."""

    location: Location
    others: int
    message: str

    @property
    def label(self) -> str:
        """The location of the first part, and the number of the others."""
        return f"{self.location} and {self.others:,} more" if self.others else str(self.location)


def group_by_cause(entries: Iterable[UnreadInput]) -> list[UnreadInputs]:
    """Return the parts by cause, in the order of the first of each: messages that differ in their first number only are one.

    A registry whose images all lack the same advisories has one cause, not one for each image.
    """
    groups: dict[tuple[bool, str], list[tuple[Location, int, str]]] = {}
    for entry in entries:
        match = _COUNT.match(entry.message)
        number = int(match[1].replace(",", "")) if match else 0
        cause = entry.message[match.end() :] if match else entry.message
        groups.setdefault((match is not None, cause), []).append((entry.location, number, entry.message))
    return [
        UnreadInputs(
            parts[0][0],
            len({str(location) for location, _, _ in parts}) - 1,
            f"{sum(number for _, number, _ in parts):,} {cause}" if is_counted and len(parts) > 1 else parts[0][2],
        )
        for (is_counted, cause), parts in groups.items()
    ]
