"""Options of commands for whole registries: selection of images, budgets and state. Parses only."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from kubekeep.images.registries.options import RegistryOptions, ScanBudget, TagSelection
from kubekeep.images.registries.pattern import parse_pattern
from kubekeep.model.text import visible
from kubekeep.registry.reference import is_repository

_LONGEST_FILE: Final = 64 << 20
_SIZE: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_DURATION: Final = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9})s)?")
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_BUDGET: Final = ScanBudget()


def pattern_argument(function: Callable[..., None]) -> Callable[..., None]:
    """Add the patterns; they are passed on as `patterns`, checked."""
    return click.argument("patterns", metavar="PATTERN...", nargs=-1, required=True, callback=check_patterns)(function)


def check_patterns(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    """Click callback: return the patterns. Raises BadParameter for an invalid one."""
    for text in value:
        try:
            parse_pattern(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return value


def selection_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as one argument, `registries`, of type RegistryOptions."""

    @functools.wraps(function)
    def wrapper(**arguments: Any) -> None:
        function(registries=_read_options(arguments), **arguments)

    for option in (*reversed(_list_budgets()), *reversed(_list_selections())):
        wrapper = option(wrapper)
    return wrapper


def _list_selections() -> tuple[Callable[..., Any], ...]:
    return (
        click.option("--tags", multiple=True, metavar="GLOB", help="Read only tags that match; repeatable."),
        click.option(
            "--exclude",
            multiple=True,
            metavar="GLOB",
            help="Skip tags, repositories, or both as REPOSITORY:TAG, that match; repeatable.",
        ),
        click.option(
            "--newest",
            type=click.IntRange(min=1),
            metavar="N",
            help="Read the N newest images of each repository, by the time of creation, then by version.",
        ),
        click.option(
            "--since",
            type=click.DateTime(["%Y-%m-%d"]),
            metavar="YYYY-MM-DD",
            help="Read only images that were created on this day (UTC) or later.",
        ),
        click.option(
            "--repositories",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Read the names of repositories from this file, one on each line, instead of the list of the registry. "
            "Required for wildcards at Docker Hub and GHCR, which have no list.",
        ),
        click.option("--all-platforms", is_flag=True, help="Read the images of all platforms of an index."),
        click.option(
            "--state",
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Keep results in this folder. The next run continues where this one stops, and reads only new images.",
        ),
    )


def _list_budgets() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--parallel",
            type=click.IntRange(1, 64),
            default=_BUDGET.parallel,
            show_default=True,
            help="Read this number of images at the same time.",
        ),
        click.option(
            "--max-in-flight",
            default="4GiB",
            show_default=True,
            metavar="SIZE",
            callback=_parse_size,
            help="Read at most this many bytes of layers at the same time, such as 2GiB.",
        ),
        click.option(
            "--max-bytes",
            metavar="SIZE",
            callback=_parse_size,
            help="Read at most this many bytes of layers in this run, such as 50GiB.",
        ),
        click.option(
            "--max-duration",
            metavar="TIME",
            callback=_parse_duration,
            help="Read for at most this time in this run, such as 90m or 2h30m.",
        ),
        click.option(
            "--requests-per-second",
            type=click.FloatRange(0.01, 1000),
            default=_BUDGET.requests_per_second,
            show_default=True,
            help="Send at most this number of requests per second to each registry.",
        ),
    )


def _read_options(arguments: dict[str, Any]) -> RegistryOptions:
    """Remove the options from `arguments` and return them."""
    take = arguments.pop
    since: dt.datetime | None = take("since")
    file: Path | None = take("repositories")
    selection = TagSelection(
        tags=take("tags"),
        exclude=take("exclude"),
        newest=take("newest") or 0,
        since=since.date() if since else None,
        repositories=_read_repositories(file) if file else (),
        all_platforms=take("all_platforms"),
    )
    access = arguments["images"].access if "images" in arguments else arguments["access"]
    if selection.all_platforms and access.platform:
        raise click.UsageError("--all-platforms and --platform exclude each other")
    budget = ScanBudget(
        parallel=take("parallel"),
        bytes_in_flight=take("max_in_flight"),
        bytes=take("max_bytes"),
        duration=take("max_duration"),
        requests_per_second=take("requests_per_second"),
    )
    return RegistryOptions(selection=selection, budget=budget, state=take("state") or "")


def _read_repositories(file: Path) -> tuple[str, ...]:
    """Return the names in a file; lines with # are comments. Raises BadParameter with the line of an invalid name."""
    try:
        with file.open("rb") as stream:
            lines = stream.read(_LONGEST_FILE).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{file} cannot be read: {error}", param_hint="--repositories") from error
    names = []
    for number, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        host, slash, rest = name.partition("/")
        has_registry = bool(slash) and ("." in host or ":" in host or host == "localhost")
        if not is_repository(rest if has_registry else name):
            raise click.BadParameter(f"{file}:{number}: {visible(name)!r} is not a repository: use team/app without a tag",
                                     param_hint="--repositories")  # fmt: skip
        names.append(name)
    if not names:
        raise click.BadParameter(f"{file} names no repository", param_hint="--repositories")
    return tuple(names)


def _parse_size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:  # noqa: ARG001
    if value is None:
        return None
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise click.BadParameter(f"{visible(value)!r} is not a size: use 500MB or 50GiB")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].upper()])


def _parse_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:  # noqa: ARG001
    if value is None:
        return None
    match = _DURATION.fullmatch(str(value).strip())
    if match is None or not any(match.groups()):
        raise click.BadParameter(f"{visible(value)!r} is not a time: use 45s, 90m or 2h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(hours * 3600 + minutes * 60 + seconds)
