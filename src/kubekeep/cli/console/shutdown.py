"""Graceful shutdown of long-running commands: a stop event first, exit after a timeout. Prints nothing.

The work may be in the middle of an evaluation, which cannot be interrupted, or wait for a server.
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
"""End of the work; no signal has this number."""
_EVENTS: Final = frozenset({_END, *_SIGNALS})
_GRACE: Final = 1.0
"""Seconds for the work to end by itself."""
_PRINTING: Final = 0.2
"""Maximum seconds to wait for a line that is being printed: the reader of the output may be blocked."""


class ShutdownHandler:
    """Handler of interrupts and of the end of the work, which arrive as one stream of events."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)

    def close(self) -> None:
        """Close the event stream."""
        self._receiver.close()
        self._sender.close()

    def run(self, work: Callable[[threading.Event], None], printing: threading.Lock) -> None:
        """Run `work` until it ends, and raise its errors; an interrupt sets the event that it receives.

        Exits the process with 0 if `work` continues for more than about a second after that, or at a second interrupt;
        output printed with `printing` locked is completed first.
        """
        stopped = threading.Event()
        errors: list[BaseException] = []

        def run_work() -> None:
            try:
                work(stopped)
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                errors.append(error)
            self._send(_END)

        thread = threading.Thread(target=run_work, daemon=True)
        thread.start()
        if self._next(None) != _END:
            stopped.set()
            if self._next(_GRACE) != _END:
                _exit(printing)
        thread.join()
        if errors:
            raise errors[0]

    @contextlib.contextmanager
    def receive_signals(self) -> Iterator[None]:
        """Receive signals in the block.

        The handler in C writes to the socket for a signal in any thread. A Python handler would have to wait for the main
        thread, which may not wake for a signal in another thread or just before its wait.
        """
        previous = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(previous)

    def _send(self, event: int) -> None:
        with contextlib.suppress(OSError):
            self._sender.send(bytes([event]))

    def _next(self, timeout: float | None) -> int | None:
        """Return the next event: the number of a signal, or `_END`. None after `timeout` seconds."""
        self._receiver.settimeout(timeout)
        with contextlib.suppress(TimeoutError):
            while (event := self._receiver.recv(1)[0]) not in _EVENTS:
                pass
            return event
        return None


@contextlib.contextmanager
def handle_interrupts() -> Iterator[ShutdownHandler]:
    """Handle SIGINT and SIGTERM in the block; main thread only."""
    with contextlib.closing(ShutdownHandler()) as handler, handler.receive_signals():
        previous_handlers = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        try:
            yield handler
        finally:
            for number, previous in previous_handlers.items():
                signal.signal(number, previous)


def _exit(printing: threading.Lock) -> None:
    """Exit the process at once: an evaluating thread can neither be awaited nor stopped with the interpreter."""
    printing.acquire(timeout=_PRINTING)
    os._exit(0)
