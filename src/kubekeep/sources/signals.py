"""Orderly exit on signals, so that temporary folders and child processes are removed. Keeps existing handlers."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from types import FrameType
from typing import Final, TypeVar

T = TypeVar("T")
_LOOK: Final = 0.5
"""Seconds between checks for a signal in a waiting thread."""


class _State:
    """State of the main thread, the only one that receives signals."""

    held: bool = False
    came: int | None = None


_state: Final = _State()


@contextlib.contextmanager
def ends_on_signals() -> Iterator[None]:
    """Raise SystemExit on signals that end a process by default, to remove temporary folders and children.

    Existing handlers are kept; has no effect outside of the main thread.
    """
    names = ("SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, _end)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def held_signals() -> Iterator[None]:
    """Defer the exit of `ends_on_signals` to the end of a few steps that belong together.

    For steps that never wait, such as starting a child process and registering its end.
    """
    if threading.current_thread() is not threading.main_thread() or _state.held:
        yield
        return
    _state.held = True
    try:
        yield
    finally:
        _state.held = False
        came, _state.came = _state.came, None
        if came is not None:
            sys.exit(128 + came)


def awaited(future: Future[T]) -> T:
    """Wait for the result of `future`.

    Waits in short intervals: a signal received just before a thread waits is only handled after the wait.
    """
    while not future.done():
        wait((future,), timeout=_LOOK)
    return future.result()


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    if _state.held:
        _state.came = number
    else:
        sys.exit(128 + number)
