"""Wake-ups of the main thread after signals. Handles no signal itself.

Python runs the handler of a signal in the main thread, between two instructions. While this thread waits for a lock (a
result of another thread), only a signal that interrupts the wait itself is handled. One that another thread receives,
or that arrives just before the wait begins, would be handled when the wait ends: after the timeout of a server, or
never.
"""

from __future__ import annotations

import _thread
import os
import signal
import time
from typing import Final

_WAKEUP: Final = "SIGURG"
"""A signal that is ignored by default, used by nothing here; Windows has none."""
_DELAYS: Final = (0.05, 0.2, 0.5, 1.0)
"""Seconds between wake-ups: the first may also arrive just before a wait begins."""


def wake_main_thread() -> None:
    """Interrupt the waits of the main thread after each signal, from now on. Called once, in the main thread."""
    number = getattr(signal, _WAKEUP, None)
    if number is None:
        return
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    # Not a `threading.Thread`, which `threading.active_count` counts: a scan prepares all types for other threads, and this
    # one decodes nothing.
    _thread.start_new_thread(_wake_after_signals, (receiver, number, _thread.get_ident()))


def _wake_after_signals(receiver: int, number: int, thread: int) -> None:
    while received := os.read(receiver, 64):
        if any(byte != number for byte in received):
            for delay in _DELAYS:
                time.sleep(delay)
                signal.pthread_kill(thread, number)
