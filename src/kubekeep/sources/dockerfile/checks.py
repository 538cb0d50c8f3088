"""Checks of instructions that BuildKit makes before a build: flags, numbers of arguments, names of stages.

Follows `frontend/dockerfile/instructions` of BuildKit. Checks no value that depends on a variable.
"""

from __future__ import annotations

import re
from typing import Final

from kubekeep.sources.dockerfile.arguments import NESTING, Arguments, Token, parse_heredoc
from kubekeep.sources.dockerfile.errors import DockerfileError
from kubekeep.sources.dockerfile.words import SPACES

_STAGE_NAME: Final = re.compile(r"[a-z][a-z0-9-_.]*")
_BOOLEAN, _TEXT, _TEXTS = "true or false", "one value", "values"
_FLAGS: Final[dict[str, dict[str, str]]] = {
    "ADD": {
        "chown": _TEXT,
        "chmod": _TEXT,
        "link": _BOOLEAN,
        "keep-git-dir": _BOOLEAN,
        "checksum": _TEXT,
        "unpack": _BOOLEAN,
        "exclude": _TEXTS,
    },
    "COPY": {
        "chown": _TEXT,
        "from": _TEXT,
        "chmod": _TEXT,
        "link": _BOOLEAN,
        "exclude": _TEXTS,
        "parents": _BOOLEAN,
    },
    "FROM": {"platform": _TEXT},
    "HEALTHCHECK": dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), _TEXT),
    "RUN": {"mount": _TEXTS, "network": _TEXT, "security": _TEXT, "device": _TEXTS},
}
_UNCHECKED_FLAGS: Final = ("ARG", "STOPSIGNAL")
"""Instructions whose flags BuildKit ignores."""
_VALUES: Final = {"network": ("default", "none", "host"), "security": ("sandbox", "insecure")}
_DURATION: Final = re.compile(r"[-+]?(?:0|((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+))")
_DURATION_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_SHORTEST_DURATION: Final = 1e-3
_OTHERS: Final = ("EXPOSE", "MAINTAINER", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR", NESTING)
_TWO: Final = len(("source", "destination"))
_ANY_NUMBER: Final = ("CMD", "ENTRYPOINT", "RUN")
_PAIRS: Final = ("ARG", "ENV", "LABEL")
KEYWORDS: Final = frozenset((*_FLAGS, *_ANY_NUMBER, *_PAIRS, *_OTHERS))


def check_instruction(instruction: Arguments) -> None:
    """Raise DockerfileError for an instruction that BuildKit refuses."""
    keyword, words = instruction.keyword.text, instruction.words
    if keyword not in KEYWORDS:
        raise DockerfileError(f"unknown instruction {keyword[:50]}")
    _check_number(instruction)
    is_switched_off = keyword == "HEALTHCHECK" and words[0].text.upper() == "NONE"
    if keyword not in _UNCHECKED_FLAGS and not is_switched_off:
        parse_flags(instruction)
    if keyword == "FROM":
        _check_stage(words)
    elif keyword == "HEALTHCHECK":
        _check_health_check(instruction)
    elif keyword == NESTING and instruction.nested is not None:
        _check_trigger(instruction.nested.keyword.text)
    elif keyword in ("ADD", "COPY") and parse_heredoc(words[-1].text) is not None:
        raise DockerfileError(f"{keyword}: the destination is a heredoc")


def parse_flags(instruction: Arguments) -> dict[str, list[tuple[str, Token]]]:
    """Return the values of each flag with their tokens. Raises DockerfileError for an invalid flag."""
    keyword = instruction.keyword.text
    values: dict[str, list[tuple[str, Token]]] = {}
    for token in instruction.flags:
        name, sign, value = token.text.removeprefix("--").partition("=")
        kind = _FLAGS.get(keyword, {}).get(name)
        if kind is None or not token.text.startswith("--"):
            raise DockerfileError(f"{keyword}: unknown flag --{name[:50]}")
        if name in values and kind is not _TEXTS:
            raise DockerfileError(f"{keyword}: the flag --{name} occurs twice")
        is_missing = not sign if kind is not _BOOLEAN else bool(sign) and not value
        if is_missing:
            raise DockerfileError(f"{keyword}: the flag --{name} has no value")
        if kind is _BOOLEAN and value.lower() not in ("", "true", "false"):
            raise DockerfileError(f"{keyword}: the value of --{name} must be true or false")
        if name in _VALUES and value not in _VALUES[name]:
            raise DockerfileError(f"{keyword}: the value of --{name} must be {' or '.join(_VALUES[name])}")
        if name in ("mount", "device"):
            split_fields(value)
            _check_mount_source(value, name)
        values.setdefault(name, []).append((value, token))
    return values


def split_fields(text: str) -> list[str]:
    """Return the fields of a mount, which are separated by commas and may be quoted. Raises DockerfileError."""
    fields: list[str] = []
    at = 0
    if not text:
        raise DockerfileError("the value of a flag is empty")
    while True:
        if text.startswith('"', at):
            field, at = _read_quoted_field(text, at + 1)
        else:
            end = text.find(",", at)
            field = text[at : end if end >= 0 else len(text)]
            at = end if end >= 0 else len(text)
            if '"' in field:
                raise DockerfileError("a quote inside of a field of a flag")
        fields.append(field)
        if at >= len(text):
            return fields
        at += 1


def _read_quoted_field(text: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    while True:
        end = text.find('"', at)
        if end < 0:
            raise DockerfileError("a quote in a flag is not closed")
        parts.append(text[at:end])
        at = end + 1
        if text.startswith('"', at):
            parts.append('"')
            at += 1
        elif at == len(text) or text[at] == ",":
            return "".join(parts), at
        else:
            raise DockerfileError("text follows a quoted field of a flag")


def _check_mount_source(value: str, name: str) -> None:
    """Raise DockerfileError for a mount from a stage that a variable names."""
    for field in split_fields(value):
        key, _, source = field.partition("=")
        if name == "mount" and key.lower() == "from" and "$" in source[:-1]:
            raise DockerfileError("RUN: a variable in the stage of a mount is not expanded")


def _check_number(instruction: Arguments) -> None:
    keyword, words, pairs = instruction.keyword.text, instruction.words, instruction.pairs
    if keyword in _PAIRS and any(not pair.name.text for pair in pairs):
        raise DockerfileError(f"{keyword}: a name is empty")
    if keyword in _ANY_NUMBER:
        return
    count = len(pairs) + len(words) + (instruction.nested is not None)
    if count < (_TWO if keyword in ("ADD", "COPY") else 1):
        missing = "a source and a destination" if keyword in ("ADD", "COPY") else "at least one argument"
        raise DockerfileError(f"{keyword} needs {missing}")
    if keyword == "SHELL" and not instruction.is_exec:
        raise DockerfileError("SHELL needs a JSON list")
    if keyword == "VOLUME" and not all(word.text.strip(SPACES) for word in words):
        raise DockerfileError("VOLUME: a path is empty")


def _check_stage(words: tuple[Token, ...]) -> None:
    if len(words) == len(("base", "AS", "name")) and words[1].text.lower() == "as":
        if not _STAGE_NAME.fullmatch(words[2].text.lower()):
            raise DockerfileError("FROM: the name of a stage must begin with a letter and have no symbols except - _ .")
    elif len(words) != 1:
        raise DockerfileError("FROM needs one argument, or three: BASE AS NAME")


def _check_trigger(keyword: str) -> None:
    if keyword in (NESTING, "MAINTAINER", "FROM"):
        raise DockerfileError(f"{NESTING} {keyword} is not allowed")


def _check_health_check(instruction: Arguments) -> None:
    kind, command = instruction.words[0].text.upper(), instruction.words[1:]
    if kind == "NONE":
        if command:
            raise DockerfileError("HEALTHCHECK NONE takes no arguments")
        return
    if kind != "CMD":
        raise DockerfileError("HEALTHCHECK must be followed by CMD or NONE")
    if not command:
        raise DockerfileError("HEALTHCHECK CMD needs a command")
    for name, values in parse_flags(instruction).items():
        value = values[0][0]
        is_valid = re.fullmatch(r"[+]?[0-9]{1,10}", value) if name == "retries" else _is_duration(value)
        if value and not is_valid:
            raise DockerfileError(f"HEALTHCHECK: the value of --{name} is not valid")


def _is_duration(text: str) -> bool:
    match = _DURATION.fullmatch(text)
    if match is None:
        return False
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(match[1] or ""))
    return seconds == 0 or (seconds >= _SHORTEST_DURATION and not text.startswith("-"))
