"""Write the arguments of the Python API that are options of the command line too; `--check` fails when they are out of date.

An option of a group names the functions that have it. Writes the marked lines of `api.py`, nothing else.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import click

from kubekeep import api
from kubekeep.cli import options
from kubekeep.cli.console.option_group import OptionGroup, find_default, list_options

FILE: Final = Path(api.__file__)
BEGIN: Final = "    # Options of the command line, written by scripts/api_arguments.py:\n"
END: Final = "    # Other arguments:\n"
NAMES: Final = ("PathLike", "Provider")
"""Names of types in `api.py`."""


def list_groups() -> list[type[OptionGroup]]:
    """Return the groups of options, in the order of their modules."""
    for module in pkgutil.iter_modules(options.__path__, f"{options.__name__}."):
        importlib.import_module(module.name)
    groups = [group for group in OptionGroup.__subclasses__() if group.__module__.startswith(f"{options.__name__}.")]
    return sorted(groups, key=lambda group: group.__module__)


def list_arguments(function: str, groups: Iterable[type[OptionGroup]]) -> Iterator[inspect.Parameter]:
    """Yield the arguments of a function of the API that are options of the groups."""
    for group in groups:
        for name, value_type, option in list_options(group):
            if function in option.api:
                default, annotation = _convert(group, name, value_type, is_path=isinstance(option.type, click.Path))
                yield inspect.Parameter(
                    option.api_name or name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
                )


def _convert(group: type[OptionGroup], name: str, value_type: Any, *, is_path: bool) -> tuple[Any, Any]:
    """Return the default and the type of an argument: callers pass any iterable and any path."""
    default = find_default(group, name)
    if get_origin(value_type) is tuple:
        return default, Iterable[api.PathLike] if is_path else Iterable[str]
    if is_path:
        return "", api.PathLike
    return default, value_type


def render_arguments(function: str) -> str:
    """Return the lines of the arguments of a function."""
    return "".join(
        f"    {argument.name}: {_render_type(argument.annotation)} = {argument.default!r},\n".replace("''", '""')
        for argument in list_arguments(function, list_groups())
    )


def _render_type(value_type: Any) -> str:
    for name in NAMES:
        if value_type == getattr(api, name):
            return name
        if value_type == getattr(api, name) | None:
            return f"{name} | None"
    if get_origin(value_type) is not None:
        (element,) = get_args(value_type)
        return f"Iterable[{_render_type(element)}]"
    return str(value_type.__name__)


def render_file(text: str) -> str:
    """Return the text of the module with the present arguments. Raises ValueError if a function has no marked lines."""
    pattern = re.compile(rf"(\ndef (\w+)\([^)]*?{re.escape(BEGIN)})[^#]*({re.escape(END)})")
    functions = {function for group in list_groups() for _, _, option in list_options(group) for function in option.api}
    unmarked = functions - {match[2] for match in pattern.finditer(text)}
    if unmarked:
        raise ValueError(f"api.py has no marked lines for the options of {', '.join(sorted(unmarked))}")
    return pattern.sub(lambda match: f"{match[1]}{render_arguments(match[2])}{match[3]}", text)


def main() -> int:
    """Write the arguments, or compare them."""
    text = FILE.read_text(encoding="utf-8")
    try:
        expected = render_file(text)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" in sys.argv:
        if text != expected:
            print("the arguments of the API are out of date; run scripts/api_arguments.py", file=sys.stderr)
        return text != expected
    FILE.write_text(expected, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
