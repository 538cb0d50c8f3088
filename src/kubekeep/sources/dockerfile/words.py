"""Words of a Dockerfile as BuildKit splits and expands them: quotes, escapes, `$NAME` and `${NAME:-default}`.

Follows `frontend/dockerfile/shell` of BuildKit, with one addition: the value of a variable may be unknown. Runs no shell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kubekeep.sources.dockerfile.errors import DockerfileError

SPACES: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space in Go."""
_SPECIAL_PARAMETERS: Final = "@*#?-$!0"
_MODIFIERS: Final = "+-?#%"
_MAX_DEPTH: Final = 50
_LONGEST_PATTERN: Final = 1000
_LONGEST_REPLACED: Final = 300

Lookup = Callable[[str], str | None]
"""Function that returns the value of a variable, None if it is not set. Raises UnknownVariableError."""


class UnknownVariableError(Exception):
    """The value of a variable is known only when the image is built."""


def expand(word: str, variables: Lookup, escape: str = "\\") -> str:
    """Return a word without quotes and with the values of its variables. Raises DockerfileError for invalid syntax.

    A reference to a variable with an unknown value stays as it is written, and so does one to a variable that is not
    set, if it has no default.
    """
    return _WordReader(word, variables, escape, keeps_references=True).read()[0]


def expand_known(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Return a word without quotes; a variable that is not in `variables` is not set. Raises DockerfileError."""
    return _WordReader(word, variables.get, escape).read()[0]


def split_heredoc_words(line: str) -> list[str]:
    """Return the words of a line with their quotes and escapes; none if the line is not valid syntax."""
    try:
        return _WordReader(line, _find_nothing, raw_quotes=True, raw_escapes=True, keeps_unset=True).read()[1]
    except DockerfileError:
        return []


def split_words(text: str, *, raw_quotes: bool) -> list[str]:
    """Return the words of a text; with `raw_quotes` they keep their quotes. Raises DockerfileError."""
    return _WordReader(text, _find_nothing, raw_quotes=raw_quotes, keeps_unset=True).read()[1]


def _find_nothing(name: str) -> str | None:
    del name
    return None


class _WordReader:
    """Reader of one text.

    keeps_unset: a reference to a variable that is not set stays in the text. keeps_references: so does one without a
    default, as it is written.
    """

    def __init__(
        self,
        text: str,
        variables: Lookup,
        escape: str = "\\",
        *,
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        keeps_unset: bool = False,
        keeps_references: bool = False,
    ) -> None:
        self._text = text
        self._at = 0
        self._variables = variables
        self._escape = escape
        self._raw_quotes = raw_quotes
        self._raw_escapes = raw_escapes
        self._keeps_unset = keeps_unset
        self._keeps_references = keeps_references
        self._word: list[str] = []
        self._depth = 0

    def read(self) -> tuple[str, list[str]]:
        """Return the whole text, and its words."""
        return self._read_until("", raw_escapes=self._raw_escapes, for_pattern=False)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _read_until(self, stop: str, *, raw_escapes: bool, for_pattern: bool) -> tuple[str, list[str]]:
        """Read up to a character, or to the end. A nested call starts with an empty word, as BuildKit does."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise DockerfileError("variables are nested too deeply")
        outer_raw_escapes, self._raw_escapes = self._raw_escapes, raw_escapes
        result: list[str] = []
        self._word.clear()
        words = _Words(self._word)
        while character := self._peek():
            if character == stop:
                break
            if character == "$":
                text = self._read_reference()
                words.add_text(text)
            elif character == "<":
                text = self._read_heredoc_sign()
                words.add_raw(text)
            elif character in "'\"":
                text = self._read_quoted(character, for_pattern=for_pattern)
                words.add_raw(text)
            else:
                text = self._read_character(words)
            result.append(text)
        if stop:
            if not self._peek():
                raise DockerfileError(f"the end {stop!r} of a variable is missing")
            self._at += 1
        self._raw_escapes = outer_raw_escapes
        self._depth -= 1
        return "".join(result), words.finish()

    def _read_character(self, words: _Words) -> str:
        character = self._next()
        if character != self._escape:
            words.add(character)
            return character
        prefix = character if self._raw_escapes else ""
        if prefix:
            words.add_raw(prefix)
        character = self._next()
        if character:
            words.add_raw(character)
        return prefix + character

    def _read_heredoc_sign(self) -> str:
        """Read `<`, or `<<` with the white space after it."""
        self._at += 1
        if self._peek() != "<":
            return "<"
        start = self._at
        self._at += 1
        while (character := self._peek()) and character in "\t\r ":
            self._at += 1
        return "<" + self._text[start : self._at]

    def _read_quoted(self, quote: str, *, for_pattern: bool) -> str:
        self._at += 1
        content = self._read_single(for_pattern=for_pattern) if quote == "'" else self._read_double(for_pattern)
        return f"{quote}{content}{quote}" if self._raw_quotes else content

    def _read_single(self, *, for_pattern: bool) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise DockerfileError("a single quote is not closed")
        content = self._text[self._at : end]
        self._at = end + 1
        return content.replace(self._escape, self._escape * 2) if for_pattern else content

    def _read_double(self, for_pattern: bool) -> str:  # noqa: FBT001 - one private call
        result: list[str] = []
        while character := self._peek():
            if character == '"':
                self._at += 1
                return "".join(result)
            if character == "$":
                result.append(self._read_reference())
                continue
            self._at += 1
            if character == self._escape:
                following = self._peek()
                if not following:
                    break
                if following in ('"', "$", self._escape):
                    result.append(character if self._raw_escapes else "")
                    character = self._next()
                elif self._raw_escapes and (not self._raw_quotes or for_pattern):
                    result.append(character)
            result.append(character)
        raise DockerfileError("a double quote is not closed")

    def _read_reference(self) -> str:
        """Read `$NAME` or `${...}` and return its value."""
        start = self._at
        self._at += 1
        if self._peek() == "{":
            self._at += 1
            return self._read_braces(start)
        name = self._read_name()
        if not name:
            return "$"
        return self._get_value(name, start) or ""

    def _get_value(self, name: str, start: int) -> str | None:
        """Return the value of a variable, or the text of its reference if it stays; None if it is not set."""
        try:
            value = self._variables(name)
        except UnknownVariableError:
            return self._text[start : self._at]
        is_kept = value is None and (self._keeps_unset or self._keeps_references)
        return self._text[start : self._at] if is_kept else value

    def _read_braces(self, start: int) -> str:
        if not self._peek():
            raise DockerfileError("the } of a variable is missing")
        if self._peek() in "{}:":
            raise DockerfileError("invalid name of a variable in ${}")
        name = self._read_name()
        sign = self._next()
        if sign == "}":
            return self._get_value(name, start) or ""
        if sign == "/":
            return self._replace(name, start)
        null_is_unset = sign == ":"
        if null_is_unset:
            sign = self._next()
        is_pattern = sign in ("#", "%")
        if not sign or sign not in _MODIFIERS or (null_is_unset and is_pattern):
            raise DockerfileError(f"unsupported modifier in ${{{name}...}}")
        word, _ = self._read_until("}", raw_escapes=is_pattern, for_pattern=is_pattern)
        try:
            value = self._variables(name)
        except UnknownVariableError:
            return self._text[start : self._at]
        if value is None and self._keeps_unset:
            return f"${{{name}{':' if null_is_unset else ''}{sign}{word}}}"
        if sign == "?" and self._keeps_references and not value:
            return self._text[start : self._at]
        return _apply_modifier(name, value, sign, word, null_is_unset=null_is_unset)

    def _replace(self, name: str, start: int) -> str:
        """Read the rest of `${NAME/pattern/replacement}` and return the value."""
        is_everywhere = self._peek() == "/"
        self._at += is_everywhere
        pattern, _ = self._read_until("/", raw_escapes=True, for_pattern=True)
        replacement, _ = self._read_until("}", raw_escapes=True, for_pattern=False)
        try:
            value = self._variables(name)
        except UnknownVariableError:
            return self._text[start : self._at]
        if value is None and self._keeps_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        try:
            return _replace_matches(value or "", _parse_pattern(pattern), replacement, is_everywhere=is_everywhere)
        except UnknownVariableError:
            return self._text[start : self._at]

    def _read_name(self) -> str:
        start = self._at
        first = self._peek()
        if first and first.isdecimal():
            while (character := self._peek()) and character.isdecimal():
                self._at += 1
        elif first and first in _SPECIAL_PARAMETERS:
            self._at += 1
        else:
            while (character := self._peek()) and (character.isalpha() or character.isdecimal() or character == "_"):
                self._at += 1
        return self._text[start : self._at]


class _Words:
    """Collected words; `word` holds the characters of the one in progress."""

    def __init__(self, word: list[str]) -> None:
        self._word = word
        self._words: list[str] = []
        self._is_inside = False

    def add(self, character: str) -> None:
        """Add a character; white space ends a word."""
        if character not in SPACES:
            self.add_raw(character)
        elif self._is_inside and any(self._word):
            self._words.append("".join(self._word))
            self._word.clear()
            self._is_inside = False

    def add_text(self, text: str) -> None:
        """Add the characters of a text."""
        for character in text:
            self.add(character)

    def add_raw(self, text: str) -> None:
        """Add a text whose white space does not end a word."""
        self._word.append(text)
        self._is_inside = True

    def finish(self) -> list[str]:
        """Return all words."""
        if any(self._word):
            self._words.append("".join(self._word))
            self._word.clear()
        return self._words


def _apply_modifier(name: str, value: str | None, sign: str, word: str, *, null_is_unset: bool) -> str:
    is_unset = value is None or (null_is_unset and not value)
    if sign == "-":
        return word if is_unset else value or ""
    if sign == "+":
        return "" if is_unset else word
    if sign == "?":
        if is_unset:
            raise DockerfileError(f"the build ends with an error: {name} is not set")
        return value or ""
    is_longest = word[:1] == sign
    elements = _parse_pattern(word[1:] if is_longest else word)
    text = value or ""
    if sign == "%":
        # From behind, a suffix is a prefix.
        return text[::-1][_match_start(elements[::-1], text[::-1], is_longest=is_longest) or 0 :][::-1]
    return text[_match_start(elements, text, is_longest=is_longest) or 0 :]


def _replace_matches(text: str, elements: Sequence[str], replacement: str, *, is_everywhere: bool) -> str:
    """Replace the first or every match of a pattern. Raises UnknownVariableError for a long text."""
    if len(text) > _LONGEST_REPLACED:
        raise UnknownVariableError
    parts: list[str] = []
    at = 0
    while at <= len(text):
        length = _match_start(elements, text[at:], is_longest=True)
        if length is None:
            parts.append(text[at : at + 1])
            at += 1
            continue
        parts.append(replacement)
        if not is_everywhere:
            return "".join(parts) + text[at + length :]
        parts.append("" if length else text[at : at + 1])
        at += length or 1
        if length and at == len(text):
            break
    return "".join(parts)


def _match_start(elements: Sequence[str], text: str, *, is_longest: bool) -> int | None:
    """Return the length of the longest or shortest start of a text that a pattern matches; None if it matches none.

    Follows all ways to match at once, so that the time is linear in the text.
    """
    pattern = _Pattern(elements)
    states = pattern.start
    length = 0 if states & pattern.accepting else None
    for at, character in enumerate(text):
        if not states or (length is not None and not is_longest):
            break
        states = pattern.advance(states, character)
        if states & pattern.accepting:
            length = at + 1
    return length


class _Pattern:
    """A pattern as an automaton, with a set of states as the bits of a number."""

    def __init__(self, elements: Sequence[str]) -> None:
        self.accepting = 1 << len(elements)
        self._stars = sum(1 << number for number, element in enumerate(elements) if element == "*")
        self._wildcards = sum(1 << number for number, element in enumerate(elements) if element == "?")
        self._characters: dict[str, int] = {}
        for number, element in enumerate(elements):
            if element not in ("*", "?"):
                self._characters[element[-1]] = self._characters.get(element[-1], 0) | 1 << number
        self.start = self._skip_stars(1)

    def advance(self, states: int, character: str) -> int:
        """Return the states after a character; no wildcard matches a line end."""
        is_line_end = character == "\n"
        matching = self._characters.get(character, 0) | (0 if is_line_end else self._wildcards)
        return self._skip_stars((states & matching) << 1 | (0 if is_line_end else states & self._stars))

    def _skip_stars(self, states: int) -> int:
        while (skipped := states | (states & self._stars) << 1) != states:
            states = skipped
        return states


def _parse_pattern(pattern: str) -> list[str]:
    """Return the elements of a pattern: `*`, `?`, and other characters after a backslash. Raises DockerfileError."""
    if len(pattern) > _LONGEST_PATTERN:
        raise DockerfileError("the pattern of a variable is too long")
    elements: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character in "*?":
            elements.append(character)
        elif character == "\\":
            following = pattern[at : at + 1]
            if following and following in "}/":
                continue
            if not following or following not in "*?\\":
                raise DockerfileError("invalid escape in the pattern of a variable")
            elements.append(f"\\{following}")
            at += 1
        else:
            elements.append(f"\\{character}")
    return elements
