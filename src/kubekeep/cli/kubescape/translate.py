"""A command line of Kubescape as one of ours. Makes words of words; runs nothing.

What cannot be said the same way ends in an error: a scan that quietly does something else would be worse than none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.cli.kubescape.chosen import every_framework, included, others, unnamed
from kubekeep.cli.kubescape.flags import SUBCOMMANDS, Fate, Flag, Takes
from kubekeep.cli.kubescape.parse import FlagError, Given, value_of
from kubekeep.posture.gate import OVERALL

_WORDS: Final = frozenset({"framework", "control", "workload", "image"})
_FORMATS: Final = {"pretty-printer": "pretty"}
_THRESHOLDS: Final = frozenset({"compliance-threshold", "fail-coverage-below"})
_MOST: Final = 100
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""What Go takes for a decimal number: Python takes more, such as blanks around it."""


class Ours(msgspec.Struct, frozen=True):
    """Words for a command of ours, and what there is to say about flags without effect."""

    words: tuple[str, ...]
    notes: tuple[str, ...] = ()


def scan(alone: Sequence[str], given: Sequence[Given]) -> Ours:
    """`kubescape scan`, for our `scan`. Raises FlagError for what is not here."""
    task, rest = (alone[0], list(alone[1:])) if alone and alone[0] in _WORDS else ("", list(alone))
    if task == "image":
        raise FlagError("images are not scanned")
    _check(task, given)
    options, notes = translated(given)
    head = _head(task, rest, given)
    return Ours(("--no-config", *options, *_file(given), *head.words, "--", *rest), (*notes, *head.notes))


def _file(given: Sequence[Given]) -> tuple[str, ...]:
    """Where a report goes that Kubescape writes into a file unasked and we do not."""
    unasked = value_of(given, "format").strip() == "markdown" and not value_of(given, "output")
    return ("--output", "report.md") if unasked else ()


def _check(task: str, given: Sequence[Given]) -> None:
    """Raise FlagError for a flag of another kind of scan: it would have no effect on this one."""
    for flag, _ in given:
        owner = next((name for name, own in SUBCOMMANDS.items() if flag in own), task)
        if owner != task:
            raise FlagError(f"unknown flag: {flag}, which only `scan {owner}` has")


def _head(task: str, rest: list[str], given: Sequence[Given]) -> Ours:
    """What stands before the paths; takes its own words out of `rest`."""
    only = _items(value_of(given, "include-controls"))
    match task:
        case "framework" | "control":
            names = _items(rest.pop(0)) if rest else []
            if not names:
                raise FlagError(f"scan {task}: name at least one {task}")
            if task == "framework" and "all" in map(str.lower, names):
                names = every_framework(given)
            return _narrowed(task, names, only, given)
        case "workload":
            if not rest or not rest[0]:
                raise FlagError("scan workload: name it as [namespace/]kind/name")
            name = _workload(rest.pop(0), given)
            rest.extend(filter(None, [value_of(given, "chart-path") or value_of(given, "file-path")]))
            left_out = _words("--exclude-controls", ",".join(others(only, given)) if only else "")
            return Ours((*_words("--framework", unnamed(task, given, live=not rest)), *left_out, "workload", name))
        case _ if only:
            return Ours(("control", ",".join(only)))
        case _:
            return Ours(_words("framework", unnamed(task, given, live=not rest)))


def _narrowed(task: str, names: Sequence[str], only: Sequence[str], given: Sequence[Given]) -> Ours:
    """A scan for `names`; where controls are included, for `only` those of them."""
    if not only:
        return Ours((task, ",".join(names)))
    found = included(task, names, only, given)
    left = [name for name in only if name not in found]
    notes = tuple(f"{name} is left out: it is not in {task} {','.join(names)}" for name in left)
    return Ours(("control", ",".join(found)), notes)


def _words(word: str, value: str) -> tuple[str, ...]:
    return (word, value) if value else ()


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _workload(name: str, given: Sequence[Given]) -> str:
    """The workload as ours takes it: `namespace/kind.version.group/name`."""
    parts = name.split("/")
    version = value_of(given, "api-version")
    if version and len(parts) >= 2:
        group, _, number = version.rpartition("/")
        parts[-2] = ".".join(filter(None, (parts[-2], number, group)))
    namespace = value_of(given, "namespace")
    return "/".join([*([namespace] if namespace and len(parts) == 2 else []), *parts])


def translated(given: Sequence[Given]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Our options for flags that have one, and notes about those that have no effect. Raises FlagError."""
    options: list[str] = []
    notes: list[str] = []
    for flag, value in given:
        match flag.fate:
            case Fate.REFUSED if not (flag.takes is Takes.SWITCH and value == "false"):
                raise FlagError(f"{flag} is not here: {flag.why}")
            case Fate.TOLD:
                notes.append(f"{flag} has no effect: {flag.why}")
            case Fate.SAME:
                options += _options(flag, value)
            case _:
                pass
    return tuple(options), tuple(notes)


def _options(flag: Flag, value: str) -> list[str]:
    if flag.takes is Takes.SWITCH:
        name = flag.becomes if value == "true" else flag.no
        return [f"--{name}"] if name else []
    if flag.name == "format-version" and value not in {"", "v2"}:
        raise FlagError(f"{flag} {value} is not here: reports in JSON have the layout of v2")
    ours = _said(flag, value)
    return [f"--{flag.becomes}", ours] if ours else []


def _said(flag: Flag, value: str) -> str:
    """What our option gets; empty for nothing. Kubescape's defaults are empty, so scripts pass empty variables."""
    match flag.name:
        case "include-controls" | "namespace" | "file-path" | "chart-path" | "api-version" | "format-version":
            return ""
        case "view" if value == "security":
            return ""
        case "format":
            return ",".join(_FORMATS.get(name.strip(), name.strip()) for name in value.split(","))
        case name if name in _THRESHOLDS:
            return _limit(flag, value)
        case _:
            return value


def _limit(flag: Flag, value: str) -> str:
    """A limit on the figure of all controls. Zero is Kubescape's way to say that there is none."""
    number = float(value) if _NUMBER.fullmatch(value) else math.inf
    if not 0 <= number <= _MOST:
        raise FlagError(f"invalid argument {value!r} for {flag}: a number from 0 to {_MOST}")
    return f"{OVERALL}={number}" if number else ""
