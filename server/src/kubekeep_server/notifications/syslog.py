"""Syslog: RFC 5424 over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425), with plain text or CEF."""

from __future__ import annotations

import asyncio
import enum
import socket
import ssl
from typing import Annotated, Final

import msgspec

from kubekeep.model.text import visible
from kubekeep_server.notifications.destination import Destination, Text
from kubekeep_server.notifications.errors import DeliveryError
from kubekeep_server.notifications.messages import Message, write_line
from kubekeep_server.notifications.network import SECONDS, Network

_FACILITY: Final = 13 * 8
"""Log audit."""
_SEVERITIES: Final = {"critical": 2, "high": 3, "medium": 4, "low": 5}
_CEF_SEVERITIES: Final = {"critical": 10, "high": 8, "medium": 5, "low": 3}
_INFORMATIONAL: Final = 6
_LONGEST_DATAGRAM: Final = 2_048
_LONGEST: Final = 8_192
_NIL: Final = "-"
_MOST: Final = 20


class Protocol(enum.StrEnum):
    """Transports."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Format(enum.StrEnum):
    """Formats of the text."""

    PLAIN = "plain"
    CEF = "cef"


class Syslog(Destination, frozen=True, kw_only=True):
    """A collector of logs."""

    host: Text
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 6514
    protocol: Protocol = Protocol.TLS
    format: Format = Format.PLAIN

    def render(self, message: Message) -> str:
        """Return the record."""
        priority = _FACILITY + _SEVERITIES.get("" if message.is_fix else message.priority, _INFORMATIONAL)
        time = message.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = write_cef(message) if self.format is Format.CEF else _write_text(message)
        return f"<{priority}>1 {time} {_NIL} kubekeep {_NIL} {message.event} {_write_data(message)} {text}"

    async def send(self, message: Message, network: Network) -> None:
        """Send a record. UDP confirms nothing, and TCP only that the connection has its bytes. Raises DeliveryError."""
        record = self.render(message).encode("utf-8", "replace")
        address = await network.policy.resolve(self.host, self.port)
        try:
            async with asyncio.timeout(SECONDS):
                if self.protocol is Protocol.UDP:
                    _send_datagram(address, self.port, _cut(record, _LONGEST_DATAGRAM))
                else:
                    await self._send_stream(address, _cut(record, _LONGEST), network.tls)
        except TimeoutError as error:
            raise DeliveryError(f"{self.host}: no connection within {SECONDS} seconds") from error
        except OSError as error:
            raise DeliveryError(f"{self.host}: {type(error).__name__}") from error

    async def _send_stream(self, address: str, record: bytes, tls: ssl.SSLContext) -> None:
        is_secure = self.protocol is Protocol.TLS
        _, writer = await asyncio.open_connection(
            address, self.port, ssl=tls if is_secure else None, server_hostname=self.host if is_secure else None
        )
        try:
            writer.write(b"%d %b" % (len(record), record))
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


def _send_datagram(address: str, port: int, record: bytes) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sending:
        sending.setblocking(False)
        # uvloop has no `sock_sendto`; a full buffer is an OSError, and the message is sent again.
        sending.sendto(record, (address, port))


def _cut(record: bytes, limit: int) -> bytes:
    """Return the beginning of a record, without a part of a character at its end."""
    return record[:limit].decode("utf-8", "ignore").encode()


def _write_data(message: Message) -> str:
    """Return the structured data (RFC 5424, section 6.3). The number is that of examples: Kubekeep has none of IANA."""
    values = {
        "id": message.id,
        "source": message.source_key,
        "definition": message.definition,
        "priority": message.priority,
    }
    fields = " ".join(f'{name}="{_escape_value(value)}"' for name, value in values.items() if value)
    return f"[kubekeep@32473 {fields}]"


def _escape_value(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _write_text(message: Message) -> str:
    lines = [write_line(line).removeprefix("- ") for section in message.sections for line in section.lines[:_MOST]]
    return "; ".join(filter(None, (message.title, message.text, *lines, message.url)))


def write_cef(message: Message) -> str:
    """Return the message in the Common Event Format, version 0."""
    severity = _CEF_SEVERITIES.get(message.priority, 1)
    header = ("Kubekeep", "server", "1", message.event, message.title)
    lines = [write_line(line).removeprefix("- ") for section in message.sections for line in section.lines[:_MOST]]
    extension = {
        "rt": str(int(message.moment.timestamp() * 1_000)),
        "externalId": message.id,
        "cs1Label": "source",
        "cs1": message.source_key,
        "cs2Label": "definition",
        "cs2": message.definition,
        "request": message.url,
        "msg": "; ".join(filter(None, (message.text, *lines))),
    }
    fields = " ".join(f"{name}={_escape_extension(value)}" for name, value in extension.items() if value)
    return "|".join(("CEF:0", *map(_escape_header, header), str(severity), fields))


def _escape_header(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace("|", "\\|")


def _escape_extension(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace("=", "\\=")
