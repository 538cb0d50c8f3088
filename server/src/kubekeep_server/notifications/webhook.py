"""Webhooks: the message as JSON, signed by HMAC-SHA256 over the time and the content."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import ClassVar

import msgspec

from kubekeep_server.notifications.destination import Destination, Secret, Url
from kubekeep_server.notifications.messages import Message
from kubekeep_server.notifications.network import Network


class Webhook(Destination, frozen=True, kw_only=True):
    """An address that gets messages. secret: of the signature."""

    secret_names: ClassVar[frozenset[str]] = frozenset({"secret"})
    url: Url
    secret: Secret

    def render(self, message: Message) -> str:
        """Return the JSON document."""
        return msgspec.json.format(msgspec.json.encode(message)).decode()

    async def send(self, message: Message, network: Network) -> None:
        """Send a message with its signature. Raises DeliveryError."""
        content = msgspec.json.encode(message)
        headers = {
            "Kubekeep-Signature": sign(self.secret, content, int(time.time())),
            "Idempotency-Key": message.id,
        }
        await network.request("POST", self.url, content=content, headers=headers)


def sign(secret: str, content: bytes, seconds: int) -> str:
    """Return the signature `t=SECONDS,v1=HEX` of `SECONDS.CONTENT`; a receiver refuses one that is older than some minutes."""
    digest = hmac.new(secret.encode(), b"%d." % seconds + content, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
