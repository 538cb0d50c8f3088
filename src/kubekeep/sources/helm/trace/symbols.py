"""What an expression of a template stands for: which values it takes over, and which of their parts. Pure values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path
from kubekeep.sources.helm.trace.layers import Absent, Layers, Ref


class Unknown:
    """A value that only Helm knows."""


UNKNOWN: Final = Unknown()


class Chart(msgspec.Struct, frozen=True):
    """The dot that a template of a sub-chart begins with: `.Values`, `.Release`, ..."""

    scope: tuple[str, ...]


class Subcharts(msgspec.Struct, frozen=True):
    """`.Subcharts`: the dots of sub-charts by name."""

    scope: tuple[str, ...]


class Known(msgspec.Struct, frozen=True):
    """A constant of the template."""

    value: Any


class Table(msgspec.Struct):
    """A mapping that the template makes, and may add to."""

    entries: dict[str, Symbol]


class Row(msgspec.Struct, frozen=True):
    """A list that the template makes."""

    items: tuple[Symbol, ...]


class Several(msgspec.Struct, frozen=True):
    """One of these, the first that there is; for mappings put together, entry by entry."""

    options: tuple[Symbol, ...]


class Parsed(msgspec.Struct, frozen=True):
    """What was read from a text that these were printed into: an entry is that of one of them, or made from it."""

    parts: tuple[Symbol, ...]


class Made(msgspec.Struct, frozen=True):
    """Something computed from these, the most telling first; its parts cannot be told apart."""

    parts: tuple[Symbol, ...] = ()
    value: Any = UNKNOWN


Symbol = Ref | Chart | Subcharts | Known | Table | Row | Several | Parsed | Made
NOTHING: Final = Made()
_MOST: Final = 64
_DEEPEST: Final = 500
"""The longest path into values that is followed; files of values are not read beyond it."""


class TooMuch(Exception):  # noqa: N818 - a limit, not an error of the template
    """Templates that take more steps than anybody waits for."""


class Budget:
    """How many steps are left."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self, cost: int = 1) -> None:
        """Take some; raises TooMuch after the last."""
        self._left -= cost
        if self._left < 0:
            raise TooMuch


class Symbols:
    """Symbols of one release, whose values are `layers`. What templates set in them later is kept in `overrides`."""

    def __init__(self, layers: Layers, budget: Budget) -> None:
        self.layers = layers
        self.budget = budget
        self.overrides: dict[tuple[tuple[str, ...], Path], Symbol] = {}

    def child(self, symbol: Symbol, step: str | int) -> Symbol | None:  # noqa: PLR0911 - one for each kind
        """What is below a symbol; None if surely nothing."""
        self.budget.step()
        match symbol:
            case Ref():
                return self._of_ref(symbol, step)
            case Chart():
                return self._of_chart(symbol, step)
            case Subcharts():
                return Chart((*symbol.scope, str(step)))
            case Known():
                found = _constant(symbol.value, step)
                return None if found is None else Known(found)
            case Table():
                return symbol.entries.get(str(step))
            case Row():
                item: Symbol | None = _constant(symbol.items, step)
                return item
            case Several():
                return several([below for option in symbol.options if (below := self.child(option, step)) is not None])
            case Parsed():
                return self._of_parsed(symbol, step)
        return symbol

    def descend(self, symbol: Symbol, path: Path) -> Symbol | None:
        """What is at a path below a symbol; None if surely nothing."""
        found: Symbol | None = symbol
        for step in path:
            if found is None:
                return None
            found = self.child(found, step)
        return found

    def value(self, symbol: Symbol) -> Any:  # noqa: PLR0911 - one for each kind
        """What a symbol is: None for a value that nobody sets, UNKNOWN if only Helm knows."""
        self.budget.step()
        match symbol:
            case Ref():
                value = self.layers.value(symbol)
                return None if isinstance(value, Absent) else value
            case Known() | Made():
                return symbol.value
            case Table() if not symbol.entries:
                return {}
            case Row() if not symbol.items:
                return []
            case Several():
                for option in symbol.options:
                    value = self.value(option)
                    if value is not None:
                        return value
                return None
        return UNKNOWN

    def truth(self, symbol: Symbol) -> bool | None:
        """Whether Go holds a symbol for true; None if only Helm knows."""
        match symbol:
            case Table():
                return bool(symbol.entries)
            case Row():
                return bool(symbol.items)
            case Chart():
                return True
        value = self.value(symbol)
        return None if value is UNKNOWN else bool(value)

    def refs(self, symbol: Symbol, *, whole: bool = False) -> Iterator[Ref]:
        """The values that a symbol is made from, the most telling first, a few dozen at most.

        `whole` leaves out those that only make up some of its entries.
        """
        waiting: list[Symbol] = [symbol]
        for _ in range(_MOST):
            if not waiting:
                return
            match waiting.pop():
                case Ref() as ref:
                    yield ref
                case Several(options=inner) | Parsed(parts=inner) | Made(parts=(_,) as inner):
                    waiting.extend(reversed(inner))
                case Made(parts=inner) | Row(items=inner) if not whole:
                    waiting.extend(reversed(inner))
                case Table(entries=entries) if not whole:
                    waiting.extend(reversed(entries.values()))
                case _:
                    continue

    def _of_ref(self, ref: Ref, step: str | int) -> Symbol:
        if len(ref.path) >= _DEEPEST:
            return NOTHING
        below = ref.child(step)
        return self.overrides.get((below.scope, below.path), below) if self.overrides else below

    def _of_parsed(self, parsed: Parsed, step: str | int) -> Symbol | None:
        below: list[Symbol] = []
        scalars: list[Symbol] = []
        for part in parsed.parts:
            value = self.value(part)
            if isinstance(part, Table) or isinstance(value, dict | list):
                found = self.child(part, step)
                if found is not None and self.value(found) is not None:
                    below.append(found)
            elif value is not None:
                scalars.append(part)
        return several(below) or (Made(tuple(scalars)) if scalars else None)

    def _of_chart(self, chart: Chart, step: str | int) -> Symbol:
        override = self.overrides.get((chart.scope, ("", step)))
        if override is not None:
            return override
        match step:
            case "Values":
                return Ref(chart.scope, ())
            case "Subcharts":
                return Subcharts(chart.scope)
        return NOTHING

    def put(self, symbol: Symbol, step: str, value: Symbol) -> None:
        """Set an entry of a mapping, as `set` does."""
        match symbol:
            case Table():
                symbol.entries[step] = value
            case Ref():
                self.overrides[symbol.scope, (*symbol.path, step)] = value
            case Chart():
                self.overrides[symbol.scope, ("", step)] = value
            case Several() if symbol.options:
                self.put(symbol.options[0], step, value)


def _constant(value: Any, step: str | int) -> Any | None:
    try:
        return value[step]
    except (LookupError, TypeError):
        return None


def several(options: list[Symbol]) -> Symbol | None:
    """One symbol for some; None for none."""
    if len(options) < 2:
        return options[0] if options else None
    return Several(tuple(options))
