"""Progress line with the number of resources during a scan; on terminals only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Final

_STEP: Final = 500


@contextlib.contextmanager
def counter() -> Iterator[Callable[[int], None]]:
    """Yield a callback for the number of resources so far; clear its line at the end."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return

    def show_count(count: int) -> None:
        if count % _STEP == 0:
            sys.stderr.write(f"\r{count:,} resources ...")
            sys.stderr.flush()

    try:
        yield show_count
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
