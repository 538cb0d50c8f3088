"""HTTP/1.1 of uvicorn with a limit on heads and trailers, which its parser keeps in memory without one. Knows no application."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD: Final = 64 * 1024
"""Bytes of the line and the headers of a request, or of the trailers of a body. One more read may be in memory."""


class LimitedProtocol(HttpToolsProtocol):
    """A connection that ends after a head that is too long."""

    _pending = 0
    """Bytes since the last head or part of a body that was complete."""

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the client."""
        self._pending += len(data)
        super().data_received(data)
        if self._pending > LONGEST_HEAD and not self.transport.is_closing():
            self.logger.warning("A head of more than %d bytes was refused.", LONGEST_HEAD)
            self.send_400_response("The head is too long.")

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._pending = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Add to the body of the request."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body of the request."""
        self._pending = 0
        super().on_message_complete()
