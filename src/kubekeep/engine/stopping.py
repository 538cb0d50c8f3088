"""Rules that stop being evaluated when somebody wants an end: between two calls, as none can be interrupted inside."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from kubekeep.engine.port import Outcome, PolicySet


class StoppedError(Exception):
    """Nothing is evaluated any more: somebody wants an end."""


class Stopping:
    """The rules of a policy set until `stopped` is set; see `kubekeep.engine.port.PolicySet`."""

    def __init__(self, policies: PolicySet, stopped: threading.Event) -> None:
        self._policies = policies
        self._stopped = stopped

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """The outcome of each, as the policy set has it. Raises StoppedError."""
        if self._stopped.is_set():
            raise StoppedError
        return self._policies.evaluate(documents)

    def with_context(self, context: Mapping[str, Any]) -> Stopping:
        """The same rules in another context. Raises StoppedError."""
        if self._stopped.is_set():
            raise StoppedError
        return Stopping(self._policies.with_context(context), self._stopped)
