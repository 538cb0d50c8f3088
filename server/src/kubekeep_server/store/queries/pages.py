"""Pages of lists, with a cursor that names the last row: later rows are found by an index, and none is skipped or repeated."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

Row = TypeVar("Row")
Position = TypeVar("Position")
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1_000


class Document(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what the API returns: camelCase names, keys as hexadecimal digits, times as RFC 3339."""


class Page(Document, Generic[Row], frozen=True):
    """Rows of a list. cursor: of the next page; empty on the last one."""

    rows: tuple[Row, ...]
    cursor: str = ""


def cut_page(
    rows: Sequence[Row], limit: int, order: str, locate: Callable[[Row], tuple[Any, ...]]
) -> tuple[Sequence[Row], str]:
    """Return the first `limit` rows, and the cursor of those after them; empty if there is none.

    locate: returns the position of a row in the order.
    """
    page = rows[:limit]
    return page, write_cursor(order, locate(page[-1])) if len(rows) > limit else ""


def write_cursor(order: str, position: tuple[Any, ...]) -> str:
    """Return the cursor of the rows after a position in an order."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((order, position))).decode().rstrip("=")


def read_cursor(cursor: str, order: str, kind: type[Position]) -> Position | None:
    """Return the position of a cursor; None without one. Raises ValueError for one of another list or order."""
    if not cursor:
        return None
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        written, position = msgspec.msgpack.decode(content, type=tuple[str, kind])  # type: ignore[valid-type]
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise ValueError("the cursor is not one of this list: start without a cursor") from error
    if written != order:
        raise ValueError(f"the cursor is one of the order {written!r}: start without a cursor")
    return position
