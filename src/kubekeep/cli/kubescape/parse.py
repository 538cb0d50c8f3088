"""Parser for command lines in the syntax of pflag, which Kubescape uses. Knows only the given flags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from kubekeep.cli.kubescape.flags import FlagValueType, KubescapeFlag

FlagValue: TypeAlias = tuple[KubescapeFlag, str]
"""A flag with its value; a switch has `true` or `false`."""

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class FlagError(ValueError):
    """An unknown or unsupported flag, or one without its value."""


def parse(words: Sequence[str], flags: Sequence[KubescapeFlag]) -> tuple[list[str], list[FlagValue]]:
    """Return the positional words and the flags with their values in order. Raises FlagError.

    A single-valued flag appears once, with its last value; a list, once per value.
    """
    positional: list[str] = []
    values: list[FlagValue] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            positional.extend(rest)
        elif word.startswith("--"):
            values.append(_long(word, rest, flags))
        elif word.startswith("-") and word != "-":
            values.extend(_short(word, rest, flags))
        else:
            positional.append(word)
    return positional, list(_reduce(values))


def get_value(values: Sequence[FlagValue], name: str) -> str:
    """Return the value of a flag; empty if it is missing."""
    return next((value for flag, value in reversed(values) if flag.name == name), "")


def _reduce(values: Sequence[FlagValue]) -> Iterator[FlagValue]:
    last = {flag.name: index for index, (flag, _) in enumerate(values)}
    for index, (flag, value) in enumerate(values):
        if flag.value_type is FlagValueType.LIST:
            yield from ((flag, part) for part in value.split(",") if part)
        elif flag.value_type is FlagValueType.ARRAY or index == last[flag.name]:
            yield flag, value


def _long(word: str, rest: Iterator[str], flags: Sequence[KubescapeFlag]) -> FlagValue:
    name, equals, value = word.removeprefix("--").partition("=")
    flag = next((flag for flag in flags if flag.name == name), None)
    if flag is None:
        raise FlagError(f"unknown flag: --{name}")
    if flag.value_type is FlagValueType.SWITCH:
        return flag, _parse_boolean(flag, value) if equals else "true"
    return flag, value if equals else _next(flag, rest)


def _short(word: str, rest: Iterator[str], flags: Sequence[KubescapeFlag]) -> Iterator[FlagValue]:
    """Yield the short flags in one word: switches in sequence, and a last one with its value (`-vf json`, `-fjson`)."""
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = next((flag for flag in flags if flag.short == letter), None)
        if flag is None:
            raise FlagError(f"unknown shorthand flag: {letter!r} in {word}")
        if flag.value_type is FlagValueType.SWITCH:
            value, letters = (_parse_boolean(flag, letters[1:]), "") if letters.startswith("=") else ("true", letters)
            yield flag, value
            continue
        yield flag, letters.removeprefix("=") if letters else _next(flag, rest)
        return


def _parse_boolean(flag: KubescapeFlag, value: str) -> str:
    if value in _TRUE:
        return "true"
    if value in _FALSE:
        return "false"
    raise FlagError(f"invalid argument {value!r} for {flag}: expected true or false")


def _next(flag: KubescapeFlag, rest: Iterator[str]) -> str:
    try:
        return next(rest)
    except StopIteration:
        raise FlagError(f"flag needs an argument: {flag}") from None
