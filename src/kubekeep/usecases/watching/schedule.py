"""Schedule of the polls of a watch: the API discovery of the cluster, and the detection of system sleep.

Does no I/O; all times are in seconds.
"""

from __future__ import annotations

import time
from typing import Final

_DELAY_AFTER_CHANGE: Final = 0.5
"""Delay after a change: a new custom resource definition is not served at once."""
_DELAY_AFTER_POLL: Final = 5.0
"""Delay before the second poll for a change: another API server may serve it later."""
_MIN_INTERVAL: Final = 2.0
"""Minimum between two polls, for any number of changes."""
_MIN_INTERVAL_PER_DURATION: Final = 10.0
"""Minimum between slow polls, as a multiple of their duration."""
_SLEEP_THRESHOLD: Final = 10.0
"""Advance of the wall clock over the monotonic clock that indicates system sleep."""


class DiscoverySchedule:
    """Schedule of discovery polls: periodic, and soon after a change."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._changed_at = 0.0
        self._earliest = 0.0
        self._remaining = 0
        """Remaining polls for the last change."""
        self._next = time.monotonic() + interval

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
            self._next = min(self._next, max(now + _DELAY_AFTER_CHANGE, self._earliest))
        return now >= self._next

    def record_poll(self, seconds: float) -> None:
        """Record a poll with its duration in seconds."""
        now = time.monotonic()
        self._earliest = now + max(_MIN_INTERVAL, _MIN_INTERVAL_PER_DURATION * seconds)
        self._remaining = max(0, self._remaining - 1)
        self._next = max(now + _DELAY_AFTER_POLL, self._earliest) if self._remaining else now + self._interval


class SleepDetector:
    """Detector of system sleep, after which connections are dead without an error."""

    def __init__(self) -> None:
        self._offset = _clock_offset()

    def has_slept(self) -> bool:
        """Return True if the machine has slept since the last call."""
        before, self._offset = self._offset, _clock_offset()
        return self._offset - before > _SLEEP_THRESHOLD


def _clock_offset() -> float:
    """Return the advance of the wall clock over the monotonic clock, which stops during sleep."""
    return time.time() - time.monotonic()
