"""Rules that use up memory or time, or end the process that evaluates them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _double(first: str, step: str) -> str:
    """Return statements that apply `step` to its own result forty times."""
    steps = "; ".join(f"x{number + 1} := {step.replace('X', f'x{number}')}" for number in range(40))
    return f"x0 := {first}; {steps}; count(x40) > 0"


_GRAPH: Final = "{i: [j | some j in numbers.range(1, 14)] | some i in numbers.range(1, 14)}"

MEMORY: Final[Mapping[str, str]] = {
    "range": "count(numbers.range(1, 1000000000000)) > 0",
    "range-of-input": "count(numbers.range(1, input.count)) > 0",
    "cidr": 'count(net.cidr_expand("0.0.0.0/0")) > 0',
    "concat": _double('"ab"', 'concat("", [X, X])'),
    "array": _double("[1, 2]", "array.concat(X, X)"),
    "replace": _double('"aa"', 'replace(X, "a", "aa")'),
    "comprehension": "n := numbers.range(1, 3000); count([[a, b, c] | some a in n; some b in n; some c in n]) > 0",
}
"""Bodies of rules that use more and more memory, by name."""

TIME: Final[Mapping[str, str]] = {
    "loop": "n := numbers.range(1, 3000); every a in n { every b in n { every c in n { a + b + c > 0 } } }",
    "paths": f"count(graph.reachable_paths({_GRAPH}, [1])) > 0",
}
"""Bodies of rules that would run for hours."""

CRASH: Final[Mapping[str, str]] = {"stack": " + ".join(["1"] * 50_000) + " > 0"}
"""Bodies of rules that end the process."""

REFUSED: Final[Mapping[str, str]] = {
    "width": 'sprintf("%1000000000d", [1]) != ""',
    "width-of-argument": 'sprintf("%*d", [2000000000, 1]) != ""',
}
"""Bodies of rules that the engine refuses."""
