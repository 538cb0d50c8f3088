"""Symbols for the results of template expressions: the values that a result was taken from, and their parts. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path
from kubekeep.sources.helm.trace.values_layers import AbsentValue, ValueRef, ValuesLayers


class HelmUnknown:
    """A value known only to Helm."""


UNKNOWN: Final = HelmUnknown()


class ChartDot(msgspec.Struct, frozen=True):
    """The initial dot of a (sub-)chart's templates: `.Values`, `.Release`, ..."""

    scope: tuple[str, ...]


class SubchartDots(msgspec.Struct, frozen=True):
    """`.Subcharts`: the dots of sub-charts by name."""

    scope: tuple[str, ...]


class Constant(msgspec.Struct, frozen=True):
    """A constant of the template."""

    value: Any


class MappingSymbol(msgspec.Struct):
    """A mapping created by the template, which may add to it."""

    entries: dict[str, Symbol]


class ListSymbol(msgspec.Struct, frozen=True):
    """A list created by the template."""

    items: tuple[Symbol, ...]


class Alternatives(msgspec.Struct, frozen=True):
    """The first of these symbols that has a value; for merged mappings, decided entry by entry."""

    options: tuple[Symbol, ...]


class ParsedOutput(msgspec.Struct, frozen=True):
    """The result of parsing a text into which these symbols were printed.

    An entry belongs to one of them, or is computed from one.
    """

    parts: tuple[Symbol, ...]


class Computed(msgspec.Struct, frozen=True):
    """A value computed from these symbols, most relevant first; its parts cannot be told apart."""

    parts: tuple[Symbol, ...] = ()
    value: Any = UNKNOWN


Symbol = (
    ValueRef | ChartDot | SubchartDots | Constant | MappingSymbol | ListSymbol | Alternatives | ParsedOutput | Computed
)
NOTHING: Final = Computed()
_MAX_REFS: Final = 64
_MAX_PATH: Final = 500
"""Maximum length of paths into values; values files are not read beyond it."""


class StepLimitError(Exception):
    """Evaluation of templates that takes too many steps."""


class StepBudget:
    """Remaining number of steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self, cost: int = 1) -> None:
        """Use steps. Raises StepLimitError when none are left."""
        self._left -= cost
        if self._left < 0:
            raise StepLimitError


class Symbols:
    """Operations on the symbols of one release. `overrides` has the entries that templates set in values."""

    def __init__(self, layers: ValuesLayers, budget: StepBudget) -> None:
        self.layers = layers
        self.budget = budget
        self.overrides: dict[tuple[tuple[str, ...], Path], Symbol] = {}

    def get_child(self, symbol: Symbol, step: str | int) -> Symbol | None:  # noqa: PLR0911 - one for each kind
        """Return the child of a symbol; None if it surely does not exist."""
        self.budget.step()
        match symbol:
            case ValueRef():
                return self._ref_child(symbol, step)
            case ChartDot():
                return self._chart_child(symbol, step)
            case SubchartDots():
                return ChartDot((*symbol.scope, str(step)))
            case Constant():
                constant = _constant_child(symbol.value, step)
                return None if constant is None else Constant(constant)
            case MappingSymbol():
                return symbol.entries.get(str(step))
            case ListSymbol():
                element: Symbol | None = _constant_child(symbol.items, step)
                return element
            case Alternatives():
                return create_alternatives(
                    [child for option in symbol.options if (child := self.get_child(option, step)) is not None]
                )
            case ParsedOutput():
                return self._parsed_child(symbol, step)
        return symbol

    def descend(self, symbol: Symbol, path: Path) -> Symbol | None:
        """Return the symbol at a path; None if it surely does not exist."""
        current: Symbol | None = symbol
        for step in path:
            if current is None:
                return None
            current = self.get_child(current, step)
        return current

    def get_value(self, symbol: Symbol) -> Any:  # noqa: PLR0911 - one for each kind
        """Return the value of a symbol: None if it is unset, UNKNOWN if only Helm knows it."""
        self.budget.step()
        match symbol:
            case ValueRef():
                value = self.layers.get_value(symbol)
                return None if isinstance(value, AbsentValue) else value
            case Constant() | Computed():
                return symbol.value
            case MappingSymbol() if not symbol.entries:
                return {}
            case ListSymbol() if not symbol.items:
                return []
            case Alternatives():
                for option in symbol.options:
                    value = self.get_value(option)
                    if value is not None:
                        return value
                return None
        return UNKNOWN

    def get_truth(self, symbol: Symbol) -> bool | None:
        """Return the truth value of a symbol in Go; None if only Helm knows it."""
        match symbol:
            case MappingSymbol():
                return bool(symbol.entries)
            case ListSymbol():
                return bool(symbol.items)
            case ChartDot():
                return True
        value = self.get_value(symbol)
        return None if value is UNKNOWN else bool(value)

    def list_refs(self, symbol: Symbol, *, whole: bool = False) -> Iterator[ValueRef]:
        """Yield the values that a symbol is made of, most relevant first, limited to a few dozen.

        whole: leave out values that only contribute entries.
        """
        pending: list[Symbol] = [symbol]
        for _ in range(_MAX_REFS):
            if not pending:
                return
            match pending.pop():
                case ValueRef() as ref:
                    yield ref
                case Alternatives(options=inner) | ParsedOutput(parts=inner) | Computed(parts=(_,) as inner):
                    pending.extend(reversed(inner))
                case Computed(parts=inner) | ListSymbol(items=inner) if not whole:
                    pending.extend(reversed(inner))
                case MappingSymbol(entries=entries) if not whole:
                    pending.extend(reversed(entries.values()))
                case _:
                    continue

    def _ref_child(self, ref: ValueRef, step: str | int) -> Symbol:
        if len(ref.path) >= _MAX_PATH:
            return NOTHING
        child = ref.get_child(step)
        return self.overrides.get((child.scope, child.path), child) if self.overrides else child

    def _parsed_child(self, parsed: ParsedOutput, step: str | int) -> Symbol | None:
        children: list[Symbol] = []
        scalars: list[Symbol] = []
        for part in parsed.parts:
            value = self.get_value(part)
            if isinstance(part, MappingSymbol) or isinstance(value, dict | list):
                child = self.get_child(part, step)
                if child is not None and self.get_value(child) is not None:
                    children.append(child)
            elif value is not None:
                scalars.append(part)
        return create_alternatives(children) or (Computed(tuple(scalars)) if scalars else None)

    def _chart_child(self, chart: ChartDot, step: str | int) -> Symbol:
        override = self.overrides.get((chart.scope, ("", step)))
        if override is not None:
            return override
        match step:
            case "Values":
                return ValueRef(chart.scope, ())
            case "Subcharts":
                return SubchartDots(chart.scope)
        return NOTHING

    def set_entry(self, symbol: Symbol, step: str, value: Symbol) -> None:
        """Set an entry of a mapping, as `set` does."""
        match symbol:
            case MappingSymbol():
                symbol.entries[step] = value
            case ValueRef():
                self.overrides[symbol.scope, (*symbol.path, step)] = value
            case ChartDot():
                self.overrides[symbol.scope, ("", step)] = value
            case Alternatives() if symbol.options:
                self.set_entry(symbol.options[0], step, value)


def _constant_child(value: Any, step: str | int) -> Any | None:
    try:
        return value[step]
    except (LookupError, TypeError):
        return None


def create_alternatives(options: list[Symbol]) -> Symbol | None:
    """Combine options into one symbol; None for none."""
    if len(options) < 2:
        return options[0] if options else None
    return Alternatives(tuple(options))
