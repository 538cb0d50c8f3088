"""Expressions to programs: read, checked and made ready once, run many times. Never keeps data between runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.engine.cel.authorizer import AUTHORIZER
from kubekeep.engine.cel.check import Checked, CheckError, Objects, check
from kubekeep.engine.cel.compile import Code, Run, compiled
from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.moments import MOMENTS
from kubekeep.engine.cel.names import NAMES
from kubekeep.engine.cel.network import NETWORK
from kubekeep.engine.cel.operators import OPERATORS
from kubekeep.engine.cel.parser import parse
from kubekeep.engine.cel.printing import PRINTING
from kubekeep.engine.cel.quantity import QUANTITIES
from kubekeep.engine.cel.sequences import SEQUENCES
from kubekeep.engine.cel.text import TEXT
from kubekeep.engine.cel.tokens import CelSyntaxError
from kubekeep.engine.cel.tree import Node
from kubekeep.engine.cel.types import Type, show
from kubekeep.engine.cel.urls import URLS
from kubekeep.engine.cel.values import CelError
from kubekeep.engine.cel.versions import VERSIONS

CALL_BUDGET: Final = 1_000_000
"""What one expression may cost, in about the units of the API server."""

KUBERNETES: Final = Functions(
    (OPERATORS, TEXT, PRINTING, SEQUENCES, MOMENTS, QUANTITIES, NETWORK, URLS, NAMES, VERSIONS, AUTHORIZER)
)
"""The functions that the API server knows."""


class CompileError(ValueError):
    """An expression that the API server would refuse; the message names line and column."""


class Program(msgspec.Struct, frozen=True, eq=False):
    """An expression that can be run; the parts of its tree too."""

    text: str
    node: Node
    type: Type
    code: Code
    checked: Checked

    def run(self, names: Mapping[str, Any], budget: int = CALL_BUDGET) -> Any:
        """Its value. Raises CelError if it has none, BudgetError if that would cost too much."""
        return started(self.code, Run(dict(names), budget))

    def part(self, node: Node) -> Code:
        """The code of a part of the tree."""
        return compiled(node, self.checked, KUBERNETES)


def started(code: Code, run: Run) -> Any:
    """What `code` computes; what nests too deeply or is beyond Python's numbers is an error like any other."""
    try:
        return code(run)
    except RecursionError:
        raise CelError("nested too deeply") from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise CelError(f"cannot be computed: {type(error).__name__}") from None


class Environment:
    """The variables that expressions may name, with their types, and the fields of those that are objects."""

    def __init__(self, variables: Mapping[str, Type], objects: Objects) -> None:
        self._variables = dict(variables)
        self._objects = objects

    def compile(self, text: str, wanted: Type | None = None) -> Program:
        """The program of an expression, whose type is `wanted`. Raises CompileError."""
        try:
            node = parse(text)
            checked = check(node, self._variables, self._objects, KUBERNETES)
        except RecursionError:
            raise CompileError("nested too deeply") from None
        except (CelSyntaxError, CheckError) as error:
            before = text[: error.at]
            line = before.count("\n") + 1
            column = error.at - before.rfind("\n")
            raise CompileError(f"{line}:{column}: {error}") from None
        found = checked.type_of(node)
        if wanted is not None and found != wanted:
            raise CompileError(f"must evaluate to {show(wanted)} but got {show(found)}")
        return Program(text, node, found, compiled(node, checked, KUBERNETES), checked)
