"""Versions of apk-tools 3 (Alpine, Wolfi, Chainguard): digit{.digit}...{letter}{_suffix{number}}...{~hash}{-r#}.

The order includes invalid versions, as in apk-tools; `explain_unordered` names the first invalid part of them.
"""

from __future__ import annotations

import re
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_START = re.compile(r"[0-9]+")
_TOKEN = re.compile(
    r"(?P<digit>\.[0-9]+)|(?P<letter>[a-z])|_(?P<suffix>[a-z]+)(?P<number>[0-9]*)|~(?P<hash>[0-9A-Fa-f]+)"
    r"|-r(?P<revision>[0-9]+)"
)
_PRE_SUFFIXES = {"alpha": 1, "beta": 2, "pre": 3, "rc": 4}
_POST_SUFFIXES = {"cvs": 6, "svn": 7, "git": 8, "hg": 9, "p": 10}
# Ranks of the next token, lowest version first.
_PRE, _INVALID, _END, _REVISION, _HASH, _SUFFIX_NUMBER, _POST, _LETTER, _DIGIT = range(9)
_STAGES = {"digit": 1, "letter": 2, "suffix": 3, "hash": 5, "revision": 6}
"""Parts in the order in which a version may have them; digits and suffixes may be repeated."""


class ApkScheme(VersionScheme):
    """The order of apk-tools."""

    name = "apk"

    def explain_unordered(self, version: str) -> str:
        """Return the reason if the version is invalid, although apk-tools would order it."""
        if self.key(version)[-1][0] != _INVALID:
            return super().explain_unordered(version)
        return str(self.invalid(version, "apk versions are digits, a letter, _suffixes, ~hash and -r with a number"))

    def _parse(self, version: str) -> Any:
        start = _START.match(version)
        if not start:
            raise self.invalid(version, "it does not start with a digit")
        tokens: list[tuple[int, Any]] = [(_DIGIT, int(start.group()))]
        position, stage = start.end(), 0
        while position < len(version):
            match = _TOKEN.match(version, position)
            kind = _get_kind(match)
            if not match or not _is_permitted(kind, stage):
                tokens.append((_INVALID, ""))
                return tuple(tokens)
            position, stage = match.end(), _STAGES[kind]
            tokens += _read_tokens(kind, match)
            if tokens[-1][0] == _INVALID:
                return tuple(tokens)
        tokens.append((_END, ""))
        return tuple(tokens)


def _get_kind(match: re.Match[str] | None) -> str:
    kind = match.lastgroup if match else None
    return "suffix" if kind == "number" else kind or ""


def _is_permitted(kind: str, stage: int) -> bool:
    if kind == "digit":
        return stage <= _STAGES["digit"]
    if kind == "suffix":
        return stage <= _STAGES["suffix"]
    return bool(kind) and stage < _STAGES[kind]


def _read_tokens(kind: str, match: re.Match[str]) -> list[tuple[int, Any]]:
    if kind == "digit":
        digits = match["digit"][1:]
        # A leading zero makes the part a fraction, which sorts as text and before all parts without one.
        return [(_DIGIT, (0, digits, 0) if digits[0] == "0" else (1, "", int(digits)))]
    if kind == "letter":
        return [(_LETTER, match["letter"])]
    if kind == "hash":
        return [(_HASH, match["hash"])]
    if kind == "revision":
        return [(_REVISION, int(match["revision"]))]
    return _read_suffix(match["suffix"], match["number"])


def _read_suffix(suffix: str, number: str) -> list[tuple[int, Any]]:
    tokens: list[tuple[int, Any]]
    if suffix in _PRE_SUFFIXES:
        tokens = [(_PRE, _PRE_SUFFIXES[suffix])]
    elif suffix in _POST_SUFFIXES:
        tokens = [(_POST, _POST_SUFFIXES[suffix])]
    else:
        return [(_INVALID, "")]
    return [*tokens, (_SUFFIX_NUMBER, int(number))] if number else tokens


APK = ApkScheme()
