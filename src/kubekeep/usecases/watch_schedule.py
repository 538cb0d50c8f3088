"""When a watch looks at what does not come by itself: what the cluster serves, and whether the machine has slept.

Looks at nothing itself; all times are seconds.
"""

from __future__ import annotations

import time
from typing import Final

_SOON: Final = 0.5
"""After news, so that what belongs together has come: a definition is served a moment after it is there."""
_LATER: Final = 5.0
"""After a look that found nothing new: another API server may know later, and definitions are given some seconds."""
_APART: Final = 2.0
"""Between two looks, however much news there is."""
_SHARE: Final = 10.0
"""Looks that take long are so many times as long apart."""
_SLEEP: Final = 10.0
"""What the clock on the wall gains on the one that stands still in sleep, where the machine has slept."""


class Agenda:
    """When to look what a cluster serves: every so often, and soon after something was heard."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._heard = 0.0
        self._earliest = 0.0
        self._left = 0
        """How often it is still looked for the sake of the last news."""
        self._next = time.monotonic() + every

    @property
    def is_routine(self) -> bool:
        """Whether it is looked for no reason but that it has not been for long."""
        return not self._left

    def is_due(self, heard: float) -> bool:
        """Whether it is time to; `heard` is when there was news last, on the monotonic clock."""
        now = time.monotonic()
        if heard > self._heard:
            self._heard = heard
            self._left = 2
            self._next = min(self._next, max(now + _SOON, self._earliest))
        return now >= self._next

    def looked(self, took: float) -> None:
        """That has been done, in `took` seconds."""
        now = time.monotonic()
        self._earliest = now + max(_APART, _SHARE * took)
        self._left = max(0, self._left - 1)
        self._next = max(now + _LATER, self._earliest) if self._left else now + self._every


class Sleep:
    """Whether the machine has slept: then connections are dead, and nobody tells."""

    def __init__(self) -> None:
        self._ahead = _ahead()

    def is_over(self) -> bool:
        """Whether it has since this was last asked."""
        before, self._ahead = self._ahead, _ahead()
        return self._ahead - before > _SLEEP


def _ahead() -> float:
    """What the clock on the wall is ahead of the one that stands still while the machine sleeps."""
    return time.time() - time.monotonic()
