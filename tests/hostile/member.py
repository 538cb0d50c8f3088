"""One hostile input with its expected result, and the table of all classes."""

from __future__ import annotations

import enum
import functools
import importlib
import pkgutil
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

MINIMUM_CLASSES: Final = 100
MINIMUM_MEMBERS: Final = 20
_MOST_MEMBERS: Final = 24
"""Members of a class in one run; the sample is the same in every run."""


class Expected(enum.Enum):
    """Permitted outcome of a run with a member."""

    READ = "the input is valid: read completely"
    REPORTED = "the input is not valid: unread input or a message, and an exit code other than 0"
    REFUSED = "refused before a scan: exit code 2 or 3 with a message, and no report"
    EITHER = "valid or not: a documented exit code"


class Link(msgspec.Struct, frozen=True):
    """A symbolic link to a target."""

    target: str


class Special(enum.Enum):
    """Entries of a folder that are neither files nor links."""

    FIFO = "named pipe"
    FOLDER = "empty folder"
    SOCKET = "socket"


Content = str | bytes | Link | Special
REPORT: Final = ("--format", "json,{format}", "--output", "report")
"""Options for two reports; `{format}` is another format for each member."""
SCAN: Final = ("scan", "control", "C-0057,C-0016", "in", *REPORT)
"""A fast scan of the folder `in`, for classes that attack readers."""
SCAN_ALL: Final = ("scan", "in", *REPORT)
"""A scan with the recommended controls, for classes that attack rules and reports."""


class Run(msgspec.Struct, frozen=True):
    """The observed result of one member. report: the JSON report, {} if there is none. files: written files by path."""

    code: int | None
    output: str
    errors: str
    files: Mapping[str, bytes]
    report: dict[str, Any] = {}

    @property
    def unread(self) -> list[dict[str, Any]]:
        """The parts of the input that were not read."""
        entries: list[dict[str, Any]] = self.report.get("kubekeep", {}).get("unread", [])
        return entries


class Member(msgspec.Struct, frozen=True):
    """An input.

    files: entries of the working folder by path. outputs: names of files and folders that the command may write or
    change, in addition to reports. stdin: content of standard input. environment: variables; `{work}` is the working
    folder. interrupt_after: seconds from the first connection to an interrupt as by Ctrl-C; 0 for none. check: an
    additional promise; it raises AssertionError.
    """

    name: str
    files: Mapping[str, Content]
    expected: Expected
    arguments: tuple[str, ...] = SCAN
    outputs: tuple[str, ...] = ()
    stdin: bytes = b""
    environment: Mapping[str, str] = {}
    interrupt_after: float = 0
    check: Callable[[Run], None] | None = None


Generator = Callable[[random.Random], Iterator[Member | Callable[[], Member]]]
"""Yields the members of a class. A member that takes long to build is a function, called if it is in the sample."""


class HostileClass(msgspec.Struct, frozen=True):
    """A class of members."""

    name: str
    area: str
    generate: Generator

    def list_members(self) -> list[Member]:
        """Return a sample of the members, the same in every run."""
        members = list(self.generate(random.Random(self.name)))
        sample = random.Random(self.name).sample(members, min(len(members), _MOST_MEMBERS))
        return [member if isinstance(member, Member) else member() for member in sample]

    def __str__(self) -> str:
        return f"{self.area}-{self.name}".replace(" ", "-")


_CLASSES: dict[str, HostileClass] = {}


def hostile_class(name: str) -> Callable[[Generator], Generator]:
    """Register a generator of members as the class `name`."""

    def register(generate: Generator) -> Generator:
        assert name not in _CLASSES
        _CLASSES[name] = HostileClass(name, generate.__module__.rpartition(".")[2], generate)
        return generate

    return register


@functools.cache
def list_classes() -> tuple[HostileClass, ...]:
    """Return the classes of all modules in `classes`."""
    folder = Path(__file__).with_name("classes")
    for module in pkgutil.iter_modules([str(folder)]):
        importlib.import_module(f"tests.hostile.classes.{module.name}")
    return tuple(_CLASSES.values())
