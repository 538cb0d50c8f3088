"""What judges resources beside the library's own rules: rules of other people, policies of a cluster.

Only the contract; each kind of rule brings its own implementation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from kubekeep.model.control import Control
from kubekeep.model.finding import Verdict
from kubekeep.model.resource import Resource


class ThirdPartyEvaluator(Protocol):
    """Controls that are decided by something else than a rule of the library."""

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls, whose slugs no other control has."""

    def judge(self, resources: Sequence[Resource]) -> Iterator[tuple[int, str, Verdict]]:
        """The verdicts on `resources`: the place of the resource, the control's slug and the verdict.

        Says nothing of a resource that a control does not apply to.
        """
