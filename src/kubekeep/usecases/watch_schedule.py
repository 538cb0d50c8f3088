"""Schedule of the polls of a watch: the API discovery of the cluster, and the detection of system sleep.

Does no I/O; all times are in seconds.
"""

from __future__ import annotations

import time
from typing import Final

_SOON: Final = 0.5
"""Delay after a change, to include related changes: a definition is served a moment after it exists."""
_LATER: Final = 5.0
"""Delay after a poll without changes: another API server may lag behind."""
_APART: Final = 2.0
"""Minimum between two polls, for any number of changes."""
_SHARE: Final = 10.0
"""Minimum between slow polls, as a multiple of their duration."""
_SLEEP: Final = 10.0
"""Advance of the wall clock over the monotonic clock that indicates system sleep."""


class DiscoverySchedule:
    """Schedule of discovery polls: periodic, and soon after a change."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._changed_at = 0.0
        self._earliest = 0.0
        self._remaining = 0
        """Remaining polls for the last change."""
        self._next = time.monotonic() + every

    @property
    def is_routine(self) -> bool:
        """True if the poll is periodic."""
        return not self._remaining

    def is_due(self, changed_at: float) -> bool:
        """Return True if a poll is due; `changed_at` is the monotonic time of the last change."""
        now = time.monotonic()
        if changed_at > self._changed_at:
            self._changed_at = changed_at
            self._remaining = 2
            self._next = min(self._next, max(now + _SOON, self._earliest))
        return now >= self._next

    def record_poll(self, seconds: float) -> None:
        """Record a poll with its duration in seconds."""
        now = time.monotonic()
        self._earliest = now + max(_APART, _SHARE * seconds)
        self._remaining = max(0, self._remaining - 1)
        self._next = max(now + _LATER, self._earliest) if self._remaining else now + self._every


class SleepDetector:
    """Detector of system sleep, after which connections are dead without an error."""

    def __init__(self) -> None:
        self._offset = _clock_offset()

    def has_slept(self) -> bool:
        """Return True if the machine has slept since the last call."""
        before, self._offset = self._offset, _clock_offset()
        return self._offset - before > _SLEEP


def _clock_offset() -> float:
    """Return the advance of the wall clock over the monotonic clock, which stops during sleep."""
    return time.time() - time.monotonic()
