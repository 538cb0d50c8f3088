"""Policy sets that count evaluated documents, for tests of caches and incremental evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubekeep.engine.policy_set import Outcome, PolicySet
from kubekeep.engine.rego_policies import RegoPolicySet


class CountingPolicySet(PolicySet):
    """Policy set on the real engine that counts documents. Calling it compiles rules, so it also serves as `Compile`."""

    def __init__(self) -> None:
        self.documents = 0
        self._policies: RegoPolicySet

    def __call__(self, *arguments: Any) -> CountingPolicySet:
        self._policies = RegoPolicySet(*arguments)
        return self

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        self.documents += len(documents)
        return self._policies.evaluate(documents)

    def with_context(self, context: Mapping[str, Any]) -> CountingPolicySet:
        return _SharedCount(self, self._policies.with_context(context))


class _SharedCount(CountingPolicySet):
    """The same rules with another context, counted together with the first."""

    def __init__(self, first: CountingPolicySet, policies: RegoPolicySet) -> None:
        self._first, self._policies = first, policies

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        self._first.documents += len(documents)
        return self._policies.evaluate(documents)
