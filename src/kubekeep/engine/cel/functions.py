"""Registry of functions with their signatures, for the checker and for dispatch. Defines no function itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from kubekeep.engine.cel.types import PARAMETER, CelType, parse_type
from kubekeep.engine.cel.values import Duration, OpaqueValue, OptionalValue, PartialMap, Timestamp, TypeValue, Uint

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
    "map": (dict, PartialMap),
    "google.protobuf.Timestamp": (Timestamp,),
    "google.protobuf.Duration": (Duration,),
    "optional_type": (OptionalValue,),
    "type": (TypeValue,),
}


class Overload(msgspec.Struct, frozen=True, eq=False):
    """One signature of a function and its implementation."""

    parameters: tuple[CelType, ...]
    result: CelType
    is_method: bool
    call: Implementation

    def accepts(self, classes: tuple[type, ...]) -> bool:
        """Return True if the parameters accept values of these Python classes."""
        return len(classes) == len(self.parameters) and all(map(_accepts_class, classes, self.parameters))


def _accepts_class(kind: type, parameter: CelType) -> bool:
    name = parameter[0]
    if name in ("dyn", PARAMETER):
        return True
    classes = _CLASSES.get(name)
    if classes is not None:
        return kind in classes
    return issubclass(kind, OpaqueValue) and kind.type_name == name


class FunctionRegistry:
    """Overloads of functions by function name."""

    def __init__(self, libraries: Iterable[FunctionRegistry] = ()) -> None:
        self._overloads: dict[str, tuple[Overload, ...]] = {}
        for library in libraries:
            for name, overloads in library._overloads.items():  # noqa: SLF001 - the same class
                self._overloads[name] = (*self._overloads.get(name, ()), *overloads)

    def __contains__(self, name: str) -> bool:
        return name in self._overloads

    def list_overloads(self, name: str) -> tuple[Overload, ...]:
        """Return the overloads of a function, or () if there is no such function."""
        return self._overloads.get(name, ())

    def function(self, name: str, *signatures: str, member: bool = False) -> Callable[[Implementation], Implementation]:
        """Declare the decorated function as `name` with signatures such as `string, int -> string`."""

        def declare(call: Implementation) -> Implementation:
            for signature in signatures:
                arguments, _, result = signature.partition("->")
                parameters = parse_type(f"x({arguments})")[1:] if arguments.strip() else ()
                overload = Overload(parameters, parse_type(result.strip()), member, call)
                self._overloads[name] = (*self._overloads.get(name, ()), overload)
            return call

        return declare

    def member(self, name: str, *signatures: str) -> Callable[[Implementation], Implementation]:
        """Declare the decorated function as a method; its first parameter is the target."""
        return self.function(name, *signatures, member=True)

    def declare(self, calls: Mapping[str, Implementation], *signatures: str, member: bool = False) -> None:
        """Declare several functions that have the same signatures."""
        for name, call in calls.items():
            self.function(name, *signatures, member=member)(call)
