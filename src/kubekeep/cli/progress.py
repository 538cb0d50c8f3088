"""Progress line with the number of resources during a scan; on terminals only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Final

import click

_STEP: Final = 500


@contextlib.contextmanager
def counter() -> Iterator[Callable[[int], None]]:
    """Yield a callback for the number of resources so far; clear its line at the end."""
    context = click.get_current_context(silent=True)
    if not sys.stderr.isatty() or (context is not None and context.params.get("quiet")):
        yield lambda _: None
        return

    def show_count(count: int) -> None:
        if count % _STEP == 0:
            sys.stderr.write(f"\r{count:,} resources ...")
            sys.stderr.flush()

    # The first object of a large input or a remote cluster may take seconds.
    sys.stderr.write("\rreading ...")
    sys.stderr.flush()
    try:
        yield show_count
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
