"""The cases of the built-in library, read once in a process, because many tests choose their own of them."""

from __future__ import annotations

import functools

from kubekeep.library.cases import Case, list_cases
from kubekeep.library.load import builtin


@functools.cache
def list_builtin_cases() -> tuple[Case, ...]:
    """Return the cases of all controls."""
    return tuple(list_cases(builtin(), builtin().controls.values()))


@functools.cache
def list_failing_cases() -> tuple[Case, ...]:
    """Return the failing cases of a scan with the default parameters, of each rule once."""
    return tuple(
        case
        for case in list_builtin_cases()
        if case.expected == "fail" and not (case.control.rule or case.options.params) and case.options.minor == 37
    )
