"""Rego by name: one query against a set of modules, answered as OPA answers it.

What OPA would refuse is refused here with OPA's error code, and what this engine cannot evaluate the
way OPA does is refused too, by the name of the construct; it never guesses. It reads no files, opens
no connection and keeps nothing between calls. Many documents against the same rules are the business
of `kubekeep.engine.port`.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from kubekeep import _native

RegoVersion = Literal["v1", "v0"]

#: Seconds that one query may take unless the caller says otherwise.
TIME_LIMIT = 10.0


class RegoError(Exception):
    """A module, query or evaluation that Rego refuses.

    Attributes:
        code: OPA's code: `rego_parse_error`, `rego_compile_error`, `rego_type_error`,
            `rego_unsafe_var_error`, `rego_recursion_error`, `eval_conflict_error`,
            `eval_builtin_error`, `eval_type_error`, `eval_with_merge_error`,
            `eval_cancel_error` (a limit was reached) or `eval_internal_error`.
        message: What is wrong, in one line.
        file: Name of the module, as given to `evaluate`; empty when it belongs to no place.
        line: Line in that module, from 1; 0 when it belongs to no place.
        column: Column in that line, from 1; 0 when it belongs to no place.
    """

    def __init__(self, code: str, message: str, file: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(code, message, file, line, column)
        self.code = code
        self.message = message
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """The line OPA prints: `file:line: code: message`, without a place when there is none."""
        where = f"{self.file}:{self.line}: " if self.line else ""
        return f"{where}{self.code}: {self.message}"


def evaluate(
    modules: Mapping[str, str],
    query: str,
    *,
    data: Any = None,
    input: Any = None,
    rego_version: RegoVersion = "v1",
    strict_builtin_errors: bool = False,
    time_limit: float = TIME_LIMIT,
) -> list[dict[str, Any]]:
    """Evaluate a query and return the bindings of its variables, one mapping per result.

    Args:
        modules: Rego sources by file name.
        query: What to ask, for example `data.policy.deny = x` or `input.n > 3; y = input.n + 1`.
        data: Base documents, a mapping of what JSON can say, or None for none. Documents may nest
            127 levels deep; a number keeps all its digits. A `msgspec.Raw` is taken as JSON text.
        input: The input document, anything JSON can say. None means there is no input, so that
            `input` is undefined; pass a query result to give the JSON null. It may be a `msgspec.Raw` too.
        rego_version: Syntax of the modules and of the query. `v0` is the language before OPA 1.0;
            a v0 module that imports `rego.v1` is read as v1.
        strict_builtin_errors: Whether the failure of a built-in function is an error. When false,
            as in OPA, the call is undefined.
        time_limit: Seconds after which the evaluation is given up with `eval_cancel_error`.

    Returns:
        One mapping per result, from variable to value. Sets come as sorted lists and the keys of
        objects as strings, as in OPA's JSON. A query without variables has empty mappings; one that
        is undefined has no result at all. `data.p.q = x` gives `[{"x": ...}]`.

    Raises:
        RegoError: The sources, the query or the evaluation are wrong, a limit was reached, or a
            construct is not supported; `code` says which.

    Source: https://www.openpolicyagent.org/docs/policy-reference and, for the behaviour that is
    held by tests, OPA's own conformance cases (`docs/reference/rego-conformance.md`).
    """
    try:
        text = _native.evaluate(
            list(modules.items()),
            query,
            None if data is None else _document("data", data),
            None if input is None else _document("input", input),
            rego_version == "v0",
            strict_builtin_errors,
            time_limit,
        )
    except _native.NativeRegoError as error:
        raise RegoError(*error.args) from None
    try:
        bindings: list[dict[str, Any]] = json.loads(text)
    except ValueError as error:  # Python limits the digits of the integers that it reads
        raise RegoError("eval_internal_error", f"the result cannot be read: {error}") from None
    return bindings


def _document(name: str, value: Any) -> str:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RegoError("rego_parse_error", f"{name} is not a JSON document: {error}") from None
