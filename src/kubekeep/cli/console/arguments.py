"""Arguments and options that several commands share. Parses only."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.console.configured import is_from_file
from kubekeep.cli.console.option_group import Command, DeclaredOption, Decorator, Use
from kubekeep.model.severity import Severity

Names = tuple[str, ...]

WORDS: Final = {"framework": "names", "control": "names", "workload": "a kind and a name"}
"""First words before the paths, each with a description of the word that must follow."""


_NOUNS: Final = ("image", "registry", "sbom")
"""Commands with a scan of their own, which users of other programs write after `scan`."""


class ParsedWords(msgspec.Struct, frozen=True):
    """The parsed words of a command line."""

    paths: Names
    frameworks: Names = ()
    controls: Names = ()
    workload: str = ""


def parse_names(ctx: click.Context, param: click.Parameter, value: Names) -> Names:  # noqa: ARG001 - click's signature
    """Click callback: return comma-separated names of a repeatable option as one tuple."""
    return tuple(name.strip() for text in value for name in text.split(",") if name.strip())


SEVERITIES: Final = click.Choice([level.name.lower() for level in Severity if level], case_sensitive=False)


def parse_severity(ctx: click.Context, param: click.Parameter, value: str | None) -> Severity | None:  # noqa: ARG001
    """Click callback: return the severity with this name, one of SEVERITIES."""
    return None if value is None else Severity.parse(value)


def layout_option(*layouts: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option `--format` of a command that prints one of `layouts`; the first is the default."""
    return click.option(
        "-f",
        "--format",
        "layout",
        type=click.Choice(layouts),
        default=layouts[0],
        show_default=True,
        help="Print this format.",
    )


def find_first_path(words: Names) -> str:
    """Return the first path among the words of a command line; the working directory without one."""
    paths = words[2:] if words and words[0] in WORDS else words
    return paths[0] if paths else "."


def parse_words(task: str, words: Names, frameworks: Names, *, or_cluster: bool = False) -> ParsedWords:
    """Return the parsed words of a command line; `frameworks` are those of the option, `task` is the command's name.

    Raises a usage error without a path, unless `or_cluster`.
    """
    controls: Names = ()
    workload = ""
    if len(words) > 1 and words[0].removesuffix("s") in WORDS.keys() - {words[0]} and not os.path.lexists(words[0]):
        right = shlex.join((words[0].removesuffix("s"), *words[1:]))
        raise click.UsageError(f"there is no file {words[0]}; did you mean `{task} {right}`?")
    if len(words) > 1 and words[0] in _NOUNS and not os.path.lexists(words[0]):
        raise click.UsageError(
            f"there is no file {words[0]}; did you mean `kubekeep {shlex.join((words[0], 'scan', *words[1:]))}`?"
        )
    if words and words[0] in WORDS:
        if len(words) == 1 or not words[1].strip(","):
            # An empty variable of a script must not result in a scan with all rules.
            path = "" if or_cluster else " and a path"
            raise click.UsageError(f"`{task} {words[0]}` requires {WORDS[words[0]]}{path}")
        parsed_names = tuple(filter(None, words[1].split(",")))
        if words[0] != "workload" and is_from_file(click.get_current_context(), "frameworks"):
            # Names on the command line replace those of the configuration file.
            frameworks = ()
        match words[0]:
            case "framework":
                frameworks = (*frameworks, *parsed_names)
            case "control":
                controls = parsed_names
            case _:
                workload = words[1]
        words = words[2:]
    if not words and not or_cluster:
        raise click.UsageError("no PATH: name a file or a folder, or - for standard input")
    return ParsedWords(words, frameworks, controls, workload)


def parse_listen_address(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, int] | None:  # noqa: ARG001
    """Click callback: return the address to listen on from `9090`, `:9090`, `0.0.0.0:9090` or `[::]:9090`.

    Without an address, it is the loopback address.
    """
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise click.BadParameter(f"{value!r} is not [ADDRESS:]PORT")
    return host or "127.0.0.1", int(port)


def without_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that removes options by parameter name; the command gets their default values.

    For commands that share a group of options but do not support all of them; an option that the command declares
    itself afterwards takes precedence. Raises ValueError for a name that no option has.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        declared: list[click.Parameter] = function.__click_params__  # type: ignore[attr-defined]
        removed_options = [parameter for parameter in declared if parameter.name in names]
        if unknown := {*names} - {parameter.name for parameter in removed_options}:
            raise ValueError(f"no option is called {', '.join(sorted(unknown))}")

        @functools.wraps(function)
        def wrapper(**arguments: Any) -> None:
            ctx = click.get_current_context()
            # Newer versions of click have an object of their own for a value without a default.
            unset = click.Option(["--unset"]).get_default(ctx)
            defaults = {
                str(parameter.name): parameter.process_value(ctx, parameter.get_default(ctx))
                for parameter in removed_options
            }
            known = {name: None if value is unset else value for name, value in defaults.items()}
            function(**{**known, **arguments})

        wrapper.__click_params__ = [  # type: ignore[attr-defined]
            parameter for parameter in declared if parameter not in removed_options
        ]
        return wrapper

    return decorate


def leave_out_options(use: Use) -> Decorator:
    """Return a decorator that removes the options of groups that do not apply to a kind of scan."""

    def decorate(function: Command) -> Command:
        declared: list[click.Parameter] = function.__click_params__  # type: ignore[attr-defined]
        names = [str(each.name) for each in declared if isinstance(each, DeclaredOption) and not each.uses & use]
        return without_options(*names)(function) if names else function

    return decorate
