"""Patterns in gitignore's syntax, and which of them decides on a path. Reads no file.

Means what git means (gitignore(5), wildmatch.c), but `?` and classes stand for a character where git's stand for a byte.
Patterns come from whoever wrote the scanned tree, so that matching one never takes longer than its length times that of
the path: what a wildcard has taken is never tried again. The library pathspec needs minutes for `*a*a*a*a*a*a*a*a*b`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

MOST_PATTERN: Final = 1024
"""Characters of a pattern: more than a path that anybody types."""
_GROUPS: Final = 100
"""Patterns in one regular expression: enough to be fast, few enough for the array that a match allocates."""

_SEPARATOR: Final = "\0"
"""Between the parts of a subject: no name has it."""
_WITHIN: Final = r"[^/\0]*?"
"""As little as possible of one name."""
_FOLDERS: Final = r"(?:[^/\0]*/)*?"
"""As few whole folders as possible."""
_STAR: Final = object()
_FOLDERS_STAR: Final = object()
_EVERYTHING: Final = object()
_Token = str | object
"""The regular expression of one character, or a wildcard."""

_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r"\ \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\ \t-\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class Pattern(msgspec.Struct, frozen=True):
    """A pattern: the regular expression of the subjects that it matches, and whether it takes them back in (`!`)."""

    expression: str
    again: bool


def parse(line: str) -> Pattern | None:
    """The pattern of a line without its line end; None for an empty line and a comment.

    Raises ValueError, with a reason, for a pattern that git takes for one that matches nothing.
    """
    text = _trimmed(line)
    if not text or text.startswith("#"):
        return None
    if len(text) > MOST_PATTERN:
        raise ValueError(f"longer than {MOST_PATTERN} characters")
    again = text.startswith("!")
    text = text[1:] if again else text
    kind = "d" if text.endswith("/") else "[df]"
    text = text.removesuffix("/")
    if not text:
        raise ValueError("it names nothing")
    if "/" in text:
        body = _expression(text.removeprefix("/"), is_path=True)
        return Pattern(rf"{kind}[^\0]*\0{body}\Z", again)
    return Pattern(rf"{kind}{_expression(text, is_path=False)}\0", again)


class Rules:
    """The patterns of one file or one command line; of those that match, the last one decides."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        strongest = patterns[::-1]
        self._parts = [_part(strongest[at : at + _GROUPS]) for at in range(0, len(strongest), _GROUPS)]

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Whether `path` is ignored; None if no pattern matches it. Its parts are separated by `/`."""
        name = path[path.rfind("/") + 1 :]
        subject = f"{'d' if is_folder else 'f'}{name}{_SEPARATOR}{path}"
        for expression, again in self._parts:
            found = expression.match(subject)
            if found and found.lastindex:
                return not again[found.lastindex - 1]
        return None


def _part(patterns: Sequence[Pattern]) -> tuple[re.Pattern[str], list[bool]]:
    """One regular expression for some patterns, the strongest first: the group that matched tells which it was."""
    alternatives = "|".join(f"({pattern.expression})" for pattern in patterns)
    return re.compile(alternatives, re.DOTALL), [pattern.again for pattern in patterns]


def _trimmed(line: str) -> str:
    """Without spaces at the end, unless a backslash keeps one."""
    text = line.rstrip(" ")
    kept = len(text) - len(text.rstrip("\\"))
    return text + " " if kept % 2 and len(text) < len(line) else text


def _expression(text: str, *, is_path: bool) -> str:
    """The regular expression of a pattern without `!` and the slashes around it.

    What follows a wildcard, up to the next one of its kind, is found as early as possible and never tried again: for
    `*` that is the rest of a name, for `**/` all names up to the next `**/`, with the asterisks between them.
    """
    parts: list[str] = []
    in_folders = in_name = False
    for token in _tokens(text, is_path=is_path):
        if isinstance(token, str):
            parts.append(token)
            continue
        parts.append(")" * in_name)
        if token is _STAR:
            parts.append(f"(?>{_WITHIN}")
            in_name = True
            continue
        parts.append(")" * in_folders)
        if token is _EVERYTHING:
            return "".join((*parts, ".*"))
        parts.append(f"(?>{_FOLDERS}")
        in_folders, in_name = True, False
    # What ends the pattern must end the name as well, wherever it occurs before.
    return "".join((*parts, r"(?=\0|\Z)", ")" * (in_name + in_folders)))


def _tokens(text: str, *, is_path: bool) -> Iterator[_Token]:
    at, is_plain = 0, True
    while at < len(text):
        char = text[at]
        if char == "*":
            end = at + len(text[at:]) - len(text[at:].lstrip("*"))
            # Git compares what is before the first wildcard on its own, so that `**` starts a text there too.
            may_cross = is_path and end - at > 1 and (is_plain or text[at - 1] == "/")
            token, at = _stars(text, end, may_cross=may_cross)
        elif char == "[":
            token, at = _bracket(text, at)
        elif char == "?":
            token, at = r"[^/\0]", at + 1
        else:
            at += char == "\\"
            if at == len(text):
                raise ValueError("it ends with a backslash")
            token, at = re.escape(text[at]), at + 1
        is_plain = is_plain and char not in "*?[\\"
        yield token


def _stars(text: str, end: int, *, may_cross: bool) -> tuple[_Token, int]:
    """The wildcard of some asterisks before `end`, and where to read on."""
    if may_cross and end == len(text):
        return _EVERYTHING, end
    if may_cross and text[end] == "/":
        return _FOLDERS_STAR, end + 1
    return _STAR, end


def _bracket(text: str, start: int) -> tuple[str, int]:
    """The regular expression of the class that starts at `start`, and where to read on."""
    at = start + 1
    negated = text[at : at + 1] in {"!", "^"}
    at += negated
    items: list[str] = []
    before = ""
    first = at
    while text[at : at + 1] != "]" or at == first:
        if text.startswith("[:", at):
            item, at = _posix(text, at)
            before = ""
            items.append(item)
            continue
        is_range = text[at : at + 1] == "-" and before and text[at + 1 : at + 2] not in {"", "]"}
        char, at = _member(text, at + bool(is_range))
        if is_range:
            if before <= char:
                items.append(f"{re.escape(before)}-{re.escape(char)}")
            before = ""
        else:
            items.append(re.escape(char))
            before = char
    members = "".join(items)
    if negated:
        return rf"[^/\0{members}]", at + 1
    return (rf"(?![/\0])[{members}]" if members else "(?!)"), at + 1


def _member(text: str, at: int) -> tuple[str, int]:
    """The character of a class at `at`, and where to read on."""
    at += text[at : at + 1] == "\\"
    if at >= len(text):
        raise ValueError("its [ has no ]")
    return text[at], at + 1


def _posix(text: str, start: int) -> tuple[str, int]:
    end = text.find("]", start + 2)
    if end < 0:
        raise ValueError("its [ has no ]")
    if text[end - 1] != ":" or end - 1 < start + 2:
        # As in wildmatch.c: no name of a class, so that the bracket stands for itself.
        return r"\[", start + 1
    name = text[start + 2 : end - 1]
    if name not in _POSIX:
        raise ValueError(f"[:{name}:] is no class of characters")
    return _POSIX[name], end + 1
