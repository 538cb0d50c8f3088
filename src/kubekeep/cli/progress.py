"""A line that counts resources while a scan runs, on a terminal only; a pipe or a log never sees it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Final

_EVERY: Final = 500


@contextlib.contextmanager
def counter() -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the number of resources seen; wipes its line in the end."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return

    def note(seen: int) -> None:
        if seen % _EVERY == 0:
            sys.stderr.write(f"\r{seen:,} resources ...")
            sys.stderr.flush()

    try:
        yield note
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
