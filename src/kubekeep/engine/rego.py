"""Evaluation of one Rego query against a set of modules, with OPA's results and error codes.

Constructs that this engine cannot evaluate as OPA does are refused by name. No files, no connections, no state between
calls. `kubekeep.engine.policy_set` evaluates many documents against the same rules.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from kubekeep import _native

RegoVersion = Literal["v1", "v0"]

#: Default time limit of one query in seconds.
TIME_LIMIT = 10.0


class RegoError(Exception):
    """Error of a module, a query or an evaluation.

    Attributes:
        code: OPA's code: `rego_parse_error`, `rego_compile_error`, `rego_type_error`,
            `rego_unsafe_var_error`, `rego_recursion_error`, `eval_conflict_error`,
            `eval_builtin_error`, `eval_type_error`, `eval_with_merge_error`,
            `eval_cancel_error` (a limit was reached) or `eval_internal_error`.
        message: Description of the error in one line.
        file: Name of the module, as passed to `evaluate`; empty if there is no location.
        line: Line in that module, from 1; 0 if there is no location.
        column: Column in that line, from 1; 0 if there is no location.
    """

    def __init__(self, code: str, message: str, file: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(code, message, file, line, column)
        self.code = code
        self.message = message
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """Return the line that OPA prints: `file:line: code: message`; without a location only code and message."""
        location = f"{self.file}:{self.line}: " if self.line else ""
        return f"{location}{self.code}: {self.message}"


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
        query: The query, for example `data.policy.deny = x` or `input.n > 3; y = input.n + 1`.
        data: Base documents, a mapping of JSON values, or None. Documents may nest 127 levels deep; numbers
            keep all their digits. A `msgspec.Raw` is used as JSON text.
        input: The input document, any JSON value or a `msgspec.Raw`. None means no input: `input` is undefined.
            Pass `msgspec.Raw(b"null")` for the JSON null.
        rego_version: Syntax of the modules and of the query. `v0` is the language before OPA 1.0;
            a v0 module that imports `rego.v1` is parsed as v1.
        strict_builtin_errors: Raise if a built-in function fails. If false, the call is undefined, as in OPA.
        time_limit: Seconds before the evaluation ends with `eval_cancel_error`.

    Returns:
        One mapping per result, from variable to value. Sets are sorted lists and the keys of objects are
        strings, as in OPA's JSON. A query without variables has empty mappings, an undefined query no results. `data.p.q = x` gives `[{"x": ...}]`.

    Raises:
        RegoError: Invalid sources or query, failed evaluation, exceeded limit or unsupported construct; see
            `RegoError.code`.

    Source: https://www.openpolicyagent.org/docs/policy-reference and OPA's conformance cases, which are run as tests
    (`docs/reference/rego-conformance.md`).
    """
    try:
        text = _native.evaluate(
            list(modules.items()),
            query,
            None if data is None else _encode_document("data", data),
            None if input is None else _encode_document("input", input),
            rego_version == "v0",
            strict_builtin_errors,
            time_limit,
        )
    except _native.NativeRegoError as error:
        raise RegoError(*error.args) from None
    return decode_bindings(text)


def decode_bindings(text: str) -> list[dict[str, Any]]:
    """Return the results of a query from their JSON. Raises RegoError for JSON that Python cannot read."""
    try:
        bindings: list[dict[str, Any]] = json.loads(text)
    except (ValueError, RecursionError) as error:  # Python limits the digits of the integers that it reads
        raise RegoError("eval_internal_error", f"the result cannot be read: {error}") from None
    return bindings


def _encode_document(name: str, value: Any) -> str:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RegoError("rego_parse_error", f"{name} is not a JSON document: {error}") from None
