"""Ending in order when the system asks for it, so that nothing stays behind. Never takes a signal from its owner."""

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
"""Seconds after which a waiting thread looks whether a signal has come."""


class _State:
    """Of the main thread, the only one that sees signals."""

    held: bool = False
    came: int | None = None


_state: Final = _State()


@contextlib.contextmanager
def ends_on_signals() -> Iterator[None]:
    """Let what ends a process by default raise SystemExit meanwhile: temporary folders go, children end.

    A handler that the process has is its own, and only the main thread can set one.
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
    """Let what `ends_on_signals` catches wait for the end of a few steps that belong together.

    A child that has just been started is known to nobody until somebody is bound to end it. For steps that never wait.
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
    """The result of `future`.

    A signal that comes just before a thread begins to wait is not seen until the wait ends: so it is many short ones.
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
