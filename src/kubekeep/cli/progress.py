"""Progress line with the number of resources during a scan; on terminals only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Final

_EVERY: Final = 500


@contextlib.contextmanager
def counter() -> Iterator[Callable[[int], None]]:
    """Yield a callback for the number of resources so far; clear its line at the end."""
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
