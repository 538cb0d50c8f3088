"""Changes of the data of a server: one request, which is never repeated, as the server may have executed it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from kubekeep.model.text import encode_json
from kubekeep.uplink.connection import ServerConnection
from kubekeep.uplink.reading import decode_reply
from kubekeep.uplink.token import TokenSource

_CREATED: Final = 201
T = TypeVar("T")


def create_document(connection: ServerConnection, token: TokenSource, path: str, document: Any, kind: type[T]) -> T:
    """Send a new document, and return the answer. Raises what `ResultReader.read` raises."""
    content = encode_json(document).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    reply = connection.post(path, token.read(), [content], headers)
    return decode_reply(connection.address, reply, kind, _CREATED)
