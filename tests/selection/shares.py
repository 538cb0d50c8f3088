"""Shares of long proofs: each run draws other cases, the complete run has all of them. Never runs a case."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")
SEED: Final = "KUBEKEEP_TEST_SEED"
"""Variable with the seed of the run: the commit. The same for all workers."""
COMPLETE: Final = "complete"
"""Value of the variable in the complete run."""


def is_complete_run() -> bool:
    """Return True in the complete run."""
    return os.environ.get(SEED) == COMPLETE


def draw_share(cases: Sequence[T], count: int) -> list[T]:
    """Return `count` of the cases in their order, others for each commit; all cases in the complete run."""
    if is_complete_run() or len(cases) <= count:
        return list(cases)
    numbers = random.Random(f"{os.environ.get(SEED, '')} {len(cases)} {count}").sample(range(len(cases)), count)
    return [cases[number] for number in sorted(numbers)]


def count_examples(share: int, complete: int) -> int:
    """Return the number of random examples of a run: `share`, or `complete` in the complete run."""
    return complete if is_complete_run() else share
