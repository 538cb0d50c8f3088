"""Parts of images that are known not to be readable, accepted by path with a reason and an expiry date. No I/O.

A scan stays complete without an accepted part, and every report names it. Only files in images can be accepted: never an image,
its packages, or the input as a whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

from kubekeep.exceptions.policy_exception import PolicyException, matches
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.exception import ExceptionStatus, ExceptionUse

IN_IMAGE: Final = "!/"
"""Separator of an image and a path in it, in locations."""
_UNUSED: Final = "no part of the input that could not be read has such a path"


def accept_unread(
    unread: Iterable[UnreadInput], exceptions: Sequence[PolicyException], now: dt.datetime
) -> tuple[list[UnreadInput], list[str], tuple[ExceptionUse, ...]]:
    """Return the parts that no exception accepts, a note for each accepted one, and the use of each exception."""
    active = [exception for exception in exceptions if not exception.flaw and _is_current(exception, now)]
    remaining: list[UnreadInput] = []
    notes: list[str] = []
    used: set[int] = set()
    for entry in unread:
        exception = next((one for one in active if _accepts(one, entry.location.file)), None)
        if exception is None:
            remaining.append(entry)
            continue
        used.add(id(exception))
        applied = exception.exception
        until = f", until {applied.expires:%Y-%m-%d}" if applied.expires is not None else ""
        notes.append(f"accepted as not read: {entry.location}: {entry.message} ({applied.reason}{until})")
    return remaining, notes, tuple(_describe(exception, now, is_used=id(exception) in used) for exception in exceptions)


def _is_current(exception: PolicyException, now: dt.datetime) -> bool:
    expires = exception.exception.expires
    return expires is None or expires > now


def _accepts(exception: PolicyException, file: str) -> bool:
    return IN_IMAGE in file and any(matches(pattern, file) for pattern in exception.unread)


def _describe(exception: PolicyException, now: dt.datetime, *, is_used: bool) -> ExceptionUse:
    status, text = (ExceptionStatus.MATCHED, "") if is_used else (ExceptionStatus.UNUSED, _UNUSED)
    if exception.flaw:
        status, text = ExceptionStatus.INVALID, exception.flaw
    elif not _is_current(exception, now):
        status, text = ExceptionStatus.EXPIRED, ""
    return ExceptionUse(exception=exception.exception, status=status, text=text)
