"""What Helm rendered for one template, with the place of each character and the values it took over.

Never knows YAML: it is asked about stretches of text.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import msgspec

from kubekeep.model.location import Path, Region, Setting
from kubekeep.sources.helm.trace.evaluate import Evaluator, Frame
from kubekeep.sources.helm.trace.expression import Pipe
from kubekeep.sources.helm.trace.layers import Layers, Ref
from kubekeep.sources.helm.trace.marks import MarkedText, Printed
from kubekeep.sources.helm.trace.missing import Block, Missing
from kubekeep.sources.helm.trace.replay import Replay
from kubekeep.sources.helm.trace.skipped import Skipping
from kubekeep.sources.helm.trace.symbols import Budget, Symbol, Symbols, TooMuch
from kubekeep.sources.helm.trace.template import Action, Branch, Call, Node, Range
from kubekeep.sources.helm.trace.units import Unit, Units
from kubekeep.sources.helm.trace.unwritten import Found

_STEPS: Final = 3_000_000
"""What expressions of one chart may take, and again those of branches that were not taken: some seconds."""


class Spot(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a template's source: the number of the file, and the indexes of its first and after its last."""

    unit: int
    start: int
    end: int


class Release:
    """What all templates of a rendered chart share."""

    def __init__(
        self, units: Units, layers: Layers, places: list[tuple[int, int]], doubtful: dict[int, int | None]
    ) -> None:
        self.units = units
        self.layers = layers
        self.places = places
        self.doubtful = doubtful
        self.budget = Budget(_STEPS)
        # What is missing has its own, so that no answer about what is there depends on what was asked before.
        self.asked = Budget(_STEPS)
        self._actions: dict[int, dict[int, int]] = {}

    def action_end(self, unit: int, at: int) -> int:
        """Where the action that begins at an index of a file ends."""
        ends = self._actions.get(unit)
        if ends is None:
            ends = self._actions[unit] = {}
            of = self.units.all[unit]
            for body in (of.body, *(of.tree.defines.values() if of.tree else ())):
                _ends(body, ends)
        return ends.get(at, at)


def _ends(body: tuple[Node, ...], ends: dict[int, int]) -> None:
    for node in body:
        match node:
            case Action() | Call():
                ends[node.at] = node.end
            case Branch():
                for case in node.cases:
                    _ends(case.body, ends)
            case Range():
                _ends(node.body, ends)
                _ends(node.otherwise or (), ends)


class Rendered:
    """The output of one template, from the marks of its twin."""

    def __init__(self, release: Release, unit: int, text: MarkedText) -> None:
        self._release = release
        self._unit = unit
        self._text = text
        self._symbols: dict[int, Symbol | None] = {}

    def region(self, start: int, end: int) -> tuple[Unit, Region] | None:
        """The template and the region of it that printed a stretch of the output; None if nobody can tell."""
        first = self._spot(start)
        if first is None:
            return None
        last = self._spot(max(end - 1, start))
        stop = last.end if last and last.unit == first.unit and last.end > first.start else first.end
        unit = self._release.units.all[first.unit]
        return unit, unit.region(first.start, stop)

    def _spot(self, offset: int) -> Spot | None:
        """What printed a character. A file that may not be the one gives way to the action that called for it."""
        printed = self._text.at(offset)
        spot = self._own(printed)
        event = printed.event
        doubtful = self._release.doubtful
        while spot is not None and spot.unit in doubtful:
            instead = doubtful[spot.unit]
            if instead is not None:
                return Spot(instead, spot.start, spot.end)
            spot = self._action(event) if event >= 0 else None
            event = self._text.outer(event)
        return spot

    def _own(self, printed: Printed) -> Spot | None:
        if printed.within < 0:
            return self._action(printed.event) if printed.event >= 0 else None
        unit, at = self._release.places[printed.number]
        return Spot(unit, at + printed.within, at + printed.within + 1)

    def _action(self, event: int) -> Spot:
        """An action; if it stands in a named template that prints nothing else, the call of that.

        Whoever reads `sidecars: {{ include "render" .Values.sidecars }}` looks there, not into what renders all values.
        """
        event = self._text.caller(event)
        unit, at = self._release.places[self._text.events.numbers[event]]
        return Spot(unit, at, self._release.action_end(unit, at))

    def actions(self, start: int, end: int) -> list[int]:
        """The innermost actions that printed a stretch, by the index of their mark."""
        return self._text.actions(start, end)

    def beside(self, action: int, offset: int) -> bool:
        """Whether an action stands on the line of the template that printed a character."""
        own, other = self._action(action), self._spot(offset)
        if other is None or own.unit != other.unit:
            return False
        unit = self._release.units.all[own.unit]
        return unit.line(own.start) == unit.line(other.start)

    def action_at(self, offset: int) -> int:
        """The innermost action that printed a character; -1 for literal text."""
        printed = self._text.at(offset)
        return printed.event if printed.within < 0 else -1

    def printed(self, action: int, path: Path) -> Symbol | None:
        """What stands at a path of what an action printed; None if nothing is known of it."""
        try:
            symbol = self._symbol(action)
            return None if symbol is None else self._evaluator.symbols.descend(symbol, path)
        except (TooMuch, RecursionError):
            return None

    def _symbol(self, action: int) -> Symbol | None:
        if action not in self._symbols:
            seen = self._seen.get(action)
            self._symbols[action] = None
            if seen is not None:
                self._symbols[action] = self._evaluator.pipe(*seen)
        return self._symbols[action]

    def settings(self, symbol: Symbol, *, whole: bool = False) -> list[tuple[Ref, Setting]]:
        """The values that a symbol takes over and that somebody sets, the most telling first.

        `whole` leaves out those that are only in a part of it.
        """
        found = []
        for ref in self._evaluator.symbols.refs(symbol, whole=whole):
            setting = self._release.layers.setting(ref)
            if setting is not None:
                found.append((ref, setting))
        return found

    def value(self, ref: Ref) -> object:
        """What is set."""
        return self._release.layers.value(ref)

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self._release.units, Symbols(self._release.layers, self._release.budget))

    @cached_property
    def _seen(self) -> dict[int, tuple[Pipe, Frame]]:
        replay = Replay(self._evaluator, self._text.events, self._release.places)
        replay.run(self._unit)
        return replay.seen

    def missing(self, block: Block, steps: Path) -> tuple[Unit, Region, Setting | None] | None:
        """The branch that was not taken and would have written a path into a mapping: its line of that.

        With the value that the line would take over, if somebody sets that. None if there is not one line, but none or
        several.
        """
        try:
            found = self._missing.writing(block, steps)
        except (TooMuch, RecursionError):
            return None
        if len({(one.unit, one.start) for one in found}) != 1 or found[0].unit in self._release.doubtful:
            return None
        settings = {self._would_take(one) for one in found}
        unit = self._release.units.all[found[0].unit]
        return unit, unit.region(found[0].start, found[0].end), settings.pop() if len(settings) == 1 else None

    def _would_take(self, found: Found) -> Setting | None:
        """The value nearest to a path that is set."""
        if found.symbol is None:
            return None
        for length in range(len(found.below), -1, -1):
            symbol = self._evaluator.symbols.descend(found.symbol, found.below[:length])
            settings = self.settings(symbol, whole=bool(found.below)) if symbol is not None else []
            if settings:
                return settings[0][1] if len({setting for _, setting in settings}) == 1 else None
        return None

    @cached_property
    def _missing(self) -> Missing:
        evaluator = Evaluator(self._release.units, Symbols(self._release.layers, self._release.asked))
        run = Skipping(evaluator, self._text.events, self._release.places)
        run.run(self._unit)
        return Missing(self._text, run.skipped, evaluator)
