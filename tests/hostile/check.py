"""Promises that every run must keep, whatever its input.

- No exception leaves the program, and no process is killed by a limit (`run`).
- The exit code is a documented one and agrees with the input: what was not understood is never passed over in silence.
- Every report is complete and valid in its format.
- Nothing on a terminal and in the terminal report can control the terminal.
- Nothing is written, read or connected to besides what the command names (`child`, `run`).
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Final

from jsonschema import Draft4Validator, FormatChecker

from kubekeep.reports import formats, load
from tests.hostile.member import Expected, Member, Run
from tests.hostile.run import SECRET
from tests.reports.registration import REGISTRATIONS

_CODES: Final = {0, 1, 2, 3}
_INTERRUPTED: Final = 130
_UNSAFE: Final = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f"
    "\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\ud800-\\udfff]"
)
"""Characters that control a terminal or change the direction of its text."""
_DEFECTS: Final = ("internal error:", "Traceback (most recent call last)", "panicked at")
_SARIF_SCHEMA: Final = Path(__file__).parents[1] / "reports" / "assets" / "sarif-2.1.0.json"
_FORMATS: Final = {
    f"report{'' if entry.owns_extension else f'.{entry.name}'}{entry.extension}": entry.name
    for entry in formats().values()
}
"""Formats by the file of their report."""


@functools.cache
def _load_sarif_schema() -> Draft4Validator:
    schema = json.loads(_SARIF_SCHEMA.read_text(encoding="utf-8"))
    return Draft4Validator(schema, format_checker=FormatChecker(["uri", "uri-reference"]))


def check_run(member: Member, run: Run) -> None:
    """Assert that a run keeps every promise for its member."""
    texts = (run.output, run.errors)
    codes = _CODES | {_INTERRUPTED} if member.interrupt_after else _CODES
    assert run.code in codes, f"exit code {run.code}"
    assert not any(mark in text for mark in _DEFECTS for text in texts), run.errors[-300:]
    for printed in texts:
        # Lines of CSV and of headers end so, which moves no cursor elsewhere.
        text = printed.replace("\r\n", "\n")
        match = _UNSAFE.search(text)
        assert match is None, f"control character in the output: {text[max(0, match.start() - 60) :][:120]!r}"
    for name, content in run.files.items():
        if name.startswith("report") and name not in member.files:
            _check_report(name, content)
    assert not any(SECRET in text for text in texts), "content of another file in the output"
    _check_expectation(member, run)
    if member.check is not None:
        member.check(run)


def _check_report(name: str, content: bytes) -> None:
    assert SECRET.encode() not in content, f"content of another file in {name}"
    if name in _FORMATS and not load(_FORMATS[name]).binary:
        try:
            value = REGISTRATIONS[_FORMATS[name]].read(content.decode())
            if _FORMATS[name] == "sarif":
                _load_sarif_schema().validate(value)
        except Exception as error:
            raise AssertionError(f"{name} is not a valid report: {type(error).__name__}: {error}") from error


def _check_expectation(member: Member, run: Run) -> None:
    message = f"exit code {run.code}, {len(run.unread)} unread: {run.errors[-200:]!r}"
    match member.expected:
        case Expected.READ:
            assert run.code == 0, message
            assert not run.unread, f"{message} {run.unread[:2]}"
        case Expected.REPORTED:
            assert run.code, message
            assert run.errors.strip(), message
        case Expected.REFUSED:
            assert run.code in {2, 3}, message
            assert run.errors.strip(), message
            assert not run.report, message
        case Expected.EITHER:
            # Without a report nothing was scanned, which is never a success in silence.
            is_shown = run.report or run.output.strip() or run.errors.strip()
            assert run.code or is_shown or member.interrupt_after, message
