"""Microsoft Teams: an Adaptive Card to an incoming webhook of Workflows. Texts are escaped for the Markdown of cards."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

import msgspec

from kubekeep_server.notifications.destination import Destination, Secret
from kubekeep_server.notifications.messages import Line, Message, Section
from kubekeep_server.notifications.network import Network

_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")
_COLOURS: Final = {"critical": "Attention", "high": "Attention", "medium": "Warning"}


class Teams(Destination, frozen=True, kw_only=True):
    """A channel or chat of Teams. url: of the workflow, which is a secret."""

    secret_names: ClassVar[frozenset[str]] = frozenset({"url"})
    url: Secret

    def render(self, message: Message) -> str:
        """Return the JSON document."""
        return msgspec.json.encode(build_document(message)).decode()

    async def send(self, message: Message, network: Network) -> None:
        """Send a message. Raises DeliveryError."""
        await network.request("POST", self.url, content=self.render(message).encode())


def build_document(message: Message) -> dict[str, Any]:
    """Return the message with a card (Adaptive Cards 1.4)."""
    title = _build_text(escape(message.title), weight="Bolder", size="Medium")
    if message.priority in _COLOURS and not message.is_fix:
        title["color"] = _COLOURS[message.priority]
    body = [title]
    if message.text:
        body.append(_build_text(escape(message.text)))
    for section in message.sections:
        body += [_build_text(escape(section.heading), weight="Bolder"), _build_text(_write_lines(section))]
    if message.rule:
        body.append(_build_text(escape(f"Sent by the rule {message.rule}"), isSubtle=True, size="Small"))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    }
    if message.url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Kubekeep", "url": message.url}]
    content_type = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content_type, "contentUrl": None, "content": card}]}


def escape(text: str) -> str:
    """Return a text that shows as it is. HTML has no meaning in cards."""
    return _MARKS.sub(r"\\\1", text)


def _write_lines(section: Section) -> str:
    more = [f"- and {section.more} more"] if section.more else []
    return "\n".join((*(f"- {_write_line(line)}" for line in section.lines), *more))


def _write_line(line: Line) -> str:
    text = f"[{escape(line.text)}]({line.url.replace(')', '%29')})" if line.url else escape(line.text)
    priority = f"{line.priority}: " if line.priority else ""
    return f"{priority}{text}{f' ({escape(line.detail)})' if line.detail else ''}"


def _build_text(text: str, **members: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **members}
