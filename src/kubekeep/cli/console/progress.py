"""Progress lines during a scan or a download; on terminals only."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

import click

from kubekeep.model.text import visible

_STEP: Final = 500
_LONGEST_NAME: Final = 50
_MEGABYTE: Final = 1_000_000
_INTERVAL: Final = 0.2
"""Seconds between two updates of the line of a download."""


@contextlib.contextmanager
def counter() -> Iterator[Callable[[int], None]]:
    """Yield a callback for the number of resources so far; clear its line at the end."""
    if not _is_shown():
        yield lambda _: None
        return

    def show_count(count: int) -> None:
        if count % _STEP == 0:
            _write(f"\r{count:,} resources ...")

    # The first object of a large input or a remote cluster may take seconds.
    _write("\rreading ...")
    try:
        yield show_count
    finally:
        _write("\r\x1b[K")


@contextlib.contextmanager
def download() -> Iterator[Callable[[str, int, int | None], None]]:
    """Yield a callback for the image, the bytes read so far and their total, if known; clear its line at the end."""
    if not _is_shown():
        yield lambda _, __, ___: None
        return
    shown = 0.0

    def show_size(image: str, size: int, total: int | None) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < _INTERVAL:
            return
        shown = now
        rest = f" of {total / _MEGABYTE:,.0f}" if total else ""
        _write(f"\r\x1b[K{visible(image)[-_LONGEST_NAME:]}: {size / _MEGABYTE:,.0f}{rest} MB")

    try:
        yield show_size
    finally:
        _write("\r\x1b[K")


@contextlib.contextmanager
def images() -> Iterator[Callable[[int, int, int], None]]:
    """Yield a callback for images done, all images and the bytes read so far; clear its line at the end."""
    if not _is_shown():
        yield lambda _, __, ___: None
        return
    start = time.monotonic()

    def show_images(done: int, total: int, size: int) -> None:
        rest = (time.monotonic() - start) / done * (total - done)
        text = f"{done:,} of {total:,} images, {size / _MEGABYTE:,.0f} MB, {_format_rest(rest)} left"
        _write(f"\r\x1b[K{text}")

    _write("\rlisting images ...")
    try:
        yield show_images
    finally:
        _write("\r\x1b[K")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _format_rest(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:,.0f} s" if minutes < 2 else f"{minutes:,.0f} min" if minutes < 120 else f"{minutes / 60:,.1f} h"


def _is_shown() -> bool:
    context = click.get_current_context(silent=True)
    return sys.stderr.isatty() and not (context is not None and context.params.get("quiet"))
