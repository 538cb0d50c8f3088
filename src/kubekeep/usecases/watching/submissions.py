"""Submissions of a watch: the first assessment as a whole, then a delta for each change. Never sends one itself."""

from __future__ import annotations

from collections.abc import Callable

from kubekeep.model.submission import Submission
from kubekeep.model.watch import ConnectionChanged
from kubekeep.reports.submission import SubmissionBuilder
from kubekeep.uplink.delta import compute_delta, identify_state
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.watching.subscribers import WatchUpdate


class SubmissionSubscriber:
    """Passes each new state of a cluster to a function: first whole, then as the delta to the state before.

    A watch that continues on another cluster, whose kubeconfig has changed, begins with a whole submission again.
    """

    def __init__(self, request: ScanRequest, receive: Callable[[Submission], object]) -> None:
        self._request = request
        self._receive = receive
        self._builder = SubmissionBuilder()
        self._last: Submission | None = None

    def evaluated(self, update: WatchUpdate) -> None:
        """Pass the submission of an evaluation, unless nothing has changed."""
        submission, last = self._builder.build(update.assessment.assessment(self._request)), self._last
        self._last = submission
        if last is None or last.source.key != submission.source.key:
            self._receive(submission)
        elif identify_state(last) != identify_state(submission):
            self._receive(compute_delta(last, submission))

    def connection_changed(self, change: ConnectionChanged) -> None:
        """Pass nothing: the state of a cluster without a connection is the last known one."""
