"""PagerDuty: Events API v2. A problem is one incident, which is resolved when nothing of it is open any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

import msgspec

from kubekeep_server.notifications.destination import Destination, Secret, Url
from kubekeep_server.notifications.messages import Message, write_line
from kubekeep_server.notifications.network import Network

_LONGEST: Final = 1_024
_SEVERITIES: Final = {"critical": "critical", "high": "error", "medium": "warning"}


class PagerDuty(Destination, frozen=True, kw_only=True):
    """A service of PagerDuty. routing_key: of its integration. url: of another region, or of a compatible service."""

    secret_names: ClassVar[frozenset[str]] = frozenset({"routing_key"})
    routing_key: Secret
    url: Url = "https://events.pagerduty.com/v2/enqueue"

    def render(self, message: Message) -> str:
        """Return the JSON documents, without the key."""
        return "\n".join(msgspec.json.encode(event).decode() for event in build_events(message))

    async def send(self, message: Message, network: Network) -> None:
        """Send the events of a message. Raises DeliveryError."""
        for event in build_events(message):
            content = msgspec.json.encode({"routing_key": self.routing_key, **event})
            await network.request("POST", self.url, content=content)


def build_events(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the events: one that triggers, or one for each problem that is resolved."""
    if not message.is_fix:
        details = {section.heading: [write_line(line) for line in section.lines] for section in message.sections}
        yield {
            "event_action": "trigger",
            "dedup_key": message.key,
            "client": "Kubekeep",
            "client_url": message.url,
            "payload": {
                "summary": message.title[:_LONGEST],
                "source": message.source or "kubekeep",
                "severity": _SEVERITIES.get(message.priority, "info"),
                "timestamp": message.moment.isoformat(),
                "component": message.definition,
                "custom_details": {"text": message.text, **details},
            },
            "links": [{"href": message.url, "text": "Open in Kubekeep"}],
        }
    for key in message.resolved:
        yield {"event_action": "resolve", "dedup_key": key}
