"""Errors of the database by what a caller can do: repeat the call, or refuse the content."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_CONFLICTS: Final = ("25006", "40001", "40P01", "55P03")
"""Read-only transaction (of a replica), serialization failure, deadlock and lock not available (PostgreSQL, appendix A)."""
_CONNECTION_CLASSES: Final = ("08", "53", "57P", "58")
"""Connection, resources, intervention of an operator, system error."""


_VALUE_CLASSES: Final = ("22", "54")
"""A value that is none of its type, or is longer than an index or a row can have."""


class StoreUnavailableError(Exception):
    """A database that cannot be reached or is busy. Nothing was changed, or the repeated request will tell."""


class InvalidContentError(ValueError):
    """A value that the database cannot store, such as a text with a NUL character in PostgreSQL."""


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raise StoreUnavailableError for errors after which the same call may succeed, InvalidContentError for values."""
    try:
        yield
    except (OSError, TimeoutError, PoolTimeoutError) as error:
        raise StoreUnavailableError(f"the database cannot be reached: {type(error).__name__}") from error
    except OverflowError as error:
        # A number of more than 64 bits in SQLite.
        raise InvalidContentError("a value cannot be stored") from error
    except DBAPIError as error:
        if _read_code(error).startswith(_VALUE_CLASSES):
            raise InvalidContentError("a value cannot be stored") from error
        if not _may_succeed(error):
            raise
        raise StoreUnavailableError(f"the database is not available: {type(error.orig).__name__}") from error


def _may_succeed(error: DBAPIError) -> bool:
    code = _read_code(error)
    if code in _CONFLICTS or code.startswith(_CONNECTION_CLASSES):
        return True
    # SQLite: locked, disk full, or a file that cannot be opened. PostgreSQL: replicas of which none is the primary yet.
    return error.connection_invalidated or (isinstance(error, (InternalError, OperationalError)) and not code)


def _read_code(error: DBAPIError) -> str:
    """Return the SQLSTATE of PostgreSQL; empty for SQLite."""
    return str(getattr(error.orig, "sqlstate", None) or "")
