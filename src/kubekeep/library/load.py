"""Read the library: each control from its folder, each framework from its file, shared Rego from `lib/`.

Finds everything by walking, so that adding a control touches one folder; never evaluates a rule.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

from kubekeep.model.control import Control
from kubekeep.model.framework import Framework

T = TypeVar("T")
ROOT: Final = Path(__file__).parent
_IMPORT: Final = re.compile(r"^import data\.kubekeep\.lib\.(\w+)", re.MULTILINE)
_RULE: Final = re.compile(r"^(?:default )?(applies|declined|violation)\b", re.MULTILINE)


class LibraryError(ValueError):
    """A file of the library is not what its schema says; the message names the file."""


class Rule(msgspec.Struct, frozen=True):
    """A control's Rego: its file, its text, and what the text tells about it."""

    path: str
    source: str
    libraries: frozenset[str]
    """Names of the shared modules it needs, theirs included."""
    outcomes: frozenset[str]
    """Which of `violation`, `applies` and `declined` it defines."""
    reads_object: bool
    """Whether it looks at more than the workload view, so that equal workloads may get different verdicts."""


@functools.cache
def controls() -> Mapping[str, Control]:
    """Every control by slug, in the order of area and slug. Raises LibraryError."""
    found = {}
    for file in sorted(ROOT.glob("controls/*/*/control.yaml")):
        control = msgspec.structs.replace(_read(file, Control), slug=file.parent.name, area=file.parent.parent.name)
        if control.slug in found:
            raise LibraryError(f"{file}: another area has a control {control.slug}")
        found[control.slug] = control
    return found


@functools.cache
def frameworks() -> Mapping[str, Framework]:
    """Every framework by slug, in alphabetical order. Raises LibraryError."""
    return {
        file.stem: msgspec.structs.replace(_read(file, Framework), slug=file.stem)
        for file in sorted(ROOT.glob("frameworks/*.yaml"))
    }


def members(framework: Framework) -> tuple[Control, ...]:
    """The controls that serve `framework`, in the library's order."""
    return tuple(
        control for control in controls().values() if framework.all_controls or framework.slug in control.satisfies
    )


@functools.cache
def rule(control: Control) -> Rule:
    """The Rego that decides `control`: its own, or the one it shares. Manual controls have none."""
    owner = controls()[control.judged_by]
    path = f"controls/{owner.area}/{owner.slug}/control.rego"
    source = (ROOT / path).read_text(encoding="utf-8")
    libraries = _closure(_IMPORT.findall(source))
    texts = [source, *(_shared()[name] for name in libraries)]
    return Rule(
        path=path,
        source=source,
        libraries=libraries,
        outcomes=frozenset(_RULE.findall(source)),
        reads_object=any("input.object" in text for text in texts),
    )


def modules(chosen: Iterable[Control]) -> dict[str, str]:
    """The Rego modules, by path, that `chosen` need: their own and the shared ones."""
    rules = [rule(control) for control in chosen]
    names = frozenset[str]().union(*(item.libraries for item in rules))
    return {item.path: item.source for item in rules} | {f"lib/{name}.rego": _shared()[name] for name in sorted(names)}


@functools.cache
def _shared() -> dict[str, str]:
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(ROOT.glob("lib/*.rego"))}


def _closure(names: Iterable[str]) -> frozenset[str]:
    known: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in known:
            known.add(name)
            todo += _IMPORT.findall(_shared()[name])
    return frozenset(known)


def _read(file: Path, kind: type[T]) -> T:
    try:
        document: Any = yaml.load(file.read_bytes(), yaml.CSafeLoader)
        return msgspec.convert(document, kind)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise LibraryError(f"{file}: {error}") from error
