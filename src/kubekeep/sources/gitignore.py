"""Matching of patterns in gitignore's syntax. Reads no file.

Follows git (gitignore(5), wildmatch.c), except that `?` and classes match a character instead of a byte. Patterns come
from the scanned tree and may be hostile: the time of a match is bounded by the length of the pattern times the length of
the path, because wildcards never backtrack. Libraries: see ADR 22.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

MOST_PATTERN: Final = 1024
"""Maximum number of characters of a pattern."""
_GROUPS: Final = 100
"""Patterns per regular expression: a balance between speed and the size of the array of groups."""

_SEPARATOR: Final = "\0"
"""Separator of the parts of a subject; occurs in no name."""
_WITHIN: Final = r"[^/\0]*?"
"""The shortest part of one name."""
_FOLDERS: Final = r"(?:[^/\0]*/)*?"
"""The smallest number of whole folders."""
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
    """A pattern: the regular expression for its subjects, and whether it includes them again (`!`)."""

    expression: str
    again: bool


def parse(line: str) -> Pattern | None:
    """Parse a line without its line end; return None for an empty line and a comment.

    Raises ValueError, with a reason, for a pattern that matches nothing in git.
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
    """The patterns of one file or one command line; the last match decides."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        strongest = patterns[::-1]
        self._parts = [_part(strongest[at : at + _GROUPS]) for at in range(0, len(strongest), _GROUPS)]

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Return True if `path` is ignored, False if it is included, None without a match; parts are separated by `/`."""
        name = path[path.rfind("/") + 1 :]
        subject = f"{'d' if is_folder else 'f'}{name}{_SEPARATOR}{path}"
        for expression, again in self._parts:
            match = expression.match(subject)
            if match and match.lastindex:
                return not again[match.lastindex - 1]
        return None


def _part(patterns: Sequence[Pattern]) -> tuple[re.Pattern[str], list[bool]]:
    """Compile patterns into one regular expression, in descending precedence: the group of the match tells the pattern."""
    alternatives = "|".join(f"({pattern.expression})" for pattern in patterns)
    return re.compile(alternatives, re.DOTALL), [pattern.again for pattern in patterns]


def _trimmed(line: str) -> str:
    """Remove trailing spaces, unless escaped by a backslash."""
    text = line.rstrip(" ")
    kept = len(text) - len(text.rstrip("\\"))
    return text + " " if kept % 2 and len(text) < len(line) else text


def _expression(text: str, *, is_path: bool) -> str:
    """Return the regular expression of a pattern without `!` and the slashes around it.

    Text after a wildcard, up to the next one of its kind, is matched at its first occurrence without backtracking: for `*`
    within a name, for `**/` over all names up to the next `**/`.
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
    # The end of the pattern must match the end of the name.
    return "".join((*parts, r"(?=\0|\Z)", ")" * (in_name + in_folders)))


def _tokens(text: str, *, is_path: bool) -> Iterator[_Token]:
    at, is_plain = 0, True
    while at < len(text):
        char = text[at]
        if char == "*":
            end = at + len(text[at:]) - len(text[at:].lstrip("*"))
            # Git compares the literal prefix separately, so that `**` after it counts as a start.
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
    """Return the wildcard of the asterisks before `end`, and the index after it."""
    if may_cross and end == len(text):
        return _EVERYTHING, end
    if may_cross and text[end] == "/":
        return _FOLDERS_STAR, end + 1
    return _STAR, end


def _bracket(text: str, start: int) -> tuple[str, int]:
    """Return the regular expression of the class at `start`, and the index after it."""
    at = start + 1
    negated = text[at : at + 1] in {"!", "^"}
    at += negated
    classes: list[str] = []
    before = ""
    first = at
    while text[at : at + 1] != "]" or at == first:
        if text.startswith("[:", at):
            posix, at = _posix(text, at)
            before = ""
            classes.append(posix)
            continue
        is_range = text[at : at + 1] == "-" and before and text[at + 1 : at + 2] not in {"", "]"}
        char, at = _member(text, at + bool(is_range))
        if is_range:
            if before <= char:
                classes.append(f"{re.escape(before)}-{re.escape(char)}")
            before = ""
        else:
            classes.append(re.escape(char))
            before = char
    members = "".join(classes)
    if negated:
        return rf"[^/\0{members}]", at + 1
    return (rf"(?![/\0])[{members}]" if members else "(?!)"), at + 1


def _member(text: str, at: int) -> tuple[str, int]:
    """Return the character of a class at `at`, and the index after it."""
    at += text[at : at + 1] == "\\"
    if at >= len(text):
        raise ValueError("its [ has no ]")
    return text[at], at + 1


def _posix(text: str, start: int) -> tuple[str, int]:
    end = text.find("]", start + 2)
    if end < 0:
        raise ValueError("its [ has no ]")
    if text[end - 1] != ":" or end - 1 < start + 2:
        # As in wildmatch.c: not the name of a class, so the bracket is literal.
        return r"\[", start + 1
    name = text[start + 2 : end - 1]
    if name not in _POSIX:
        raise ValueError(f"[:{name}:] is no class of characters")
    return _POSIX[name], end + 1
