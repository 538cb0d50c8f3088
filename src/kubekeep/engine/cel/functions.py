"""Functions with their signatures: declared once, for the checker and for the call. Never defines one itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from kubekeep.engine.cel.types import UNKNOWN, Type, read
from kubekeep.engine.cel.values import CelType, Duration, Opaque, Optional, Partial, Timestamp, Uint

Implementation: TypeAlias = Callable[..., Any]

_CLASSES: Final[dict[str, tuple[type, ...]]] = {
    "bool": (bool,),
    "int": (int,),
    "uint": (Uint,),
    "double": (float,),
    "string": (str,),
    "bytes": (bytes,),
    "null_type": (type(None),),
    "list": (list,),
    "map": (dict, Partial),
    "google.protobuf.Timestamp": (Timestamp,),
    "google.protobuf.Duration": (Duration,),
    "optional_type": (Optional,),
    "type": (CelType,),
}


class Overload(msgspec.Struct, frozen=True, eq=False):
    """One signature of a function and what computes it."""

    parameters: tuple[Type, ...]
    result: Type
    member: bool
    call: Implementation

    def takes(self, classes: tuple[type, ...]) -> bool:
        """Whether it is defined for values of these classes."""
        return len(classes) == len(self.parameters) and all(map(_is_of, classes, self.parameters))


def _is_of(kind: type, wanted: Type) -> bool:
    name = wanted[0]
    if name in ("dyn", UNKNOWN):
        return True
    known = _CLASSES.get(name)
    if known is not None:
        return kind in known
    return issubclass(kind, Opaque) and kind.type_name == name


class Functions:
    """Overloads by the name of their function."""

    def __init__(self, libraries: Iterable[Functions] = ()) -> None:
        self._overloads: dict[str, tuple[Overload, ...]] = {}
        for library in libraries:
            for name, found in library._overloads.items():  # noqa: SLF001 - the same class
                self._overloads[name] = (*self._overloads.get(name, ()), *found)

    def __contains__(self, name: str) -> bool:
        return name in self._overloads

    def named(self, name: str) -> tuple[Overload, ...]:
        """The overloads of a function; none if there is no such function."""
        return self._overloads.get(name, ())

    def function(self, name: str, *signatures: str, member: bool = False) -> Callable[[Implementation], Implementation]:
        """Declare what is decorated as `name` with signatures such as `string, int -> string`."""

        def declare(call: Implementation) -> Implementation:
            for signature in signatures:
                arguments, _, result = signature.partition("->")
                parameters = read(f"x({arguments})")[1:] if arguments.strip() else ()
                overload = Overload(parameters, read(result.strip()), member, call)
                self._overloads[name] = (*self._overloads.get(name, ()), overload)
            return call

        return declare

    def member(self, name: str, *signatures: str) -> Callable[[Implementation], Implementation]:
        """The same for a method; the first parameter is its target."""
        return self.function(name, *signatures, member=True)

    def declare(self, calls: Mapping[str, Implementation], *signatures: str, member: bool = False) -> None:
        """Declare several functions that have the same signatures."""
        for name, call in calls.items():
            self.function(name, *signatures, member=member)(call)
