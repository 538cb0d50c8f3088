"""Options of commands for whole registries: selection of images, budgets and state. Parses only."""

import datetime as dt
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import click
import msgspec

from kubekeep.cli.console.option_group import Command, HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.images.registries.options import RegistryOptions, ScanBudget, TagSelection
from kubekeep.images.registries.pattern import parse_pattern
from kubekeep.model.text import visible
from kubekeep.registry.reference import is_repository
from kubekeep.usecases.package_request import PackageRequest

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


class TagOptions(OptionGroup, frozen=True):
    """Options that select images of registries, as given."""

    section = HelpSection.REGISTRIES

    tags: Annotated[
        tuple[str, ...],
        Option("--tags", "Read only tags that match; repeatable.", Key.DISCOVERED, is_common=True, metavar="GLOB"),
    ] = ()
    exclude: Annotated[
        tuple[str, ...],
        Option(
            "--exclude",
            "Skip tags, repositories, or both as REPOSITORY:TAG, that match; repeatable.",
            Key.DISCOVERED,
            metavar="GLOB",
        ),
    ] = ()
    newest: Annotated[
        int | None,
        Option(
            "--newest",
            "Read the N newest images of each repository, by the time of creation, then by version.",
            Key.DISCOVERED,
            is_common=True,
            type=click.IntRange(min=1),
            metavar="N",
        ),
    ] = None
    since: Annotated[
        dt.datetime | None,
        Option(
            "--since",
            "Read only images that were created on this day (UTC) or later.",
            Key.DISCOVERED,
            type=click.DateTime(["%Y-%m-%d"]),
            metavar="YYYY-MM-DD",
        ),
    ] = None
    repositories: Annotated[
        Path | None,
        Option(
            "--repositories",
            "Read the names of repositories from this file, one on each line, instead of the list of the registry. "
            "Required for wildcards at Docker Hub and GHCR, which have no list.",
            Key.EXPLICIT,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
        ),
    ] = None
    all_platforms: Annotated[
        bool, Option("--all-platforms", "Read the images of all platforms of an index.", Key.DISCOVERED, is_common=True)
    ] = False
    state: Annotated[
        str | None,
        Option(
            "--state",
            "Keep results in this folder. The next run continues where this one stops, and reads only new images.",
            Key.EXPLICIT,
            is_common=True,
            type=click.Path(file_okay=False),
            metavar="DIR",
        ),
    ] = None


class BudgetOptions(OptionGroup, frozen=True, kw_only=True):
    """Limits of one run, as given."""

    section = HelpSection.REGISTRIES

    parallel: Annotated[
        int,
        Option(
            "--parallel",
            "Read this number of images at the same time.",
            Key.DISCOVERED,
            type=click.IntRange(1, 64),
            show_default=True,
        ),
    ] = _BUDGET.parallel
    max_in_flight: Annotated[
        int,
        Option(
            "--max-in-flight",
            "Read at most this many bytes of layers at the same time, such as 2GiB.",
            Key.DISCOVERED,
            metavar="SIZE",
            callback=_parse_size,
            default="4GiB",
            show_default=True,
        ),
    ]
    max_bytes: Annotated[
        int | None,
        Option(
            "--max-bytes",
            "Read at most this many bytes of layers in this run, such as 50GiB.",
            Key.DISCOVERED,
            metavar="SIZE",
            callback=_parse_size,
        ),
    ] = None
    max_duration: Annotated[
        float | None,
        Option(
            "--max-duration",
            "Read for at most this time in this run, such as 90m or 2h30m.",
            Key.DISCOVERED,
            metavar="TIME",
            callback=_parse_duration,
        ),
    ] = None
    requests_per_second: Annotated[
        float,
        Option(
            "--requests-per-second",
            "Send at most this number of requests per second to each registry.",
            Key.DISCOVERED,
            type=click.FloatRange(0.01, 1000),
            show_default=True,
        ),
    ] = _BUDGET.requests_per_second


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


def _create_options(tags: TagOptions, limits: BudgetOptions) -> RegistryOptions:
    selection = TagSelection(
        tags=tags.tags,
        exclude=tags.exclude,
        newest=tags.newest or 0,
        since=tags.since.date() if tags.since else None,
        repositories=_read_repositories(tags.repositories) if tags.repositories else (),
        all_platforms=tags.all_platforms,
    )
    if tags.all_platforms and click.get_current_context().params["platform"]:
        raise click.UsageError("--all-platforms and --platform exclude each other")
    budget = ScanBudget(
        parallel=limits.parallel,
        bytes_in_flight=limits.max_in_flight,
        bytes=limits.max_bytes,
        duration=limits.max_duration,
        requests_per_second=limits.requests_per_second,
    )
    return RegistryOptions(selection=selection, budget=budget, state=tags.state or "")


def selection_options(function: Command) -> Command:
    """Add the options; they are applied to the argument `packages`."""

    @functools.wraps(function)
    def wrapper(registries: RegistryOptions, packages: PackageRequest, **others: Any) -> None:
        function(packages=msgspec.structs.replace(packages, registries=registries), **others)

    add_options = add_groups(
        lambda tags, limits: {"registries": _create_options(tags, limits)}, TagOptions, BudgetOptions
    )
    return add_options(wrapper)
