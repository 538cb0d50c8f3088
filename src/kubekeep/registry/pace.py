"""Polite rate of requests: at most a number in each second for each registry, and its own limits in response headers.

Several threads share one pace. Never sends a request.
"""

from __future__ import annotations

import collections
import datetime as dt
import re
import threading
import time
from collections.abc import Mapping
from typing import Final

from kubekeep.registry.errors import ScanStoppedError

_LONGEST_PAUSE: Final = 60.0
"""Seconds; a registry that requests a longer pause is blocked instead."""
_SLICE: Final = 0.5
"""Seconds between two checks for a stop."""
_LIMITED: Final = (429, 503)
_MOST_DIGITS: Final = 12
_FIRST_NUMBER: Final = re.compile(r"\s*([0-9]{1,12})(?![0-9.])")


class RequestTimes:
    """The times of requests to one registry, in seconds. rate: the most requests in each second; below 1, one in more seconds.

    Requests that were not sent while a layer was read are sent after it: waiting for each one would only prolong the scan.
    """

    def __init__(self, rate: float) -> None:
        count = max(1, int(rate))
        self._period = count / rate
        self._last: collections.deque[float] = collections.deque(maxlen=count)
        self._pause_end = 0.0

    def reserve(self, now: float) -> float:
        """Return the time for the next request."""
        is_full = len(self._last) == self._last.maxlen
        start = max(now, self._pause_end, self._last[0] + self._period if is_full else now)
        self._last.append(start)
        return start

    def pause(self, end: float) -> None:
        """Send no further request before `end`."""
        self._pause_end = max(self._pause_end, end)


class RequestPace:
    """The times of requests to registries. rate: the most requests in each second to each of them."""

    def __init__(self, rate: float) -> None:
        self._times: collections.defaultdict[str, RequestTimes] = collections.defaultdict(lambda: RequestTimes(rate))
        self._blocks: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Raise ScanStoppedError in all threads that wait, now and later."""
        self._stopped.set()

    def wait(self, registry: str) -> None:
        """Wait for the next request to `registry`. Raises ScanStoppedError."""
        with self._lock:
            now = time.monotonic()
            start = self._times[registry].reserve(now)
        self.sleep(start - now)

    def sleep(self, seconds: float) -> None:
        """Wait some seconds. Raises ScanStoppedError."""
        end = time.monotonic() + seconds
        while not self._stopped.is_set() and (rest := end - time.monotonic()) > 0:
            self._stopped.wait(min(rest, _SLICE))
        if self._stopped.is_set():
            raise ScanStoppedError("stopped")

    def record(self, registry: str, status: int, headers: Mapping[str, str]) -> None:
        """Record a response: later requests wait if the registry requests a pause, and stop after a long one."""
        pause = parse_retry_after(headers.get("retry-after", "")) if status in _LIMITED else 0.0
        remaining = _read_number(headers.get("ratelimit-remaining", ""))
        reason = f"{registry} accepts the next request in {pause:,.0f} seconds"
        if remaining == 0 and not pause:
            # Docker Hub sends no time with it: the window of its limit moves.
            pause = float(_read_number(headers.get("ratelimit-reset", "")) or _LONGEST_PAUSE + 1)
            limit = _read_number(headers.get("ratelimit-limit", ""))
            reason = f"the limit of {registry}{'' if limit is None else f' of {limit:,} images'} is used up"
        with self._lock:
            now = time.monotonic()
            if pause > _LONGEST_PAUSE:
                self._blocks[registry] = (now + pause, reason)
            elif pause:
                self._times[registry].pause(now + pause)
            elif remaining:
                self._blocks.pop(registry, None)

    def explain_block(self, registry: str) -> str:
        """Return the reason why no more images of a registry should be read; empty if there is none."""
        with self._lock:
            end, reason = self._blocks.get(registry, (0.0, ""))
            return reason if time.monotonic() < end else ""


def parse_retry_after(text: str) -> float:
    """Return the seconds of the Retry-After header (RFC 9110 §10.2.3), 0 if it is missing or invalid."""
    if text.isascii() and text.isdecimal():
        return float(text[:_MOST_DIGITS])
    # Every scan imports this module.
    import email.utils  # noqa: PLC0415

    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0
    now = dt.datetime.now(moment.tzinfo)
    return max(0.0, (moment - now).total_seconds())


def _read_number(text: str) -> int | None:
    """Return the number at the start of a header such as `76;w=21600`."""
    match = _FIRST_NUMBER.match(text)
    return int(match[1]) if match else None
