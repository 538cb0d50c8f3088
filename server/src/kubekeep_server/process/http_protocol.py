"""HTTP/1.1 of uvicorn with limits on heads and trailers: their size, which its parser keeps in memory, and their time. Knows no application."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD: Final = 64 * 1024
"""Bytes of the line and the headers of a request, or of the trailers of a body. One more read may be in memory."""
HEAD_SECONDS: Final = 60
"""Longest time of a head, and of the empty lines before it."""


class LimitedProtocol(HttpToolsProtocol):
    """A connection that ends after a head that is too long or too slow."""

    _deadline: asyncio.TimerHandle | None = None
    """The end of the time for a head; None while a request is answered, and between requests."""

    _pending = 0
    """Bytes since the last head or part of a body that was complete."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the client."""
        self._pending += len(data)
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._start_deadline()
        if self._pending > LONGEST_HEAD and not self.transport.is_closing():
            self.logger.warning("A head of more than %d bytes was refused.", LONGEST_HEAD)
            self.send_400_response("The head is too long.")

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._pending = 0
        self._stop_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Add to the body of the request."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body of the request."""
        self._pending = 0
        super().on_message_complete()

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
