"""Slack: blocks to an incoming webhook. Texts are escaped as its documentation requires, so that they form no links or mentions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

import msgspec

from kubekeep_server.notifications.destination import Destination, Secret
from kubekeep_server.notifications.messages import Line, Message, Section
from kubekeep_server.notifications.network import Network

_LONGEST_HEADER: Final = 150
_LONGEST_TEXT: Final = 3_000
_MOST_BLOCKS: Final = 50
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKS: Final = str.maketrans(dict.fromkeys("*_~`", "\N{ZERO WIDTH SPACE}"))


class Slack(Destination, frozen=True, kw_only=True):
    """A channel of Slack. url: of its incoming webhook, which is a secret."""

    secret_names: ClassVar[frozenset[str]] = frozenset({"url"})
    url: Secret

    def render(self, message: Message) -> str:
        """Return the JSON document."""
        return msgspec.json.encode(build_document(message)).decode()

    async def send(self, message: Message, network: Network) -> None:
        """Send a message. Raises DeliveryError."""
        await network.request("POST", self.url, content=self.render(message).encode())


def build_document(message: Message) -> dict[str, Any]:
    """Return the blocks of a message. text: for notifications of the desktop, and for screen readers."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _shorten(message.title, _LONGEST_HEADER)}}
    ]
    if message.text:
        blocks.append(_build_text(escape(message.text)))
    blocks += [_build_text(_write_section(section)) for section in message.sections]
    if message.url:
        blocks.append(_build_text(f"<{escape_url(message.url)}|Open in Kubekeep>"))
    footer = " · ".join(escape(part) for part in (message.source, message.rule) if part)
    if footer:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": footer}]})
    return {"text": escape(message.title), "blocks": blocks[:_MOST_BLOCKS]}


def escape(text: str) -> str:
    """Return a text that shows as it is: no link, mention or format."""
    return text.translate(_MARKS).translate(_ESCAPES)


def _write_section(section: Section) -> str:
    return "\n".join((f"*{escape(section.heading)}*", *_list_lines(section)))


def _list_lines(section: Section) -> Iterator[str]:
    for line in section.lines:
        yield f"• {_write_line(line)}"
    if section.more:
        yield f"• and {section.more} more"


def _write_line(line: Line) -> str:
    text = f"<{escape_url(line.url)}|{escape(line.text)}>" if line.url else escape(line.text)
    parts = (f"{line.priority}: " if line.priority else "", text, f" ({escape(line.detail)})" if line.detail else "")
    return "".join(parts)


def escape_url(url: str) -> str:
    """Return an address for a link."""
    return url.translate(_ESCAPES).replace("|", "%7C")


def _build_text(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _shorten(text, _LONGEST_TEXT)}}


def _shorten(text: str, limit: int) -> str:
    """Return a text that is not too long, without the rest of a line that would be cut."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 2]
    return f"{cut[: cut.rfind(chr(10))] if chr(10) in cut else cut}\n…"
