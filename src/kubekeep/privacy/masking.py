"""Masking of secrets in the text of a file, line by line.

Positions of secrets from a source map are exact. All text is also checked by lines, because templates, Terraform and
embedded texts have no source map. Keys, structure and line numbers stay. Prefers false positives to missed secrets, and
never removes a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.model.secret_keys import KeyContent, classify_key, is_secret_pointer, is_secret_value
from kubekeep.model.secret_text import MASK, SECRET_FLAG, is_secret_flag, mask_text, token_pattern

_LINE_END: Final = re.compile(r"\r\n?|\n")
_MAX_DEPTH: Final = 50
"""Maximum nesting of blocks; deeper blocks belong to the last one."""
_MAX_LENGTH: Final = 1000
"""Length up to which a line is checked; the rest of a longer line is masked."""
_ENTRY: Final = re.compile(
    r"""(?P<lead>[\s#]*(?:-\s+)*)(?P<quote>["']?)(?P<key>[\w./$@][\w./$@-]*(?:[ ][\w./$@-]+){0,3}?)(?P=quote)"""
    r"""(?P<sign>\s*:(?=\s|$|["\[{])|\s*=(?!=)|(?:\s+"[^"]*")*\s*(?=\{))\s*"""
)
_OPENING: Final = re.compile(r"(?:[&!]\S+\s*)*(?P<sign>\{|\[|\(|[|>][-+0-9]*|<<[-~]?\w+|\w+\(\{?)?\s*(?:#.*)?")
_HEREDOC: Final = re.compile(r"<<[-~]?\s*(\w+)\s*$")
_PUNCTUATION: Final = re.compile(r"[\s\[\]{}(),]*(?:\{\{-?\s*(?:end|else)\s*-?\}\})?\s*")
_LIST_ENTRY: Final = re.compile(r"(\s*-\s+)(\S.*)")
_INLINE: Final = re.compile(
    r"""(?P<key>[\w./-]{1,80})(?P<end>["']?\s*[:=]\s*)(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,}\]"'#]+)"""
)
_FLOW_FLAG: Final = re.compile(rf"(?<![\w.-])({SECRET_FLAG})(\s*[\"']?\s*,\s*[\"']?)([^\"',\]\s-][^\"',\]\s]*)")
_MIN_BLOB_LENGTH: Final = 32
_BLOB: Final = re.compile(rf"(?<![\w+/=:@.-])[A-Za-z0-9+/_-]{{{_MIN_BLOB_LENGTH},}}={{0,2}}(?![\w.-])")
_FLOW: Final = re.compile(r"""(?<![\w./-])([\w./-]{1,80})["']?\s*[:=]\s*[\[{](?!\s*$)""")
_CONSTANT: Final = re.compile(r"(?:true|false|null|~)\s*,?\s*(?:#.*)?")


class _SecretBlock(msgspec.Struct):
    """A part of the text with secrets: below a key at `indent`, or up to its closing bracket or heredoc end."""

    indent: int
    kind: KeyContent
    is_text: bool = False
    depth: int = 0
    end: str = ""


def mask_lines(text: str, spans: Iterable[tuple[int, int]] = ()) -> list[str]:
    """Return the lines of text with secrets masked. spans: (start, end) indexes known to be secret."""
    secret_spans = [*spans, *((match.start(), match.end()) for match in token_pattern().finditer(text))]
    return list(_mask_by_lines(_LINE_END.split(_mask_spans(text, secret_spans))))


def _mask_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the text with a mask for each span; the number of lines stays."""
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
                parts.append(_mask(piece))
        at = end
    return "".join((*parts, text[at:]))


def _mask(text: str) -> str:
    """Return a mask with the surrounding white space and quotes of a text."""
    content = text.strip()
    quote = content[0] if len(content) > 1 and content[0] == content[-1] and content[0] in "\"'" else ""
    sign = re.match(r"[|>][-+0-9]*(?:\s|$)", content)
    lead = text[: len(text) - len(text.lstrip())]
    return f"{lead}{content}" if sign and sign.end() == len(content) else f"{lead}{quote}{MASK}{quote}"


def _mask_by_lines(lines: Iterable[str]) -> Iterator[str]:
    masker = _LineMasker()
    for line in lines:
        yield masker.mask(line)


class _LineMasker:
    """Masking of lines one after the other, with the blocks that are open."""

    def __init__(self) -> None:
        self._blocks: list[_SecretBlock] = []
        self._follows_secret_flag = False
        self._patch_lines_left = 0

    def mask(self, line: str) -> str:
        """Return a line with secrets masked."""
        if len(line) > _MAX_LENGTH:
            line = line[:_MAX_LENGTH] + MASK
        if not line.strip():
            return line
        self._close_blocks(line)
        open_blocks = list(self._blocks)
        block = open_blocks[-1] if open_blocks else None
        if block is not None and block.is_text:
            masked = line if block.end and line.strip() == block.end else _mask_line(line)
        else:
            masked = self._mask_entry(line, block)
        for open_block in open_blocks:
            if open_block.depth:
                open_block.depth += _count_open(line)
        if block is not None and block.end and line.strip() == block.end:
            self._blocks.pop()
        return masked

    def _close_blocks(self, line: str) -> None:
        """Close the blocks that do not contain this line."""
        indent = len(line) - len(line.lstrip())
        is_item = line.lstrip().startswith("- ")
        is_action = line.lstrip().startswith("{{")
        if re.match(r"---(?:\s|$)", line) and not (self._blocks and self._blocks[-1].end):
            self._blocks.clear()
        while self._blocks:
            block = self._blocks[-1]
            is_inside = indent > block.indent or (indent == block.indent and is_item and not block.is_text)
            if block.end or block.depth > 0 or is_inside or is_action:
                return
            self._blocks.pop()

    def _mask_entry(self, line: str, block: _SecretBlock | None) -> str:
        kind = block.kind if block is not None else KeyContent.NOTHING
        match = _ENTRY.match(line)
        if match is None:
            return self._mask_without_key(line, kind)
        self._follows_secret_flag = False
        key, rest = match["key"], line[match.end() :]
        is_patch_value = self._is_patch_value(key, rest)
        content = KeyContent.ALL if is_patch_value else classify_key(key, kind)
        opening = _OPENING.fullmatch(rest)
        is_flow = rest[:1] in {"[", "{"} and content is not KeyContent.NOTHING and not key.lower().endswith("ref")
        if content is KeyContent.WORDS or (
            opening is None and not (is_patch_value or is_flow or is_secret_value(key, kind))
        ):
            return line[: match.end()] + _mask_tokens(rest)
        if content is not KeyContent.NOTHING and not line.lstrip().startswith("#"):
            self._open_block(len(match["lead"]), rest, content)
        if opening is not None or _CONSTANT.fullmatch(rest):
            return line
        return line[: match.end()] + _mask_value(rest)

    def _is_patch_value(self, key: str, rest: str) -> bool:
        """Return True if this is the value of a JSON patch to a secret; its `path` may precede or follow it."""
        self._patch_lines_left = max(self._patch_lines_left - 1, 0)
        if key == "op" or (key == "path" and is_secret_pointer(rest.strip("\"' ,"))):
            self._patch_lines_left = 3
        return key == "value" and self._patch_lines_left > 0

    def _mask_without_key(self, line: str, kind: KeyContent) -> str:
        """Return a line without a key, masked."""
        entry = _LIST_ENTRY.fullmatch(line)
        word = entry[2].strip("\"', ") if entry is not None else ""
        follows_flag, self._follows_secret_flag = (
            self._follows_secret_flag,
            is_secret_flag(word),
        )
        if kind is KeyContent.NOTHING:
            return (
                f"{entry[1]}{MASK}"
                if entry is not None and follows_flag and not word.startswith("-")
                else _mask_tokens(line)
            )
        return line if _PUNCTUATION.fullmatch(line) else _mask_line(line)

    def _open_block(self, indent: int, rest: str, kind: KeyContent) -> None:
        if len(self._blocks) == _MAX_DEPTH:
            return
        heredoc = _HEREDOC.search(rest)
        is_text = heredoc is not None or re.match(r"(?:[&!]\S+\s+)*[|>]", rest) is not None
        end = heredoc[1] if heredoc else ""
        self._blocks.append(_SecretBlock(indent, kind, is_text, max(_count_open(rest), 0), end))


def _count_open(text: str) -> int:
    """Return the number of brackets left open; brackets of template actions are not counted."""
    if "{{" in text:
        text = re.sub(r"\{\{[^{}]*\}\}", "", text)
    return sum(text.count(sign) for sign in "{[(") - sum(text.count(sign) for sign in "}])")


def _mask_line(line: str) -> str:
    """Return the indentation and dash of a line with a mask."""
    lead = re.match(r"\s*(?:-\s+)?", line)
    return (lead[0] if lead else "") + MASK


def _mask_value(rest: str) -> str:
    comma = "," if rest.rstrip().endswith(",") else ""
    return _mask(rest.rstrip().removesuffix(",")) + comma


def _mask_tokens(text: str) -> str:
    """Mask tokens, and values assigned to secret names in the same line."""
    text = mask_text(text)
    # Most lines are short and have none of these characters: checking for them is cheaper than a pattern.
    if len(text) >= _MIN_BLOB_LENGTH:
        text = _BLOB.sub(_mask_blob, text)
    if "-" in text and "," in text:
        text = _FLOW_FLAG.sub(rf"\1\2{MASK}", text)
    if ":" in text or "=" in text:
        text = _INLINE.sub(_mask_inline, text)
        if "{" in text or "[" in text:
            flows = (
                match for match in _FLOW.finditer(text) if classify_key(match[1]) in {KeyContent.ALL, KeyContent.ENV}
            )
            cut = next((match.end() for match in flows), None)
            text = text if cut is None else text[:cut] + MASK
    return text


def _mask_blob(match: re.Match[str]) -> str:
    """Mask a long word that looks generated: a hexadecimal hash, or mixed case with digits."""
    word = match[0]
    is_hash = not word.strip("0123456789abcdef")
    is_mixed = len(word) >= 40 and word.lower() != word != word.upper() and any(map(str.isdigit, word))
    return MASK if is_hash or is_mixed else word


def _mask_inline(match: re.Match[str]) -> str:
    value = match["value"]
    is_public = not is_secret_value(match["key"].strip("-")) or _CONSTANT.fullmatch(value) or MASK in value
    return match[0] if is_public or value[0] in "{[" else f"{match['key']}{match['end']}{_mask(value)}"
