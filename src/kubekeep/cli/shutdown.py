"""How what runs until somebody ends it is ended: asked first, left behind if that takes too long. Prints nothing.

What is asked may be in the middle of an evaluation, which nothing can interrupt, or wait for a server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_END: Final = 0
"""The work has ended; no signal has this number."""
_KNOWN: Final = frozenset({_END, *_SIGNALS})
_GRACE: Final = 1.0
"""Seconds that what runs has to end by itself."""
_PRINTING: Final = 0.2
"""Seconds for which a line that is being printed is waited for: nobody may be reading it."""


class Endings:
    """The interrupts that come, and the end of what runs."""

    def __init__(self) -> None:
        self._heard, self._told = socket.socketpair()
        self._told.setblocking(False)

    def close(self) -> None:
        """Hear of nothing any more."""
        self._heard.close()
        self._told.close()

    def run(self, work: Callable[[threading.Event], None], printing: threading.Lock) -> None:
        """Let `work` run until it ends, and raise what it raises; on an interrupt the event that it is given is set.

        Ends the process with 0 if `work` takes longer than about a second then, or at a second interrupt: whatever is
        printed while `printing` is held is printed to its end.
        """
        stopped = threading.Event()
        failed: list[BaseException] = []

        def working() -> None:
            try:
                work(stopped)
            except BaseException as error:  # noqa: BLE001 - raised again by who waits
                failed.append(error)
            self._tell(_END)

        thread = threading.Thread(target=working, daemon=True)
        thread.start()
        if self._next(None) != _END:
            stopped.set()
            if self._next(_GRACE) != _END:
                _leave(printing)
        thread.join()
        if failed:
            raise failed[0]

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Hear of signals while the block lasts.

        The handler in C tells of them, whichever thread they come to: one in Python would have to wait for the main
        thread, and that for somebody to wake it where the signal came to another, or just before it began to wait.
        """
        before = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def _tell(self, what: int) -> None:
        with contextlib.suppress(OSError):
            self._told.send(bytes([what]))

    def _next(self, most: float | None) -> int | None:
        """The next thing that happens within `most` seconds: the number of a signal, or the end of the work."""
        self._heard.settimeout(most)
        with contextlib.suppress(TimeoutError):
            while (what := self._heard.recv(1)[0]) not in _KNOWN:
                pass
            return what
        return None


@contextlib.contextmanager
def interrupts() -> Iterator[Endings]:
    """Take SIGINT and SIGTERM while the block lasts; in the main thread only."""
    with contextlib.closing(Endings()) as found, found.heard():
        before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        try:
            yield found
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _leave(printing: threading.Lock) -> None:
    """End the process as it is: a thread that evaluates cannot be waited for, nor be taken down with the interpreter."""
    printing.acquire(timeout=_PRINTING)
    os._exit(0)
