"""Parse, check and compile expressions once, to run them many times. Keeps no state between runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.engine.cel.check import CheckedExpression, CheckError, ObjectTypes, check
from kubekeep.engine.cel.compile import Activation, Code, compile_node
from kubekeep.engine.cel.formats import FORMATS
from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.moments import MOMENTS
from kubekeep.engine.cel.network import NETWORK
from kubekeep.engine.cel.operators import OPERATORS
from kubekeep.engine.cel.parser import CelSyntaxError, parse
from kubekeep.engine.cel.quantity import QUANTITIES
from kubekeep.engine.cel.sequences import SEQUENCES
from kubekeep.engine.cel.strings import STRINGS
from kubekeep.engine.cel.tree import CelNode
from kubekeep.engine.cel.types import CelType, format_type
from kubekeep.engine.cel.values import CelError, UnavailableError

CALL_BUDGET: Final = 1_000_000
"""Cost limit of one expression, in units similar to those of the API server."""

_AUTHORIZER: Final = FunctionRegistry()

# Signatures only: an authorizer exists in a cluster, so `authorizer` has no value here.
_TYPE: Final = "kubernetes.authorization."
CHECKER: Final = f"{_TYPE}Authorizer"
_GROUP, _RESOURCE, _PATH, _DECISION = (
    f"{_TYPE}GroupCheck",
    f"{_TYPE}ResourceCheck",
    f"{_TYPE}PathCheck",
    f"{_TYPE}Decision",
)


def _unavailable(*_: Any) -> Any:
    raise UnavailableError("authorizer: its result is known only in a cluster")


for _name, _signatures in {
    "path": (f"{CHECKER}, string -> {_PATH}",),
    "group": (f"{CHECKER}, string -> {_GROUP}",),
    "serviceAccount": (f"{CHECKER}, string, string -> {CHECKER}",),
    "resource": (f"{_GROUP}, string -> {_RESOURCE}",),
    "subresource": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "namespace": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "name": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "fieldSelector": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "labelSelector": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "check": (f"{_RESOURCE}, string -> {_DECISION}", f"{_PATH}, string -> {_DECISION}"),
    "allowed": (f"{_DECISION} -> bool",),
    "errored": (f"{_DECISION} -> bool",),
    "error": (f"{_DECISION} -> string",),
    "reason": (f"{_DECISION} -> string",),
}.items():
    _AUTHORIZER.member(_name, *_signatures)(_unavailable)

KUBERNETES: Final = FunctionRegistry(
    (OPERATORS, STRINGS, SEQUENCES, MOMENTS, QUANTITIES, NETWORK, FORMATS, _AUTHORIZER)
)
"""The functions of the Kubernetes CEL environment."""


class CompileError(ValueError):
    """The API server would reject the expression; the message contains line and column."""


class CelProgram(msgspec.Struct, frozen=True, eq=False):
    """A compiled expression, with its syntax tree so that parts of it can be compiled too."""

    text: str
    node: CelNode
    type: CelType
    code: Code
    checked: CheckedExpression

    def run(self, names: Mapping[str, Any], budget: int = CALL_BUDGET) -> Any:
        """Return the value. Raises CelError if there is none, BudgetError if the cost exceeds the budget."""
        return run_code(self.code, Activation(dict(names), budget))

    def compile_part(self, node: CelNode) -> Code:
        """Compile a node of the syntax tree."""
        return compile_node(node, self.checked, KUBERNETES)


def run_code(code: Code, run: Activation) -> Any:
    """Return the value of `code`; too deep nesting and Python's arithmetic errors become CelError."""
    try:
        return code(run)
    except RecursionError:
        raise CelError("nested too deeply") from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise CelError(f"cannot be computed: {type(error).__name__}") from None


class CelEnvironment:
    """The variables of expressions with their types, and the fields of object types."""

    def __init__(
        self, variables: Mapping[str, CelType], objects: ObjectTypes, functions: FunctionRegistry = KUBERNETES
    ) -> None:
        """functions: those of Kubernetes, with others of the caller."""
        self._variables = dict(variables)
        self._objects = objects
        self._functions = functions

    def compile(self, text: str, expected: CelType | None = None) -> CelProgram:
        """Compile an expression of type `expected` (None for any). Raises CompileError."""
        try:
            node = parse(text)
            checked = check(node, self._variables, self._objects, self._functions)
        except RecursionError:
            raise CompileError("nested too deeply") from None
        except (CelSyntaxError, CheckError) as error:
            before = text[: error.at]
            line = before.count("\n") + 1
            column = error.at - before.rfind("\n")
            raise CompileError(f"{line}:{column}: {error}") from None
        result_type = checked.get_type(node)
        if expected is not None and result_type != expected:
            raise CompileError(f"must evaluate to {format_type(expected)} but got {format_type(result_type)}")
        return CelProgram(text, node, result_type, compile_node(node, checked, self._functions), checked)
