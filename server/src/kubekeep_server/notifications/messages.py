"""Messages to people and programs. Values only; each destination escapes their texts for its own syntax."""

from __future__ import annotations

import datetime as dt

import msgspec


class Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A finding or another fact. text: one line. url: of the page that shows it; empty without one."""

    text: str
    priority: str = ""
    detail: str = ""
    url: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Lines with a heading. more: the number of further ones that are not listed."""

    heading: str
    lines: tuple[Line, ...]
    more: int = 0


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message.

    id: the same in each attempt, so that a receiver can drop a repetition. key: identity of the problem, which later messages about it
    have too. resolved: keys of the problems that exist no longer. event: a `RuleEvent`, `digest` or `test`. priority: the
    highest level; empty without one. source: its name; empty for several. url: of the page that shows it.
    """

    id: str
    key: str
    event: str
    title: str
    text: str
    moment: dt.datetime
    priority: str = ""
    source: str = ""
    source_key: str = ""
    definition: str = ""
    url: str = ""
    resolved: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    rule: str = ""

    @property
    def is_fix(self) -> bool:
        """True for a message about findings that are fixed."""
        return self.event == "finding-fixed"


def write_plain(message: Message) -> str:
    """Return a message as plain text."""
    parts = [message.title]
    if message.text:
        parts.append(message.text)
    parts += map(_write_section, message.sections)
    if message.url:
        parts.append(message.url)
    if message.rule:
        parts.append(f"Sent by the notification rule {message.rule} of Kubekeep.")
    return "\n\n".join(parts) + "\n"


def write_line(line: Line) -> str:
    """Return a line of plain text."""
    priority = f"[{line.priority}] " if line.priority else ""
    return f"- {priority}{line.text}{f' ({line.detail})' if line.detail else ''}"


def _write_section(section: Section) -> str:
    more = [f"- and {section.more} more"] if section.more else []
    return "\n".join((f"{section.heading}:", *map(write_line, section.lines), *more))
