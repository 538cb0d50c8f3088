"""The base of destinations. A kind is a struct of its settings, secrets among them, with a method that sends."""

from __future__ import annotations

import abc
from typing import Annotated, Any, ClassVar

import msgspec

from kubekeep_server.notifications.messages import Message
from kubekeep_server.notifications.network import Network, check_url

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
OptionalText = Annotated[str, msgspec.Meta(max_length=500)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
OptionalSecret = Annotated[str, msgspec.Meta(max_length=2_000)]


class Destination(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Settings of a destination. `secret_names`: fields that are stored encrypted, and never shown."""

    secret_names: ClassVar[frozenset[str]] = frozenset()

    def check(self) -> None:
        """Raise ValueError for settings that cannot be used."""
        url: Any = getattr(self, "url", "")
        if url:
            check_url(url)

    @abc.abstractmethod
    def render(self, message: Message) -> str:
        """Return what is sent, for a preview."""

    @abc.abstractmethod
    async def send(self, message: Message, network: Network) -> None:
        """Send a message. Raises DeliveryError."""
