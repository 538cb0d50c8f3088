"""The number of bytes that submissions may have in memory together. Values only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class BudgetExceededError(Exception):
    """More bytes than the process may hold at this time."""


class BodyBudget:
    """Bytes of all bodies that are received or wait for the store."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextlib.contextmanager
    def open_share(self) -> Iterator[BodyShare]:
        """Yield the share of one body, and return its bytes at the end."""
        share = BodyShare(self)
        try:
            yield share
        finally:
            self._free += share.size

    def take(self, size: int) -> None:
        """Take bytes. Raises BudgetExceededError."""
        if size > self._free:
            raise BudgetExceededError
        self._free -= size


class BodyShare:
    """The bytes of one body."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.size = 0

    def grow(self, size: int) -> None:
        """Add bytes. Raises BudgetExceededError."""
        self._budget.take(size)
        self.size += size

    def shrink(self, size: int) -> None:
        """Give bytes back."""
        self.grow(-size)
