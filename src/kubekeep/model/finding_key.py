"""Key of a finding on a server: the numbers of its source and its subject, and its fingerprint. Values only."""

from __future__ import annotations

import re
from typing import Final, Self

import msgspec

_KEY: Final = re.compile(r"([1-9][0-9]{0,9})\.([0-9a-f]{16})\.([0-9a-f]{16})")

_DIGITS: Final = 8


class FindingKey(msgspec.Struct, frozen=True, order=True):
    """The key that addresses of the pages and lists have: `12.3fa19c0277e1b2d4.9ab35c71e2f40816`."""

    source: int
    subject: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.source}.{self.subject}.{self.fingerprint}"

    @property
    def short(self) -> str:
        """The source and the first digits of the fingerprint, which clusters with the same workload share: `12.9ab35c71`."""
        return f"{self.source}.{self.fingerprint[:_DIGITS]}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the key in a text; None for another text."""
        match = _KEY.fullmatch(text)
        return None if match is None else cls(int(match[1]), match[2], match[3])
