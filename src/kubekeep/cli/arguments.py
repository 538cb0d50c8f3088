"""Words and options that several tasks take alike. Parses; never runs anything."""

from __future__ import annotations

from typing import Final

import click

from kubekeep.model.severity import Severity

Names = tuple[str, ...]

_FIELDS: Final = {"framework": "frameworks", "control": "controls"}


def names(ctx: click.Context, param: click.Parameter, value: Names) -> Names:  # noqa: ARG001 - click's signature
    """A callback: names, comma separated, of an option that may be given several times."""
    return tuple(name.strip() for item in value for name in item.split(",") if name.strip())


def severity(ctx: click.Context, param: click.Parameter, value: str | None) -> Severity | None:  # noqa: ARG001
    """A callback: a severity by its name."""
    try:
        return None if value is None else Severity.named(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def asked(task: str, words: Names, frameworks: Names) -> tuple[Names, Names, Names]:
    """The paths, frameworks and controls that the words of a command line name, behind `task`."""
    found: dict[str, Names] = {"frameworks": frameworks, "controls": ()}
    if words and words[0] in _FIELDS:
        if len(words) == 1:
            raise click.UsageError(f"`{task} {words[0]}` needs names and a path")
        field = _FIELDS[words[0]]
        found[field] = (*found[field], *filter(None, words[1].split(",")))
        words = words[2:]
    if not words:
        raise click.UsageError(f"name a file or a folder to {task}, or - for standard input")
    return words, found["frameworks"], found["controls"]
