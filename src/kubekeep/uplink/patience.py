"""Waits between the repetitions of a request, limited in total. Sends nothing."""

from __future__ import annotations

import random
import threading
from typing import Final

PATIENCE: Final = 120.0
"""Seconds to wait for a busy server, in total."""
RECONNECTIONS: Final = 3
"""Repetitions after an interrupted connection and after an internal error, which may be permanent."""
REPETITIONS: Final = 100
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


class Patience:
    """The time that several requests may wait together. `stop` ends a wait in another thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._stopped.set()

    def wait(self, number: int, pause: float) -> bool:
        """Wait before a repetition, or return False if that is too long.

        number: of repetitions before, at most 100. pause: seconds that the server asks for.
        """
        longest = min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE)
        # At random, so that the clients of a fleet do not return at the same moment.
        seconds = max(pause, random.uniform(longest / 2, longest))  # noqa: S311 - no secret
        if seconds > self._seconds:
            return False
        self._seconds -= seconds
        return not self._stopped.wait(seconds)
