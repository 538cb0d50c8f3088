"""Arguments of one instruction as BuildKit reads them: flags, words, `name=value` pairs and JSON lists, with positions.

Follows the line parsers of `frontend/dockerfile/parser`. Expands no variables; see `checks` for numbers and values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from kubekeep.sources.dockerfile.errors import DockerfileError
from kubekeep.sources.dockerfile.words import SPACES, split_words

_WHITESPACE: Final = re.compile(r"[\t\v\f\r ]+")
_HEREDOC: Final = re.compile(r"[0-9]*<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_JSON_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
NESTING: Final = "ONBUILD"
HEREDOC_KEYWORDS: Final = ("ADD", "COPY", "RUN")


class Token(msgspec.Struct, frozen=True, gc=False):
    """A word of an instruction with its start and end index in the text of the instruction."""

    text: str
    start: int
    end: int


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A name with its value; the value is None if there is none, as in `ARG NAME`."""

    name: Token
    value: Token | None


class Arguments(msgspec.Struct, frozen=True):
    """An instruction: its keyword in upper case, its flags as written, and its arguments.

    words: of all instructions except those with pairs. is_exec: the words are a JSON list. nested: the instruction
    after ONBUILD.
    """

    keyword: Token
    flags: tuple[Token, ...] = ()
    words: tuple[Token, ...] = ()
    pairs: tuple[Pair, ...] = ()
    is_exec: bool = False
    nested: Arguments | None = None

    @property
    def takes_heredocs(self) -> bool:
        """True if `<<` in the text may begin a heredoc."""
        instruction = self.nested if self.keyword.text == NESTING and self.nested else self
        return instruction.keyword.text in HEREDOC_KEYWORDS and not self.is_exec and not instruction.is_exec


def read_arguments(text: str, escape: str, start: int = 0) -> Arguments:
    """Return the arguments of the instruction in a text from an index. Raises DockerfileError."""
    start, end = _trim(text, start, len(text))
    space = _WHITESPACE.search(text, start, end)
    keyword = Token(text[start : space.start() if space else end].upper(), start, space.start() if space else end)
    flags, at = _read_flags(text, space.end(), end, escape) if space else ((), end)
    first, last = _trim(text, at, end)
    if keyword.text == NESTING:
        # A chain is refused by `checks`.
        is_chain = first < last and _WHITESPACE.split(text[first:last], maxsplit=1)[0].upper() == NESTING
        nested = None if first == last else Arguments(keyword) if is_chain else read_arguments(text, escape, first)
        return Arguments(keyword, flags, nested=nested)
    if keyword.text in ("ENV", "LABEL"):
        return Arguments(keyword, flags, pairs=tuple(_read_pairs(text, first, last, escape, keyword.text)))
    if keyword.text == "ARG":
        words = tuple(_split_quoted(text, first, last, escape))
        return Arguments(keyword, flags, pairs=tuple(map(_split_pair, words)))
    if keyword.text == "HEALTHCHECK":
        return _read_health_check(keyword, flags, text, first, last)
    reader = _READERS.get(keyword.text)
    words, is_exec = reader(text, first, last) if reader else ((), False)
    return Arguments(keyword, flags, words, is_exec=is_exec)


def parse_heredoc(word: str) -> tuple[str, bool, bool] | None:
    """Return the name of a heredoc that a word begins; None for other words.

    Then, if variables in the heredoc are expanded, and if leading tabs are removed.
    """
    match = _HEREDOC.match(word)
    if match is None or not match[2]:
        return None
    plain, quoted = (split_words(match[2], raw_quotes=raw_quotes) for raw_quotes in (False, True))
    if len(plain) != 1:
        return None
    if len(quoted) != 1:
        raise DockerfileError("invalid name of a heredoc")
    return plain[0], _count_quotes(plain[0]) == _count_quotes(quoted[0]), match[1] == "-"


def _count_quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the range without white space at its ends."""
    while start < end and text[start] in SPACES:
        start += 1
    while end > start and text[end - 1] in SPACES:
        end -= 1
    return start, end


def _read_flags(text: str, at: int, end: int, escape: str) -> tuple[tuple[Token, ...], int]:
    """Return the words that begin with `--`, and the index after them; the word `--` ends them."""
    flags: list[Token] = []
    while at < end:
        if text[at] in SPACES:
            at += 1
            continue
        if not text.startswith("--", at) or at + 2 > end:
            return tuple(flags), at
        start = at
        word, at, has_quotes = _read_flag(text, at, end, escape)
        if word == "--":
            return tuple(flags), at
        if word or has_quotes:
            flags.append(Token(word, start, at))
    return tuple(flags), end


def _read_flag(text: str, at: int, end: int, escape: str) -> tuple[str, int, bool]:
    """Return a word without its quotes, the index after it, and True if it has quotes."""
    characters: list[str] = []
    quote = ""
    has_quotes = False
    while at < end:
        character = text[at]
        if not quote and character in SPACES:
            break
        if not quote and character in "'\"":
            quote, has_quotes = character, True
        elif character == quote:
            quote = ""
        elif character == escape:
            at += 1
            characters.append(text[at] if at < end else "")
        else:
            characters.append(character)
        at += 1
    return "".join(characters), min(at, end), has_quotes


def _split_quoted(text: str, at: int, end: int, escape: str) -> Iterator[Token]:
    """Yield words separated by white space outside of quotes; quotes and escapes stay in them."""
    while at < end:
        if text[at] in SPACES:
            at += 1
            continue
        start = at
        quote = ""
        kept: list[str] = []
        while at < end and (quote or text[at] not in SPACES):
            character = text[at]
            if character == quote:
                quote = ""
            elif not quote and character in "'\"":
                quote = character
            elif character == escape and quote != "'":
                at += 1
                if at == end:
                    break  # an escape at the end is left out
                kept.append(character)
                character = text[at]
            kept.append(character)
            at += 1
        if kept:
            yield Token("".join(kept), start, at)


def _split_pair(word: Token) -> Pair:
    name, sign, value = word.text.partition("=")
    if not sign:
        return Pair(word, None)
    at = word.start + len(name)
    return Pair(Token(name, word.start, at), Token(value, at + 1, word.end))


def _read_pairs(text: str, start: int, end: int, escape: str, keyword: str) -> Iterator[Pair]:
    """Yield the pairs of ENV and LABEL: `name=value ...`, or `name value` if the first word has no equals sign."""
    words = list(_split_quoted(text, start, end, escape))
    if words and "=" not in words[0].text:
        space = _WHITESPACE.search(text, start, end)
        if space is None:
            raise DockerfileError(f"{keyword} needs a name and a value")
        name = Token(text[start : space.start()], start, space.start())
        yield Pair(name, Token(text[space.end() : end], space.end(), end))
        return
    for word in words:
        if "=" not in word.text:
            raise DockerfileError(f"{keyword}: a word has no =; quote a value with spaces")
        yield _split_pair(word)


_Words = tuple[tuple[Token, ...], bool]


def _read_list(text: str, start: int, end: int) -> _Words:
    """Return words separated by white space."""
    words: list[Token] = []
    at = start
    for space in _WHITESPACE.finditer(text, start, end) if start < end else ():
        words.append(Token(text[at : space.start()], at, space.start()))
        at = space.end()
    if start < end:
        words.append(Token(text[at:end], at, end))
    return tuple(words), False


def _read_text(text: str, start: int, end: int) -> _Words:
    """Return the whole text as one word."""
    return ((Token(text[start:end], start, end),) if start < end else ()), False


def _read_json(text: str, start: int, end: int) -> tuple[Token, ...] | None:
    """Return the texts of a JSON list; None for other text. Raises DockerfileError for a list of other values."""
    if not text.startswith("[", start, end):
        return None
    content = text[start:end]
    try:
        values = msgspec.json.decode(_replace_surrogates(content).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise DockerfileError("a JSON list of an instruction must consist of texts")
    spans = [match.span() for match in _JSON_STRING.finditer(content)]
    return tuple(Token(value, start + first, start + last) for value, (first, last) in zip(values, spans, strict=True))


_ESCAPED_SURROGATE: Final = re.compile(
    r"(\\\\)|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def _replace_surrogates(content: str) -> str:
    """Replace escapes of half a character by the replacement character, as Go does."""
    return _ESCAPED_SURROGATE.sub(lambda match: "\\ufffd" if match[2] else match[0], content)


def _read_json_or_text(text: str, start: int, end: int) -> _Words:
    words = _read_json(text, start, end)
    return _read_text(text, start, end) if words is None else (words, True)


def _read_json_or_list(text: str, start: int, end: int) -> _Words:
    words = _read_json(text, start, end)
    return _read_list(text, start, end) if words is None else (words, True)


def _read_health_check(keyword: Token, flags: tuple[Token, ...], text: str, start: int, end: int) -> Arguments:
    at = start
    while at < end and text[at] not in SPACES:
        at += 1
    if at == start:
        return Arguments(keyword, flags)
    words, is_exec = _read_json_or_text(text, _trim(text, at, end)[0], end)
    return Arguments(keyword, flags, (Token(text[start:at], start, at), *words), is_exec=is_exec)


_READERS: Final[dict[str, Callable[[str, int, int], _Words]]] = {
    "ADD": _read_json_or_list,
    "CMD": _read_json_or_text,
    "COPY": _read_json_or_list,
    "ENTRYPOINT": _read_json_or_text,
    "EXPOSE": _read_list,
    "FROM": _read_list,
    "MAINTAINER": _read_text,
    "RUN": _read_json_or_text,
    "SHELL": _read_json_or_text,
    "STOPSIGNAL": _read_text,
    "USER": _read_text,
    "VOLUME": _read_json_or_list,
    "WORKDIR": _read_text,
}
