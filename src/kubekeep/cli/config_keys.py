"""The keys of a configuration file: one for each option of a command, from click's own parameters.

Checks types and places; converts nothing that click converts.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.limits import COUNTS, LimitsType
from kubekeep.config.chart_values import CHARTS, SET, SET_FILE, VALUES, list_entries, resolve_key_and_file
from kubekeep.config.file import Configuration, describe_type
from kubekeep.model.location import Path

NAMED_ONLY: Final = frozenset(
    {
        *("output", "enable-helm", "custom-rules", "use-from", "use-artifacts-from", "dry-run"),
        *("kubeconfig", "kube-context", "as", "as-group", "as-uid", "host-scan", "insecure-skip-tls-verify"),
        *("cloud", "cloud-cluster"),
    }
)
"""Keys that write files, bring programs along, hand out credentials or turn gates off.

A file that was merely found may not have them.
"""

_CHARTS_HELP: Final = "Values for single charts, by the path of the folder or archive."


class Kind(enum.Enum):
    """What a value is: its name in JSON Schema, or its names, and in words."""

    BOOLEAN = ("boolean", "true or false")
    INTEGER = ("integer", "a whole number")
    NUMBER = ("number", "a number")
    TEXT = ("string", "text")
    PATH = ("string", "a path")
    KEY_AND_FILE = ("string", "text KEY=FILE")
    LIMITS = (("number", "string"), "a number, or text NAME=NUMBER,")
    COUNTS = (("integer", "string"), "a whole number, or text NAME=NUMBER,")

    @property
    def words(self) -> str:
        """What people call it."""
        return str(self.value[1])

    @property
    def types(self) -> str | list[str]:
        """What JSON Schema calls it."""
        return self.value[0] if isinstance(self.value[0], str) else list(self.value[0])

    def takes(self, value: Any) -> bool:
        """Whether `value`, as YAML has it, is of this kind. Text is never made of numbers: `1.30` would be 1.3."""
        match self:
            case Kind.BOOLEAN:
                return isinstance(value, bool)
            case Kind.COUNTS:
                return isinstance(value, int | str) and not isinstance(value, bool)
            case Kind.INTEGER:
                return isinstance(value, int) and not isinstance(value, bool)
            case Kind.NUMBER:
                return isinstance(value, int | float) and not isinstance(value, bool)
            case Kind.LIMITS:
                return isinstance(value, int | float | str) and not isinstance(value, bool)
            case _:
                return isinstance(value, str)


class Key(msgspec.Struct, frozen=True):
    """A key of the file, and the option that it stands for."""

    name: str
    option: click.Option
    kind: Kind

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        option = self.option
        item: dict[str, Any] = {"type": self.kind.types}
        if isinstance(option.type, click.Choice):
            item["enum"] = list(option.type.choices)
        if isinstance(option.type, click.IntRange | click.FloatRange | LimitsType):
            limits = {"minimum": option.type.min, "maximum": option.type.max}
            item |= {name: limit for name, limit in limits.items() if limit is not None}
        said = {"anyOf": [item, {"type": "array", "items": item}]} if option.multiple else item
        return {"description": option.help, **said}


def keys(command: click.Command) -> dict[str, Key]:
    """The keys of `command` by name, in the order of its help."""
    found = {}
    for parameter in command.params:
        long = [flag for flag in parameter.opts if flag.startswith("--")]
        if isinstance(parameter, click.Option) and parameter.expose_value and long:
            name = long[0].removeprefix("--")
            found[name] = Key(name, parameter, _kind(name, parameter))
    return found


def _kind(name: str, option: click.Option) -> Kind:
    if option.is_flag:
        return Kind.BOOLEAN
    if name == SET_FILE:
        return Kind.KEY_AND_FILE
    types = (
        (click.Path | click.File, Kind.PATH),
        (click.types.IntParamType, Kind.INTEGER),
        (click.types.FloatParamType, Kind.NUMBER),
        (LimitsType, Kind.COUNTS if option.type is COUNTS else Kind.LIMITS),
    )
    return next((describe_type for kinds, describe_type in types if isinstance(option.type, kinds)), Kind.TEXT)


def defaults(known: Mapping[str, Key], configuration: Configuration) -> dict[str, Any]:
    """What `configuration` says, by the names of click's parameters, as `default_map` takes it.

    Raises ConfigurationError for unknown keys, values of another type, keys that only a named file may have, and
    paths that lead astray.
    """
    configuration.check_keys(configuration.values, (), [*known, CHARTS])
    return {
        key.option.name or name: _value(key, configuration)
        for name, key in known.items()
        if name in configuration.values
    }


def _value(key: Key, configuration: Configuration) -> Any:
    at: Path = (key.name,)
    if key.name in NAMED_ONLY and not configuration.named:
        raise configuration.error(at, f"{key.name}: only a file given with --config may have this key")
    said = configuration.values[key.name]
    if key.option.multiple:
        return tuple(_item(key, configuration, item, place) for item, place in list_entries(said, at))
    return _item(key, configuration, said, at)


def _item(key: Key, configuration: Configuration, said: Any, at: Path) -> Any:
    if not key.kind.takes(said):
        hint = ": put it in quotes" if key.kind is Kind.TEXT and isinstance(said, bool | int | float) else ""
        raise configuration.error(at, f"{key.name}: {key.kind.words} expected, found {describe_type(said)}{hint}")
    if isinstance(said, str) and "\0" in said:
        raise configuration.error(at, f"{key.name}: no program takes text with a NUL")
    if key.kind is Kind.PATH:
        return configuration.resolve_path(said, at)
    if key.kind is Kind.KEY_AND_FILE:
        return resolve_key_and_file(configuration, said, at)
    return said


def schema(known: Mapping[str, Key]) -> dict[str, Any]:
    """The JSON Schema (draft 7, which editors know) of a configuration file."""
    text = {"type": "string"}
    chart = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            VALUES: {"description": "Values files.", "anyOf": [text, {"type": "array", "items": text}]},
            SET: {"description": "Values by Helm's keys, such as image.tag.", "type": "object"},
            SET_FILE: {
                "description": "Files whose text is the value.",
                "type": "object",
                "additionalProperties": text,
            },
        },
    }
    charts = {"description": _CHARTS_HELP, "type": "object", "additionalProperties": chart}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of Kubekeep",
        "type": "object",
        "additionalProperties": False,
        "properties": {**{name: key.schema for name, key in known.items()}, CHARTS: charts},
    }
