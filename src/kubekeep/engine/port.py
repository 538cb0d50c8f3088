"""The port between rules and engines: named rules over documents, many at once. Never says what a rule means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec


class RuleFailure(msgspec.Struct, frozen=True):
    """A rule that could not be evaluated on a document; what it would have said is unknown."""

    message: str


class Query(NamedTuple):
    """A rule to evaluate: the name that its outcome has, its path, and the shard whose modules hold it."""

    name: str
    path: str
    shard: int = 0


Outcome = Mapping[str, Any]
"""What the rules of a group said of one document: name to value, without the undefined and the empty ones.

A value is what the rule gave (a set as a list, an object without its empty fields), or a RuleFailure. Outcomes share
equal values: nobody changes one.
"""


class PolicySet(Protocol):
    """Compiled rules in groups; a group's rules are evaluated together."""

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """The outcome of each (document as JSON, group numbers), in order."""

    def with_context(self, context: Mapping[str, Any]) -> PolicySet:
        """The same rules in another context: fields that `input` has for all documents."""
