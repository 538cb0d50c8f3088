"""Pages of answers: each tool result is smaller than a fixed number of bytes, and a cursor continues it.

Answers are kept in memory, a limited number of them; nothing is written to disk.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from typing import Final, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel

from kubekeep.mcp.answers import PagedAnswer

MAX_RESULT_BYTES: Final = 24_000
"""Size of a tool result, with the structured content and the same as text."""
_MAX_ANSWERS: Final = 16
_MAX_BYTES: Final = 64 * 1024 * 1024
"""Limit of the size of all kept answers."""
_CURSOR_BYTES: Final = 200
"""Reserve for the cursor and the numbers of a page."""

Answer = TypeVar("Answer", bound=PagedAnswer)


def make_result(answer: BaseModel) -> CallToolResult:
    """Return the tool result with `answer` as structured content, and as JSON text for clients that read only text."""
    content = answer.model_dump(mode="json", exclude_none=True)
    if isinstance(answer, PagedAnswer):
        # Totals and cursor first, where a reader that stops early sees them.
        content["entries"] = content.pop("entries")
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=content)


class Pages:
    """Answers with further pages, by token. The oldest are dropped."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[PagedAnswer, int]] = OrderedDict()

    def first(self, answer: Answer) -> CallToolResult:
        """Return the first page of `answer`, and keep the answer if there are more."""
        page, end = _make_page(answer, 0)
        if end >= len(answer.entries):
            return make_result(page)
        token = secrets.token_urlsafe(12)
        self._answers[token] = answer, sum(map(_measure, answer.entries))
        while len(self._answers) > 1 and (
            len(self._answers) > _MAX_ANSWERS or sum(size for _, size in self._answers.values()) > _MAX_BYTES
        ):
            self._answers.popitem(last=False)
        return make_result(page.model_copy(update={"next_cursor": f"{token}.{end}"}))

    def next(self, cursor: str, kind: type[PagedAnswer]) -> CallToolResult:
        """Return the page of a cursor. Raises ToolError for an unknown one, and for one of another tool."""
        token, _, number = cursor.partition(".")
        answer, _ = self._answers.get(token, (None, 0))
        if not isinstance(answer, kind) or not number.isdecimal() or int(number) >= len(answer.entries):
            raise ToolError("this cursor has expired or is not of this tool; call the tool again without a cursor")
        self._answers.move_to_end(token)
        page, end = _make_page(answer, int(number))
        cursor = f"{token}.{end}" if end < len(answer.entries) else ""
        return make_result(page.model_copy(update={"next_cursor": cursor or None}))


def _make_page(answer: Answer, start: int) -> tuple[Answer, int]:
    """Return the page of `answer` that begins at an entry, and the number of the entry after its last."""
    size = _measure(answer.model_copy(update={"entries": []})) + _CURSOR_BYTES
    end = start
    while end < len(answer.entries) and (end == start or size + _measure(answer.entries[end]) <= MAX_RESULT_BYTES):
        size += _measure(answer.entries[end])
        end += 1
    return answer.model_copy(update={"entries": answer.entries[start:end], "first_entry": start + 1}), end


def _measure(part: BaseModel) -> int:
    """Return the bytes that a part takes in a result: once as JSON, once as JSON in a JSON text."""
    text = part.model_dump_json(exclude_none=True)
    return len(text.encode()) + len(json.dumps(text, ensure_ascii=False).encode()) + 2
