"""The text of a file without its secrets, line by line, for excerpts that people see.

Where a document has marks the places of its secrets are exact; beside that every text is read by its lines, as
templates, Terraform and texts inside of texts have no marks. Keys, structure and the numbers of lines stay as they
are. Rather masks too much than too little, and never shortens a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.model.redaction import ASSIGNMENT_PATTERN, MASK, SECRET_FLAG, TOKEN_PATTERN
from kubekeep.model.secret_keys import KeyContent, classify_key, is_secret_pointer, is_secret_value

_LINE_END: Final = re.compile(r"\r\n?|\n")
_DEEPEST: Final = 50
"""Blocks in blocks; what is deeper belongs to the last of them."""
_LONGEST: Final = 1000
"""Characters of a line that are looked at; a longer one is masked behind them."""
_ENTRY: Final = re.compile(
    r"""(?P<lead>[\s#]*(?:-\s+)*)(?P<quote>["']?)(?P<key>[\w./$@][\w./$@-]*(?:[ ][\w./$@-]+){0,3}?)(?P=quote)"""
    r"""(?P<sign>\s*:(?=\s|$|["\[{])|\s*=(?!=)|(?:\s+"[^"]*")*\s*(?=\{))\s*"""
)
_OPENING: Final = re.compile(r"(?:[&!]\S+\s*)*(?P<sign>\{|\[|\(|[|>][-+0-9]*|<<[-~]?\w+|\w+\(\{?)?\s*(?:#.*)?")
_HEREDOC: Final = re.compile(r"<<[-~]?\s*(\w+)\s*$")
_BARE: Final = re.compile(r"[\s\[\]{}(),]*(?:\{\{-?\s*(?:end|else)\s*-?\}\})?\s*")
_ITEM: Final = re.compile(r"(\s*-\s+)(\S.*)")
_INLINE: Final = re.compile(
    r"""(?P<key>[\w./-]{1,80})(?P<end>["']?\s*[:=]\s*)(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,}\]"'#]+)"""
)
_FLOW_FLAG: Final = re.compile(rf"(?<![\w.-])({SECRET_FLAG.pattern})(\s*[\"']?\s*,\s*[\"']?)([^\"',\]\s-][^\"',\]\s]*)")
_SHORTEST_BLOB: Final = 32
_BLOB: Final = re.compile(rf"(?<![\w+/=:@.-])[A-Za-z0-9+/_-]{{{_SHORTEST_BLOB},}}={{0,2}}(?![\w.-])")
_FLOW: Final = re.compile(r"""(?<![\w./-])([\w./-]{1,80})["']?\s*[:=]\s*[\[{](?!\s*$)""")
_CONSTANT: Final = re.compile(r"(?:true|false|null|~)\s*,?\s*(?:#.*)?")


class _Block(msgspec.Struct):
    """A part of the text that holds secrets: below a key at `indent`, or up to where its bracket or heredoc ends."""

    indent: int
    kind: KeyContent
    is_text: bool = False
    depth: int = 0
    end: str = ""


def masked_lines(text: str, spans: Iterable[tuple[int, int]] = ()) -> list[str]:
    """The lines of `text` without its secrets; `spans` are stretches known to be secret, by index."""
    known = [*spans, *((match.start(), match.end()) for match in TOKEN_PATTERN.finditer(text))]
    return list(_by_lines(_LINE_END.split(_without(text, known))))


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with a mask for each span; one of several lines keeps their number."""
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if end <= at:
            continue
        start = max(start, at)  # noqa: PLW2901 - spans may overlap
        parts.append(text[at:start])
        for number, piece in enumerate(re.split(r"(\r\n?|\n)", text[start:end])):
            if number % 2:
                parts.append(piece)
            elif piece.strip():
                parts.append(_masked(piece))
        at = end
    return "".join((*parts, text[at:]))


def _masked(text: str) -> str:
    """A mask in the place of a text, with the space before it and the quotes around it."""
    bare = text.strip()
    quote = bare[0] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" else ""
    sign = re.match(r"[|>][-+0-9]*(?:\s|$)", bare)
    lead = text[: len(text) - len(text.lstrip())]
    return f"{lead}{bare}" if sign and sign.end() == len(bare) else f"{lead}{quote}{MASK}{quote}"


def _by_lines(rows: Iterable[str]) -> Iterator[str]:
    reader = _Reader()
    for row in rows:
        yield reader.line(row)


class _Reader:
    """Reads lines and knows in which blocks it is."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._flag = False
        self._pointed = 0

    def line(self, row: str) -> str:
        """A line without its secrets."""
        if len(row) > _LONGEST:
            row = row[:_LONGEST] + MASK
        if not row.strip():
            return row
        self._leave(row)
        before = list(self._blocks)
        block = before[-1] if before else None
        if block is not None and block.is_text:
            shown = row if block.end and row.strip() == block.end else _hidden(row)
        else:
            shown = self._entry(row, block)
        for holding in before:
            if holding.depth:
                holding.depth += _net(row)
        if block is not None and block.end and row.strip() == block.end:
            self._blocks.pop()
        return shown

    def _leave(self, row: str) -> None:
        """End the blocks that do not hold this line."""
        indent = len(row) - len(row.lstrip())
        is_item = row.lstrip().startswith("- ")
        is_action = row.lstrip().startswith("{{")
        if re.match(r"---(?:\s|$)", row) and not (self._blocks and self._blocks[-1].end):
            self._blocks.clear()
        while self._blocks:
            block = self._blocks[-1]
            deeper = indent > block.indent or (indent == block.indent and is_item and not block.is_text)
            if block.end or block.depth > 0 or deeper or is_action:
                return
            self._blocks.pop()

    def _entry(self, row: str, block: _Block | None) -> str:
        kind = block.kind if block is not None else KeyContent.NOTHING
        match = _ENTRY.match(row)
        if match is None:
            return self._bare(row, kind)
        self._flag = False
        key, rest = match["key"], row[match.end() :]
        pointed = self._pointing(key, rest)
        below = KeyContent.ALL if pointed else classify_key(key, kind)
        opening = _OPENING.fullmatch(rest)
        is_flow = rest[:1] in {"[", "{"} and below is not KeyContent.NOTHING and not key.lower().endswith("ref")
        if below is KeyContent.WORDS or (opening is None and not (pointed or is_flow or is_secret_value(key, kind))):
            return row[: match.end()] + _told(rest)
        if below is not KeyContent.NOTHING and not row.lstrip().startswith("#"):
            self._open(len(match["lead"]), rest, below)
        if opening is not None or _CONSTANT.fullmatch(rest):
            return row
        return row[: match.end()] + _masked_value(rest)

    def _pointing(self, key: str, rest: str) -> bool:
        """Whether this is the value of a JSON patch within the text, whose path may come before or after it."""
        self._pointed = max(self._pointed - 1, 0)
        if key == "op" or (key == "path" and is_secret_pointer(rest.strip("\"' ,"))):
            self._pointed = 3
        return key == "value" and self._pointed > 0

    def _bare(self, row: str, kind: KeyContent) -> str:
        """A line without a key."""
        item = _ITEM.fullmatch(row)
        word = item[2].strip("\"', ") if item is not None else ""
        flagged, self._flag = self._flag, bool(word) and SECRET_FLAG.fullmatch(word) is not None
        if kind is KeyContent.NOTHING:
            return f"{item[1]}{MASK}" if item is not None and flagged and not word.startswith("-") else _told(row)
        return row if _BARE.fullmatch(row) else _hidden(row)

    def _open(self, indent: int, rest: str, kind: KeyContent) -> None:
        if len(self._blocks) == _DEEPEST:
            return
        heredoc = _HEREDOC.search(rest)
        is_text = heredoc is not None or re.match(r"(?:[&!]\S+\s+)*[|>]", rest) is not None
        end = heredoc[1] if heredoc else ""
        self._blocks.append(_Block(indent, kind, is_text, max(_net(rest), 0), end))


def _net(text: str) -> int:
    """How many brackets are opened and not closed; those of template actions are not counted."""
    if "{{" in text:
        text = re.sub(r"\{\{[^{}]*\}\}", "", text)
    return sum(text.count(sign) for sign in "{[(") - sum(text.count(sign) for sign in "}])")


def _hidden(row: str) -> str:
    """A line of which only the indentation and the dash are shown."""
    item = re.match(r"\s*(?:-\s+)?", row)
    return (item[0] if item else "") + MASK


def _masked_value(rest: str) -> str:
    comma = "," if rest.rstrip().endswith(",") else ""
    return _masked(rest.rstrip().removesuffix(",")) + comma


def _told(text: str) -> str:
    """A text without what is a secret by its shape, or by a name in the same line."""
    # Most lines are short and hold none of the signs: a pattern costs more than looking for these.
    if len(text) >= _SHORTEST_BLOB:
        text = _BLOB.sub(_blob, text)
    if "-" in text and "," in text:
        text = _FLOW_FLAG.sub(rf"\1\2{MASK}", text)
    if "=" in text or "-" in text:
        text = ASSIGNMENT_PATTERN.sub(rf"\1{MASK}", text)
    if ":" in text or "=" in text:
        text = _INLINE.sub(_inline, text)
        if "{" in text or "[" in text:
            flows = (
                match for match in _FLOW.finditer(text) if classify_key(match[1]) in {KeyContent.ALL, KeyContent.ENV}
            )
            cut = next((match.end() for match in flows), None)
            text = text if cut is None else text[:cut] + MASK
    return text


def _blob(match: re.Match[str]) -> str:
    """A mask for a long word that no person wrote: the hexadecimal of a hash, or a mix of cases and digits."""
    word = match[0]
    is_hash = not word.strip("0123456789abcdef")
    is_mixed = len(word) >= 40 and word.lower() != word != word.upper() and any(map(str.isdigit, word))
    return MASK if is_hash or is_mixed else word


def _inline(match: re.Match[str]) -> str:
    value = match["value"]
    is_shown = not is_secret_value(match["key"].strip("-")) or _CONSTANT.fullmatch(value) or MASK in value
    return match[0] if is_shown or value[0] in "{[" else f"{match['key']}{match['end']}{_masked(value)}"
