"""SPDX licence expressions (SPDX 2.3, annex D): recognised, put into canonical form, split and joined.

Never guesses a licence: text that is no expression stays text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Final

from kubekeep.images.spdx_licences import EXCEPTIONS, LICENCES

_TOKEN: Final = re.compile(r"\s*([()]|[A-Za-z0-9.+:-]+)")
_REFERENCE: Final = re.compile(r"licenseref-([a-z0-9.-]+)", re.IGNORECASE)
_OPERATORS: Final = {"and": "AND", "or": "OR", "with": "WITH"}
_LONGEST: Final = 4096
"""Maximum characters of an expression; longer text is treated as no expression."""
_DEEPEST: Final = 30
"""Maximum number of opening parentheses."""
NO_LICENCE: Final = frozenset({"", "NOASSERTION", "NONE"})
"""Values for an unknown licence and for none."""


@functools.cache
def _licences() -> dict[str, str]:
    return {name.lower(): name for name in LICENCES.split()}


@functools.cache
def _exceptions() -> dict[str, str]:
    return {name.lower(): name for name in EXCEPTIONS.split()}


_PARENTHESES: Final = re.compile(r"\(L(?:OL)*\)")
_EXPRESSION: Final = re.compile("L(?:OL)*")


def is_identifier(text: str) -> bool:
    """Return True for an identifier of the SPDX licence list in its exact form."""
    return _licences().get(text.lower()) == text


@functools.lru_cache(maxsize=4096)
def parse_expression(text: str, *, allows_references: bool = False) -> str:
    """Return the canonical form of an SPDX expression: exact identifiers, single spaces. Empty for any other text.

    A reference to a licence outside of the list (`LicenseRef-x`) is no expression, because its text is in another file,
    unless `allows_references`.
    """
    tokens = [_classify(token, allows_references=allows_references) for token in _tokenise(text)]
    # One letter for each token, reduced by the rules of the grammar until no parentheses are left.
    letters = "".join(letter for letter, _ in tokens).replace("LWE", "L")
    while "(" in letters:
        reduced = _PARENTHESES.sub("L", letters)
        if reduced == letters:
            return ""
        letters = reduced
    if _EXPRESSION.fullmatch(letters) is None:
        return ""
    return _spell(token for _, token in tokens)


def _tokenise(text: str) -> list[str]:
    """Return the tokens of an expression; [] if the text has other characters, or is too long or too deep."""
    if len(text) > _LONGEST or text.count("(") > _DEEPEST:
        return []
    tokens: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            return []
        tokens.append(match[1])
        position = match.end()
    return tokens


def _classify(token: str, *, allows_references: bool) -> tuple[str, str]:
    """Return the letter of a token for the grammar, and its canonical form."""
    lower = token.lower()
    if lower in {"(", ")"}:
        return token, token
    if lower in _OPERATORS:
        return "W" if lower == "with" else "O", _OPERATORS[lower]
    if name := _licences().get(lower):
        return "L", name
    if token.endswith("+") and (name := _licences().get(lower[:-1])):
        return "L", f"{name}+"
    if allows_references and (match := _REFERENCE.fullmatch(token)):
        return "L", f"LicenseRef-{match[1]}"
    return ("E", name) if (name := _exceptions().get(lower)) else ("?", token)


def _spell(tokens: Iterable[str]) -> str:
    return " ".join(tokens).replace("( ", "(").replace(" )", ")")


def split_conjunction(text: str) -> tuple[str, ...]:
    """Return the parts of an expression that all apply: `(A OR B) AND C` has the parts `A OR B` and `C`.

    The parts need not be identifiers of the list. Text that is no expression is one part.
    """
    tokens = _tokenise(text)
    return tuple(_split(tokens)) if tokens else (text,)


def _split(tokens: list[str]) -> Iterator[str]:
    """Yield the parts of a conjunction; parentheses are nested to the depth that `_tokenise` accepts."""
    while tokens[:1] == ["("] and _find_end(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    depth = 0
    operators: list[tuple[int, str]] = []
    for position, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")  # noqa: S105 - no password
        if not depth and token.lower() in {"and", "or"}:
            operators.append((position, token.lower()))
    # AND binds tighter than OR.
    if not operators or any(operator == "or" for _, operator in operators):
        yield _spell(tokens)
        return
    start = 0
    for position, _ in operators:
        yield from _split(tokens[start:position])
        start = position + 1
    yield from _split(tokens[start:])


def _find_end(tokens: list[str]) -> int:
    """Return the position of the parenthesis that closes the first one; -1 without."""
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")  # noqa: S105 - no password
        if not depth:
            return position
    return -1


def list_licences(declared: Iterable[str]) -> tuple[str, ...]:
    """Return licences without duplicates and empty values: canonical expressions, split at AND, and other text."""
    parts: dict[str, None] = {}
    for text in declared:
        stripped = text.strip()
        if stripped in NO_LICENCE:
            continue
        expression = parse_expression(stripped)
        parts.update(dict.fromkeys(split_conjunction(expression) if expression else (stripped,)))
    return tuple(parts)


def join_licences(parts: Iterable[str]) -> str:
    """Return one expression in which all of `parts` apply."""
    ordered = list(parts)
    if len(ordered) == 1:
        return ordered[0]
    return " AND ".join(f"({part})" if " OR " in part else part for part in ordered)
