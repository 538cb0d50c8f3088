"""Words of a command line as pflag reads them, which Kubescape uses. Knows no flag but those it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from kubekeep.cli.kubescape.flags import Flag, Takes

Given: TypeAlias = tuple[Flag, str]
"""A flag with its value; a switch has `true` or `false`."""

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class FlagError(ValueError):
    """A word that is no flag of this command, or one without its value."""


def parse(words: Sequence[str], flags: Sequence[Flag]) -> tuple[list[str], list[Given]]:
    """What stands alone among `words`, and the flags with their values in the order given. Raises FlagError.

    A flag of one value is there once, with the last one it was given; a list, once for each of its values.
    """
    alone: list[str] = []
    given: list[Given] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            alone.extend(rest)
        elif word.startswith("--"):
            given.append(_long(word, rest, flags))
        elif word.startswith("-") and word != "-":
            given.extend(_short(word, rest, flags))
        else:
            alone.append(word)
    return alone, list(_counted(given))


def value_of(given: Sequence[Given], name: str) -> str:
    """The value of a flag; empty if it is not given."""
    return next((value for flag, value in reversed(given) if flag.name == name), "")


def _counted(given: Sequence[Given]) -> Iterator[Given]:
    last = {flag.name: place for place, (flag, _) in enumerate(given)}
    for place, (flag, value) in enumerate(given):
        if flag.takes is Takes.LIST:
            yield from ((flag, item) for item in value.split(",") if item)
        elif flag.takes is Takes.ARRAY or place == last[flag.name]:
            yield flag, value


def _long(word: str, rest: Iterator[str], flags: Sequence[Flag]) -> Given:
    name, equals, value = word.removeprefix("--").partition("=")
    flag = next((flag for flag in flags if flag.name == name), None)
    if flag is None:
        raise FlagError(f"unknown flag: --{name}")
    if flag.takes is Takes.SWITCH:
        return flag, _truth(flag, value) if equals else "true"
    return flag, value if equals else _next(flag, rest)


def _short(word: str, rest: Iterator[str], flags: Sequence[Flag]) -> Iterator[Given]:
    """Short flags in one word: switches one after another, and a last one with its value (`-vf json`, `-fjson`)."""
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = next((flag for flag in flags if flag.short == letter), None)
        if flag is None:
            raise FlagError(f"unknown shorthand flag: {letter!r} in {word}")
        if flag.takes is Takes.SWITCH:
            value, letters = (_truth(flag, letters[1:]), "") if letters.startswith("=") else ("true", letters)
            yield flag, value
            continue
        yield flag, letters.removeprefix("=") if letters else _next(flag, rest)
        return


def _truth(flag: Flag, value: str) -> str:
    if value in _TRUE:
        return "true"
    if value in _FALSE:
        return "false"
    raise FlagError(f"invalid argument {value!r} for {flag}: true or false")


def _next(flag: Flag, rest: Iterator[str]) -> str:
    try:
        return next(rest)
    except StopIteration:
        raise FlagError(f"flag needs an argument: {flag}") from None
