"""Keys of a configuration file: one for each option of a command whose group states it.

Checks types and paths; leaves conversions to click.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.console.limits import COUNTS, LimitsType
from kubekeep.cli.console.option_group import DeclaredOption, Key
from kubekeep.config.chart_values import CHARTS, SET, SET_FILE, VALUES, list_entries, resolve_key_and_file
from kubekeep.config.file import Configuration, describe_type
from kubekeep.model.location import Path

_CHARTS_HELP: Final = "Values of single charts, by the path of the folder or archive."


class KeyType(enum.Enum):
    """Types of values: the JSON Schema type or types, and a description."""

    BOOLEAN = ("boolean", "true or false")
    INTEGER = ("integer", "a whole number")
    NUMBER = ("number", "a number")
    TEXT = ("string", "text")
    PATH = ("string", "a path")
    KEY_AND_FILE = ("string", "text KEY=FILE")
    LIMITS = (("number", "string"), "a number, or text NAME=NUMBER,")
    COUNTS = (("integer", "string"), "a whole number, or text NAME=NUMBER,")

    @property
    def description(self) -> str:
        """Description for error messages."""
        return str(self.value[1])

    @property
    def types(self) -> str | list[str]:
        """Type or types in JSON Schema."""
        return self.value[0] if isinstance(self.value[0], str) else list(self.value[0])

    def accepts(self, value: Any) -> bool:
        """Return True if `value` from YAML has this type. Numbers are not converted to text: `1.30` would become 1.3."""
        match self:
            case KeyType.BOOLEAN:
                return isinstance(value, bool)
            case KeyType.COUNTS:
                return isinstance(value, int | str) and not isinstance(value, bool)
            case KeyType.INTEGER:
                return isinstance(value, int) and not isinstance(value, bool)
            case KeyType.NUMBER:
                return isinstance(value, int | float) and not isinstance(value, bool)
            case KeyType.LIMITS:
                return isinstance(value, int | float | str) and not isinstance(value, bool)
            case _:
                return isinstance(value, str)


class ConfigurationKey(msgspec.Struct, frozen=True):
    """A key of the file and its option."""

    name: str
    option: DeclaredOption
    kind: KeyType

    @property
    def is_explicit_only(self) -> bool:
        """True if the key is rejected in a file that was discovered."""
        return self.option.key is Key.EXPLICIT

    @property
    def aliases(self) -> list[str]:
        """Former names, which a file may still have and the schema does not list."""
        return [flag.removeprefix("--") for flag in self.option.aliases]

    def find_name(self, configuration: Configuration) -> str:
        """Return the name of the key in `configuration`: an alias if the file has one, else the name."""
        return next((name for name in self.aliases if name in configuration.values), self.name)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the key."""
        option = self.option
        type_schema: dict[str, Any] = {"type": self.kind.types}
        if isinstance(option.type, click.Choice):
            type_schema["enum"] = list(option.type.choices)
        if isinstance(option.type, click.IntRange | click.FloatRange | LimitsType):
            limits = {"minimum": option.type.min, "maximum": option.type.max}
            type_schema |= {name: limit for name, limit in limits.items() if limit is not None}
        value_schema = (
            {"anyOf": [type_schema, {"type": "array", "items": type_schema}]} if option.multiple else type_schema
        )
        return {"description": option.help, **value_schema}


def list_keys(command: click.Command) -> dict[str, ConfigurationKey]:
    """Return the keys of `command` by name, in the order of its help."""
    keys = {}
    for parameter in command.params:
        long_flags = [flag for flag in parameter.opts if flag.startswith("--")]
        if isinstance(parameter, DeclaredOption) and parameter.key is not Key.NONE:
            name = long_flags[0].removeprefix("--")
            keys[name] = ConfigurationKey(name, parameter, _key_type(name, parameter))
    return keys


def _key_type(name: str, option: click.Option) -> KeyType:
    if option.is_flag:
        return KeyType.BOOLEAN
    if name == SET_FILE:
        return KeyType.KEY_AND_FILE
    types = (
        (click.Path | click.File, KeyType.PATH),
        (click.types.IntParamType, KeyType.INTEGER),
        (click.types.FloatParamType, KeyType.NUMBER),
        (LimitsType, KeyType.COUNTS if option.type is COUNTS else KeyType.LIMITS),
    )
    return next((kind for kinds, kind in types if isinstance(option.type, kinds)), KeyType.TEXT)


def read_defaults(keys: Mapping[str, ConfigurationKey], configuration: Configuration) -> dict[str, Any]:
    """Return the values of `configuration` by click parameter, as a `default_map`.

    Raises ConfigurationError for unknown keys, values of another type, keys that only an explicitly named file may have,
    and paths outside the permitted folders.
    """
    aliases = {alias for key in keys.values() for alias in key.aliases}
    shown_values = {name: value for name, value in configuration.values.items() if name not in aliases}
    configuration.check_keys(shown_values, (), [*keys, CHARTS])
    return {
        key.option.name or name: _value(key, configuration)
        for name, key in keys.items()
        if key.find_name(configuration) in configuration.values
    }


def _value(key: ConfigurationKey, configuration: Configuration) -> Any:
    name = key.find_name(configuration)
    path: Path = (name,)
    if name != key.name and key.name in configuration.values:
        raise configuration.create_error(path, f"{name} is another name of {key.name}: keep one")
    if key.is_explicit_only and not configuration.is_explicit:
        raise configuration.create_error(path, f"{key.name}: this key is allowed only in a file named with --config")
    value = configuration.values[name]
    if key.option.multiple:
        return tuple(_check_value(key, configuration, entry, location) for entry, location in list_entries(value, path))
    return _check_value(key, configuration, value, path)


def _check_value(key: ConfigurationKey, configuration: Configuration, value: Any, path: Path) -> Any:
    if not key.kind.accepts(value):
        hint = ": quote the value" if key.kind is KeyType.TEXT and isinstance(value, bool | int | float) else ""
        raise configuration.create_error(
            path, f"{key.name}: {key.kind.description} expected, found {describe_type(value)}{hint}"
        )
    if isinstance(value, str) and "\0" in value:
        raise configuration.create_error(path, f"{key.name}: the text contains a NUL character")
    if key.kind is KeyType.PATH:
        return configuration.resolve_path(value, path)
    if key.kind is KeyType.KEY_AND_FILE:
        return resolve_key_and_file(configuration, value, path)
    return value


def create_schema(keys: Mapping[str, ConfigurationKey]) -> dict[str, Any]:
    """Return the JSON Schema (draft 7, which editors support) of a configuration file."""
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
        "properties": {**{name: key.schema for name, key in keys.items()}, CHARTS: charts},
    }
