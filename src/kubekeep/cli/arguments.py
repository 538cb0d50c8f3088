"""Words and options that several tasks take alike. Parses; never runs anything."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.configured import is_from_file
from kubekeep.model.severity import Severity

Names = tuple[str, ...]

WORDS: Final = {"framework": "names", "control": "names", "workload": "a kind and a name"}
"""What may stand before the paths, and what must follow it."""


class Asked(msgspec.Struct, frozen=True):
    """What the words of a command line name."""

    paths: Names
    frameworks: Names = ()
    controls: Names = ()
    workload: str = ""


def names(ctx: click.Context, param: click.Parameter, value: Names) -> Names:  # noqa: ARG001 - click's signature
    """A callback: names, comma separated, of an option that may be given several times."""
    return tuple(name.strip() for item in value for name in item.split(",") if name.strip())


SEVERITIES: Final = click.Choice([level.name.lower() for level in Severity if level], case_sensitive=False)


def severity(ctx: click.Context, param: click.Parameter, value: str | None) -> Severity | None:  # noqa: ARG001
    """A callback: a severity by its name, one of SEVERITIES."""
    return None if value is None else Severity.named(value)


def first_path(words: Names) -> str:
    """The first path among the words of a command line; the working folder if there is none."""
    paths = words[2:] if words and words[0] in WORDS else words
    return paths[0] if paths else "."


def asked(task: str, words: Names, frameworks: Names, *, or_cluster: bool = False) -> Asked:
    """What the words of a command line name, behind `task`; `frameworks` are those of its option.

    Without `or_cluster`, there must be a path.
    """
    controls: Names = ()
    workload = ""
    if words and words[0] in WORDS:
        if len(words) == 1 or not words[1].strip(","):
            # An empty variable of a script names nothing; it must not become a scan for everything.
            path = "" if or_cluster else " and a path"
            raise click.UsageError(f"`{task} {words[0]}` needs {WORDS[words[0]]}{path}")
        found = tuple(filter(None, words[1].split(",")))
        if words[0] != "workload" and is_from_file(click.get_current_context(), "frameworks"):
            # What the command line names stands in for what the configuration file names.
            frameworks = ()
        match words[0]:
            case "framework":
                frameworks = (*frameworks, *found)
            case "control":
                controls = found
            case _:
                workload = words[1]
        words = words[2:]
    if not words and not or_cluster:
        raise click.UsageError(f"name a file or a folder to {task}, or - for standard input")
    return Asked(words, frameworks, controls, workload)


def loopback(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, int] | None:  # noqa: ARG001
    """Where to listen: `9090`, `:9090`, `0.0.0.0:9090` or `[::]:9090`; without an address, on this machine only."""
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise click.BadParameter(f"{value!r} is no [ADDRESS:]PORT")
    return host or "127.0.0.1", int(port)


def without_options(defaults: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that removes options by parameter name and passes these default values instead.

    For commands that share a group of options but do not support all of them; an option that the command declares
    itself afterwards takes precedence.
    """

    def decorated(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def supplied(**arguments: Any) -> None:
            function(**{**defaults, **arguments})

        declared: list[click.Parameter] = function.__click_params__  # type: ignore[attr-defined]
        supplied.__click_params__ = [  # type: ignore[attr-defined]
            parameter for parameter in declared if parameter.name not in defaults
        ]
        return supplied

    return decorated
