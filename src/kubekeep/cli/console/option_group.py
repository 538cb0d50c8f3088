"""Options that are stated once: a struct with a field for each option makes the options of click, and holds their values.

A field is annotated with an `Option`. `DeclaredOption` carries what help texts, the configuration file and commands read
of it. Starts no use case.

    class ClusterOptions(OptionGroup, frozen=True):
        section = HelpSection.CLUSTER
        context: Annotated[str, Option("--context", "Use this context of the kubeconfig.", key=Key.EXPLICIT)] = ""
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, ClassVar, Final, get_args, get_origin

import click
import msgspec

Command = Callable[..., None]
Decorator = Callable[[Command], Command]

DEFAULT_RANK: Final = 10


class HelpSection(enum.StrEnum):
    """Sections of help texts, in their order."""

    REPORT = "Report"
    RULES = "Rules"
    LIMITS = "Limits"
    RESOURCES = "Resources and files"
    EXCEPTIONS = "Exceptions"
    CHARTS = "Charts and overlays"
    IMAGES = "Images"
    VULNERABILITIES = "Vulnerabilities"
    REGISTRIES = "Registries"
    CLUSTER = "Cluster"
    SERVER = "Server"
    OTHER = "Other options"


PRESENTATION: Final = frozenset((HelpSection.REPORT, HelpSection.LIMITS, HelpSection.SERVER))
"""Sections of options that change neither the input nor the rules of a scan."""


class Key(enum.Enum):
    """Configuration files that may contain the key of an option."""

    NONE = enum.auto()
    EXPLICIT = enum.auto()
    """Files that users name: the option writes files, loads code, uses credentials or disables gates."""
    DISCOVERED = enum.auto()
    """Every file, also that of a scanned tree, which can be hostile."""


class Use(enum.Flag):
    """Kinds of scans that an option applies to."""

    SCAN = enum.auto()
    """Files, or a cluster once."""
    WATCH = enum.auto()
    IMAGES = enum.auto()
    """Images, registries and SBOMs."""


class Option(msgspec.Struct, frozen=True):
    """The statement of one option, beside the field for its value.

    The type and the default of the field give whether it is a flag, whether it is repeatable, and its default.
    """

    flags: str
    """Flags, separated by spaces."""
    help: str
    key: Key = Key.NONE
    type: Any = None
    """Type of click, if it is not that of the field."""
    metavar: str | None = None
    callback: Callable[..., Any] | None = None
    complete: Callable[..., Any] | None = None
    default: Any = None
    """Default before `callback`, if it is not that of the field."""
    show_default: bool | str | None = None
    repeatable: bool = False
    """Collect several values; implied for a field with a tuple."""
    aliases: tuple[str, ...] = ()
    """Former names, which help texts do not show."""
    section: HelpSection | None = None
    """HelpSection of the help text; that of the group by default."""
    rank: int | None = None
    """Position in the section; options with the same rank keep the order of the command."""
    is_common: bool = False
    """True for an option in the short help of commands with many options."""
    uses: Use | None = None
    """Scans that the option applies to; those of the group by default."""
    api: tuple[str, ...] = ()
    """Functions of the Python API that have the option as an argument."""
    api_name: str = ""
    """Name of that argument; that of the field by default."""


class OptionGroup(msgspec.Struct, frozen=True):
    """Base class of groups of options. A field with its `Option` states everything about an option."""

    section: ClassVar[HelpSection] = HelpSection.OTHER
    rank: ClassVar[int] = DEFAULT_RANK
    uses: ClassVar[Use] = Use.SCAN | Use.WATCH | Use.IMAGES


class AliasedOption(click.Option):
    """An option that also accepts former names, which help texts do not show."""

    def __init__(self, *declarations: Any, aliases: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.aliases = tuple(aliases)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Add the option with all names to the parser."""
        shown = self.opts
        self.opts = [*shown, *self.aliases]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = shown


class DeclaredOption(AliasedOption):
    """A click option from a group."""

    def __init__(
        self,
        *declarations: Any,
        section: HelpSection = HelpSection.OTHER,
        rank: int = DEFAULT_RANK,
        key: Key = Key.NONE,
        uses: Use = OptionGroup.uses,
        is_common: bool = False,
        **attributes: Any,
    ) -> None:
        super().__init__(*declarations, **attributes)
        self.is_common = is_common
        self.section = section
        self.rank = rank
        self.key = key
        self.uses = uses


def get_section(option: click.Option) -> HelpSection:
    """Return the section that the group of an option states."""
    return HelpSection(getattr(option, "section", HelpSection.OTHER))


def list_options(group: type[OptionGroup]) -> Iterator[tuple[str, Any, Option]]:
    """Yield the name, the type and the statement of each option. Raises TypeError for a field without one."""
    for name in group.__struct_fields__:
        annotation = group.__annotations__[name]
        option = next((each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Option)), None)
        if option is None:
            raise TypeError(f"{group.__name__}.{name} states no option")
        yield name, annotation.__origin__, option


def list_names(*groups: type[OptionGroup]) -> tuple[str, ...]:
    """Return the names of click's parameters for the options of groups."""
    return tuple(name for group in groups for name in group.__struct_fields__)


def create_option(group: type[OptionGroup], name: str) -> Decorator:
    """Return click's decorator for one option of a group."""
    return next(_create(group, *entry) for entry in list_options(group) if entry[0] == name)


def add_groups(create: Callable[..., Mapping[str, Any]], *groups: type[OptionGroup]) -> Decorator:
    """Return a decorator that adds the options of groups to a command.

    create: returns the arguments of the command for the groups with the values of the options.
    """
    options = [_create(group, *entry) for group in groups for entry in list_options(group)]

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def wrapper(**values: Any) -> None:
            filled = [group(**{name: values.pop(name) for name in group.__struct_fields__}) for group in groups]
            function(**create(*filled), **values)

        command: Command = wrapper
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _create(group: type[OptionGroup], name: str, value_type: Any, option: Option) -> Decorator:
    attributes: dict[str, Any] = {"metavar": option.metavar, "show_default": option.show_default}
    default = find_default(group, name)
    if get_origin(value_type) is tuple or option.repeatable:
        attributes["multiple"] = True
    elif value_type is bool:
        attributes["is_flag"] = True
    elif isinstance(value_type, UnionType) and bool in get_args(value_type):
        # Neither of the two flags is the default.
        attributes["default"] = None
    if option.default is not None:
        attributes["default"] = option.default
    elif default is not None and default is not False and default != ():
        attributes["default"] = default
    if option.type is not None:
        attributes["type"] = option.type
    decorator: Decorator = click.option(
        *option.flags.split(),
        name,
        cls=DeclaredOption,
        help=option.help,
        callback=option.callback,
        shell_complete=option.complete,
        aliases=option.aliases,
        section=group.section if option.section is None else option.section,
        rank=group.rank if option.rank is None else option.rank,
        uses=group.uses if option.uses is None else option.uses,
        key=option.key,
        is_common=option.is_common,
        **attributes,
    )
    return decorator


def find_default(group: type[OptionGroup], name: str) -> Any:
    """Return the default of a field; None for a field without one."""
    defaults = dict(zip(reversed(group.__struct_fields__), reversed(group.__struct_defaults__), strict=False))
    value = defaults.get(name)
    return None if value is msgspec.NODEFAULT else value
