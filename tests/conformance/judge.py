"""One conformance case evaluated and judged. Judges; never decides what is good enough."""

import json
from enum import StrEnum
from typing import Any, NamedTuple

from kubekeep.engine.rego import RegoError, evaluate
from tests.conformance.suite import Case


class Verdict(StrEnum):
    AGREE = "agree"
    OTHER_CODE = "other code"  # both refuse, with different codes
    RAISES = "raises"  # we refuse what OPA evaluates
    WRONG = "WRONG"  # we answer, and differently
    CRASH = "crash"  # the process died, or never came back


class Judged(NamedTuple):
    version: str
    folder: str
    note: str
    verdict: Verdict
    detail: str


def judge(case: Case) -> Judged:
    """Evaluate one case and compare."""
    verdict, detail = _verdict(case)
    return Judged(case.version, case.folder, case.note, verdict, detail)


def _verdict(case: Case) -> tuple[Verdict, str]:
    try:
        found = evaluate(
            {f"test-{number}.rego": source for number, source in enumerate(case.modules)},
            _query(case),
            data=case.data,
            input=case.input,
            rego_version=case.version,
            strict_builtin_errors=case.strict,
        )
    except RegoError as error:
        if not case.wants_error:
            return Verdict.RAISES, str(error)
        if case.want_error_code not in (None, error.code):
            return Verdict.OTHER_CODE, f"{error} instead of {case.want_error_code}: {case.want_error}"
        return Verdict.AGREE, ""
    if case.wants_error:
        return Verdict.WRONG, f"{found} instead of {case.want_error_code}: {case.want_error}"
    got = {_canonical(_row(row, case)) for row in found}
    wanted = {_canonical(_row(row, case)) for row in case.want_result or []}
    if got == wanted:
        return Verdict.AGREE, ""
    return Verdict.WRONG, f"got {sorted(got)}, wanted {sorted(wanted)}"


def _query(case: Case) -> str:
    """The query; `input_term` is Rego and may hold sets, so it is put in by `with`."""
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
    """Text that is equal for equal JSON values: 1 and 1.0 are the same number, true is none."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
