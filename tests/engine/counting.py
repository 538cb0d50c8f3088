"""A compiler of rules that counts what it evaluates. Never evaluates anything by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubekeep.engine.policies import RegoPolicySet
from kubekeep.engine.port import Outcome


class Counting:
    """Compiles with the real engine and counts the documents it is given."""

    def __init__(self) -> None:
        self.documents = 0
        self._policies: RegoPolicySet

    def __call__(self, *arguments: Any) -> Counting:
        self._policies = RegoPolicySet(*arguments)
        return self

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        self.documents += len(documents)
        return self._policies.evaluate(documents)

    def with_context(self, context: Mapping[str, Any]) -> Counting:
        return _Shared(self, self._policies.with_context(context))


class _Shared(Counting):
    """The same in another context, counted together."""

    def __init__(self, first: Counting, policies: RegoPolicySet) -> None:
        self._first, self._policies = first, policies

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        self._first.documents += len(documents)
        return self._policies.evaluate(documents)
