"""Orderly exit on signals, so that temporary folders and child processes are removed. Keeps existing handlers."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final


class _State:
    """State of the main thread, the only one that receives signals; `pending` is the number of a deferred signal."""

    is_deferred: bool = False
    pending: int | None = None


_state: Final = _State()


@contextlib.contextmanager
def exit_on_signals() -> Iterator[None]:
    """Raise SystemExit on signals that end a process by default, to remove temporary folders and children.

    Existing handlers are kept; has no effect outside of the main thread.
    """
    names = ("SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    handled = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in handled:
            signal.signal(number, _handle_signal)
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Defer the exit of `exit_on_signals` to the end of a few steps that belong together.

    For steps that never wait, such as starting a child process and registering its end.
    """
    if threading.current_thread() is not threading.main_thread() or _state.is_deferred:
        yield
        return
    _state.is_deferred = True
    try:
        yield
    finally:
        _state.is_deferred = False
        number, _state.pending = _state.pending, None
        if number is not None:
            sys.exit(128 + number)


def _handle_signal(number: int, frame: FrameType | None) -> None:
    del frame
    if _state.is_deferred:
        _state.pending = number
    else:
        sys.exit(128 + number)
