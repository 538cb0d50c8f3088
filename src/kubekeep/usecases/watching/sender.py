"""Sending of a watched cluster to a server: the latest state only, as a delta to the state that the server has. Never prints.

A server that is absent for a while gets the state of that moment later; states between are dropped and counted. Nothing is
stored: the next watch sends the whole state of the cluster again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from kubekeep.model.server_results import SubmissionReceipt
from kubekeep.model.submission import Submission
from kubekeep.model.watch import ConnectionChanged
from kubekeep.reports.submission import SubmissionBuilder
from kubekeep.uplink.client import SubmissionClient, SubmissionContent, SubmissionRefusal, SubmissionResult
from kubekeep.uplink.compression import compress_submission
from kubekeep.uplink.connection import ServerConnection
from kubekeep.uplink.delta import compute_delta, identify_state
from kubekeep.uplink.selection import SelectedServer
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.watching.changes import CurrentAssessment
from kubekeep.usecases.watching.subscribers import WatchUpdate

_LONGEST_EXPONENT: Final = 10
_LONGEST_REQUEST: Final = 3600.0
"""Seconds to wait at most if a server requests a longer pause."""


class SendingPace(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds: between two submissions, of the longest pause after failures, and for the last state at the end."""

    interval: float = 5
    longest_pause: float = 120
    last_state: float = 20


class SubmissionSender:
    """Sends the states of a watched cluster in a thread of its own, from `start` to `end`.

    notify: receives the first receipt, the first of several failures, the first receipt after failures, and a failure at the end,
    each with the number of states that were dropped since the last receipt.
    """

    def __init__(
        self,
        request: ScanRequest,
        server: SelectedServer,
        notify: Callable[[SubmissionResult, int], object],
        pace: SendingPace | None = None,
    ) -> None:
        """Create the connection; sends nothing yet. Raises RegistryError for unreadable certificates."""
        self._request = request
        self._connection = ServerConnection(server.access)
        # The sender itself waits: a later state may replace the one that could not be sent.
        self._client = SubmissionClient(self._connection, server.token, patience=0)
        self._notify = notify
        self._pace = pace or SendingPace()
        self._builder = SubmissionBuilder()
        self._acknowledged: Submission | None = None
        self._pending: CurrentAssessment | None = None
        self._dropped = 0
        self._failures = 0
        self._has_receipt = False
        self._is_ending = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> bool:
        """Send the last state, unless the server has it. Return False if that takes too long."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join(self._pace.last_state)
        return not self._thread.is_alive()

    def evaluated(self, update: WatchUpdate) -> None:
        """Keep an evaluation until it is sent or replaced by a later one."""
        with self._changed:
            self._dropped += self._failures > 0 and self._pending is not None
            self._pending = update.assessment
            self._changed.notify()

    def connection_changed(self, change: ConnectionChanged) -> None:
        """Send nothing: the state of a cluster without a connection is the last known one."""

    def _run(self) -> None:
        with self._connection:
            next_time = 0.0
            while True:
                state, is_last = self._take(next_time)
                if state is not None:
                    result = self._send(self._builder.build(state.assessment(self._request)))
                    pause = self._pace.interval if result is None else self._record(result, state)
                    next_time = time.monotonic() + pause
                if is_last:
                    return

    def _take(self, next_time: float) -> tuple[CurrentAssessment | None, bool]:
        """Return the latest state once it may be sent, and True at the end; None if the server has it."""
        with self._changed:
            while not self._is_ending:
                remaining = next_time - time.monotonic()
                if self._pending is not None and remaining <= 0:
                    break
                self._changed.wait(remaining if self._pending is not None else None)
            state, self._pending = self._pending, None
            return state, self._is_ending

    def _send(self, submission: Submission) -> SubmissionResult | None:
        """Send a state. Return None if the server has it."""
        known = self._acknowledged
        if known is not None and known.source.key == submission.source.key:
            if identify_state(known) == identify_state(submission):
                return None
            result = self._send_content(compute_delta(known, submission))
            if not (isinstance(result, SubmissionRefusal) and result.is_of_state):
                self._acknowledge(result, submission)
                return result
        result = self._send_content(submission)
        self._acknowledge(result, submission)
        return result

    def _send_content(self, submission: Submission) -> SubmissionResult:
        return self._client.send(SubmissionContent.of_bytes(submission.id, compress_submission(submission)))

    def _acknowledge(self, result: SubmissionResult, submission: Submission) -> None:
        if isinstance(result, SubmissionReceipt):
            # Of a state that the server did not apply, it has no delta.
            self._acknowledged = submission if result.is_applied else None

    def _record(self, result: SubmissionResult, state: CurrentAssessment) -> float:
        """Report the first result and each change, keep a state that was not sent, and return the pause in seconds."""
        with self._changed:
            failures, dropped = self._failures, self._dropped
            if isinstance(result, SubmissionReceipt):
                self._failures = self._dropped = 0
                is_news = failures > 0 or not self._has_receipt
                self._has_receipt = True
            else:
                self._failures += 1
                if self._pending is None:
                    self._pending = state
                else:
                    self._dropped += 1
                is_news = failures == 0 or self._is_ending
        if is_news:
            self._notify(result, dropped)
        return self._get_pause(result)

    def _get_pause(self, result: SubmissionResult) -> float:
        """Return the pause after a result: the one that the server requests, or a longer one after each failure."""
        if isinstance(result, SubmissionReceipt):
            return self._pace.interval
        pause = min(self._pace.interval * 2 ** min(self._failures, _LONGEST_EXPONENT), self._pace.longest_pause)
        requested = 0.0 if isinstance(result, SubmissionRefusal) else min(result.pause, _LONGEST_REQUEST)
        return max(requested, random.uniform(pause / 2, pause))  # noqa: S311 - no secret
