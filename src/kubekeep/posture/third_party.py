"""Protocol of evaluators for rules outside the library: Kubescape rules and admission policies. No implementation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from kubekeep.model.control import Control
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Verdict


class ThirdPartyEvaluator(Protocol):
    """Evaluator of controls that have no rule in the library."""

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls; no other control has one of their slugs."""

    def evaluate(self, resources: Sequence[Resource], *, kubernetes_minor: int) -> Iterator[tuple[int, str, Verdict]]:
        """Yield the position of a resource in `resources`, the control's slug and the verdict.

        `kubernetes_minor` is the version to evaluate for.
        Yields nothing for a resource to which a control does not apply.
        """
