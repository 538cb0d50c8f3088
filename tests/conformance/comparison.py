"""Evaluation of one conformance case and comparison with OPA's result. No decision about acceptable results."""

import json
from enum import StrEnum
from typing import Any, NamedTuple

from kubekeep.engine.rego import RegoError, evaluate
from tests.conformance.suite import Case


class Agreement(StrEnum):
    AGREE = "agree"
    OTHER_CODE = "other code"  # both refuse, with different codes
    RAISES = "raises"  # we refuse, OPA evaluates
    WRONG = "WRONG"  # our result differs
    CRASH = "crash"  # the process died or did not return


class CaseResult(NamedTuple):
    version: str
    folder: str
    note: str
    agreement: Agreement
    detail: str


def compare(case: Case) -> CaseResult:
    """Evaluate one case and compare the result with OPA's."""
    agreement, detail = _evaluate_and_compare(case)
    return CaseResult(case.version, case.folder, case.note, agreement, detail)


def _evaluate_and_compare(case: Case) -> tuple[Agreement, str]:
    try:
        results = evaluate(
            {f"test-{number}.rego": source for number, source in enumerate(case.modules)},
            _query(case),
            data=case.data,
            input=case.input,
            rego_version=case.version,
            strict_builtin_errors=case.strict,
        )
    except RegoError as error:
        if not case.wants_error:
            return Agreement.RAISES, str(error)
        if case.want_error_code not in (None, error.code):
            return Agreement.OTHER_CODE, f"{error} instead of {case.want_error_code}: {case.want_error}"
        return Agreement.AGREE, ""
    if case.wants_error:
        return Agreement.WRONG, f"{results} instead of {case.want_error_code}: {case.want_error}"
    actual = {_canonical(_row(row, case)) for row in results}
    expected = {_canonical(_row(row, case)) for row in case.want_result or []}
    if actual == expected:
        return Agreement.AGREE, ""
    return Agreement.WRONG, f"result {sorted(actual)}, expected {sorted(expected)}"


def _query(case: Case) -> str:
    """Return the query. `input_term` is Rego and may contain sets, so `with` sets it."""
    if case.input_term is None:
        return case.query
    return f"{case.query} with input as {case.input_term}"


def _row(row: dict[str, Any], case: Case) -> dict[str, Any]:
    if case.ignore_generated:
        row = {name: value for name, value in row.items() if not name.startswith("__localq")}
    if case.sort_bindings:
        row = {name: sorted(value, key=_canonical) for name, value in row.items()}
    return row


def _canonical(value: Any) -> str:
    """Return text that is equal for equal JSON values: 1 and 1.0 are equal, true is not a number."""
    return json.dumps(_normalize(value), sort_keys=True)


def _normalize(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _normalize(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_normalize(element) for element in value]
    return value
