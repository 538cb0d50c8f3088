"""Interface between rules and rule engines: named rules evaluated on many documents. No knowledge of controls."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec


class RuleFailure(msgspec.Struct, frozen=True):
    """Failed evaluation of one rule on one document; the value of the rule is unknown."""

    message: str


class RuleQuery(NamedTuple):
    """Rule to evaluate: the name of its value in the outcome, its path and the shard that holds its module.

    `file` is the file of a custom rule, which has a shard of its own; empty for a rule of the library.
    """

    name: str
    path: str
    shard: int = 0
    file: str = ""


Shard = Mapping[str, str] | bytes
"""Rules that are compiled together: modules by path, or byte code."""

Outcome = Mapping[str, Any]
"""Values of a group's rules on one document, by name. Undefined and empty values are left out.

A value is the result of the rule (a set as a list, an object without its empty fields) or a RuleFailure. Outcomes
share equal values, so callers must not change them.
"""


class PolicySet(Protocol):
    """Compiled rules in groups; the rules of a group are evaluated together."""

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """Return the outcome of each (document as JSON, group numbers), in order."""

    def with_context(self, context: Mapping[str, Any]) -> PolicySet:
        """Return the same rules with another context: fields of `input` that all documents share."""

    def stop(self) -> None:
        """Stop evaluations that run in another process; others continue."""
        return


Compile = Callable[[Sequence[Shard], Sequence[Sequence[RuleQuery]], Mapping[str, Any]], PolicySet]
"""Function that compiles a policy set from shards, groups of queries and a context."""


class StoppedError(Exception):
    """The evaluation was stopped on request."""


class StoppablePolicySet(PolicySet):
    """Policy set that evaluates until `stopped` is set. A call that is already running is not interrupted."""

    def __init__(self, policies: PolicySet, stopped: threading.Event) -> None:
        self._policies = policies
        self._stopped = stopped

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """Return the outcome of each document. Raises StoppedError."""
        if self._stopped.is_set():
            raise StoppedError
        return self._policies.evaluate(documents)

    def with_context(self, context: Mapping[str, Any]) -> StoppablePolicySet:
        """Return the same rules with another context. Raises StoppedError."""
        if self._stopped.is_set():
            raise StoppedError
        return StoppablePolicySet(self._policies.with_context(context), self._stopped)

    def stop(self) -> None:
        """Stop evaluations that run in another process."""
        self._policies.stop()


@contextlib.contextmanager
def stop_after_error(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` after an error or an interruption, so that threads which wait for an evaluation end."""
    is_complete = False
    try:
        yield
        is_complete = True
    finally:
        if not is_complete:
            stop()
