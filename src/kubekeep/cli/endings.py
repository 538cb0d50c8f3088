"""How what runs until somebody ends it is ended: asked first, left behind if that takes too long. Prints nothing.

What is asked may be in the middle of an evaluation, which nothing can interrupt, or wait for a server.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_GRACE: Final = 1.0
"""Seconds that what runs has to end by itself."""
_PRINTING: Final = 0.2
"""Seconds for which a line that is being printed is waited for: nobody may be reading it."""


class Endings:
    """The interrupts that come, and the end of what runs."""

    def __init__(self) -> None:
        self._happened: queue.SimpleQueue[str] = queue.SimpleQueue()

    def interrupt(self, *_: object) -> None:
        """Somebody wants an end; may be called at any moment, as a handler of signals is."""
        self._happened.put("interrupt")

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
            self._happened.put("end")

        # Signals come to this thread: it must do nothing that takes long.
        thread = threading.Thread(target=working, daemon=True)
        thread.start()
        if self._happened.get() == "interrupt":
            stopped.set()
            with contextlib.suppress(queue.Empty):
                if self._happened.get(timeout=_GRACE) == "end":
                    thread.join()
            if thread.is_alive():
                _leave(printing)
        thread.join()
        if failed:
            raise failed[0]


@contextlib.contextmanager
def interrupts() -> Iterator[Endings]:
    """Take SIGINT and SIGTERM while the block lasts."""
    found = Endings()
    before = {number: signal.signal(number, found.interrupt) for number in _SIGNALS}
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(printing: threading.Lock) -> None:
    """End the process as it is: a thread that evaluates cannot be waited for, nor be taken down with the interpreter."""
    printing.acquire(timeout=_PRINTING)
    os._exit(0)
