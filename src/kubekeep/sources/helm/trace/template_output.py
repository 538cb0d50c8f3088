"""Instrumented output of one template: the source position of each character, and the values that were printed.

Works on text and offsets; never parses YAML.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import msgspec

from kubekeep.model.location import Path, Region, Setting
from kubekeep.sources.helm.trace.evaluate import Frame, SymbolicEvaluator
from kubekeep.sources.helm.trace.expression import Pipeline
from kubekeep.sources.helm.trace.markers import CharacterOrigin, MarkedText
from kubekeep.sources.helm.trace.replay import Replay, UntakenBranchReplay
from kubekeep.sources.helm.trace.symbols import StepBudget, StepLimitError, Symbol, Symbols
from kubekeep.sources.helm.trace.template import (
    ActionNode,
    BranchNode,
    Node,
    RangeNode,
    TemplateCallNode,
    TemplateFile,
    TemplateSet,
)
from kubekeep.sources.helm.trace.untaken import MappingBlock, MissingLine, UntakenBranches
from kubekeep.sources.helm.trace.values_layers import ValueRef, ValuesLayers

_STEPS: Final = 3_000_000
"""Maximum evaluation steps for the expressions of one chart (some seconds), and again for its untaken branches."""


class SourceSpan(msgspec.Struct, frozen=True, gc=False):
    """Span of a template's source: number of the file, first index, index after the last."""

    file: int
    start: int
    end: int


class TracedRelease:
    """State shared by all templates of a rendered chart.

    positions: file number and index of each marker. replaced_files: files whose definitions Helm did not use, with the
    number of the file that it used instead, or None if unknown.
    """

    def __init__(
        self,
        template_set: TemplateSet,
        layers: ValuesLayers,
        positions: list[tuple[int, int]],
        replaced_files: dict[int, int | None],
    ) -> None:
        self.template_set = template_set
        self.layers = layers
        self.positions = positions
        self.replaced_files = replaced_files
        self.budget = StepBudget(_STEPS)
        # A separate budget, so that locations of existing values do not depend on earlier lookups of missing ones.
        self.missing_budget = StepBudget(_STEPS)
        self._actions: dict[int, dict[int, int]] = {}

    def find_action_end(self, file: int, at: int) -> int:
        """Return the end of the action that begins at an index of a file."""
        ends = self._actions.get(file)
        if ends is None:
            ends = self._actions[file] = {}
            template = self.template_set.files[file]
            for body in (template.body, *(template.tree.defines.values() if template.tree else ())):
                _collect_ends(body, ends)
        return ends.get(at, at)


def _collect_ends(body: tuple[Node, ...], ends: dict[int, int]) -> None:
    for node in body:
        match node:
            case ActionNode() | TemplateCallNode():
                ends[node.at] = node.end
            case BranchNode():
                for case in node.cases:
                    _collect_ends(case.body, ends)
            case RangeNode():
                _collect_ends(node.body, ends)
                _collect_ends(node.otherwise or (), ends)


class TemplateOutput:
    """Output of one template, from the markers of its instrumented copy."""

    def __init__(self, release: TracedRelease, file: int, text: MarkedText) -> None:
        self._release = release
        self._file = file
        self._text = text
        self._symbols: dict[int, Symbol | None] = {}

    def region(self, start: int, end: int) -> tuple[TemplateFile, Region] | None:
        """Return the template and region that printed a span of the output; None if unknown."""
        first = self._find_span(start)
        if first is None:
            return None
        last = self._find_span(max(end - 1, start))
        stop = last.end if last and last.file == first.file and last.end > first.start else first.end
        file = self._release.template_set.files[first.file]
        return file, file.region(first.start, stop)

    def _find_span(self, offset: int) -> SourceSpan | None:
        """Return the source of a character; for a file that may not be the one used, the action that called it."""
        origin = self._text.find_origin(offset)
        span = self._origin_span(origin)
        event = origin.event
        replaced_files = self._release.replaced_files
        while span is not None and span.file in replaced_files:
            replacement = replaced_files[span.file]
            if replacement is not None:
                return SourceSpan(replacement, span.start, span.end)
            span = self._action_span(event) if event >= 0 else None
            event = self._text.get_outer(event)
        return span

    def _origin_span(self, origin: CharacterOrigin) -> SourceSpan | None:
        if origin.offset < 0:
            return self._action_span(origin.event) if origin.event >= 0 else None
        file, at = self._release.positions[origin.number]
        return SourceSpan(file, at + origin.offset, at + origin.offset + 1)

    def _action_span(self, event: int) -> SourceSpan:
        """Return the span of an action, or of the call of a named template that prints nothing else.

        For `sidecars: {{ include "render" .Values.sidecars }}` the relevant line is this one, not the helper that
        renders any value.
        """
        event = self._text.find_caller(event)
        file, at = self._release.positions[self._text.events.numbers[event]]
        return SourceSpan(file, at, self._release.find_action_end(file, at))

    def list_actions(self, start: int, end: int) -> list[int]:
        """List the innermost actions that printed a span, by the index of their marker."""
        return self._text.list_actions(start, end)

    def is_on_same_line(self, action: int, offset: int) -> bool:
        """Return True if an action is on the template line that printed a character."""
        action_span, other = self._action_span(action), self._find_span(offset)
        if other is None or action_span.file != other.file:
            return False
        file = self._release.template_set.files[action_span.file]
        return file.line(action_span.start) == file.line(other.start)

    def find_action(self, offset: int) -> int:
        """Return the innermost action that printed a character; -1 for literal text."""
        origin = self._text.find_origin(offset)
        return origin.event if origin.offset < 0 else -1

    def find_symbol(self, action: int, path: Path) -> Symbol | None:
        """Return the symbol at a path of an action's output; None if nothing is known."""
        try:
            symbol = self._evaluate_action(action)
            return None if symbol is None else self._evaluator.symbols.descend(symbol, path)
        except (StepLimitError, RecursionError):
            return None

    def _evaluate_action(self, action: int) -> Symbol | None:
        if action not in self._symbols:
            frame = self._frames.get(action)
            self._symbols[action] = None
            if frame is not None:
                self._symbols[action] = self._evaluator.evaluate_pipe(*frame)
        return self._symbols[action]

    def list_settings(self, symbol: Symbol, *, whole: bool = False) -> list[tuple[ValueRef, Setting]]:
        """List the values that a symbol is made of and that a layer sets, most relevant first.

        whole: leave out values that are only part of it.
        """
        settings = []
        for ref in self._evaluator.symbols.list_refs(symbol, whole=whole):
            setting = self._release.layers.find_setting(ref)
            if setting is not None:
                settings.append((ref, setting))
        return settings

    def get_value(self, ref: ValueRef) -> object:
        """Return the merged value."""
        return self._release.layers.get_value(ref)

    @cached_property
    def _evaluator(self) -> SymbolicEvaluator:
        return SymbolicEvaluator(self._release.template_set, Symbols(self._release.layers, self._release.budget))

    @cached_property
    def _frames(self) -> dict[int, tuple[Pipeline, Frame]]:
        replay = Replay(self._evaluator, self._text.events, self._release.positions)
        replay.run(self._file)
        return replay.frames

    def find_missing_line(self, block: MappingBlock, steps: Path) -> tuple[TemplateFile, Region, Setting | None] | None:
        """Return the line of an untaken branch that would have written a path into a mapping; None if not exactly one.

        Includes the setting of the value that the line would print, if there is one.
        """
        try:
            lines = self._untaken_branches.find_lines(block, steps)
        except (StepLimitError, RecursionError):
            return None
        if len({(line.file, line.start) for line in lines}) != 1 or lines[0].file in self._release.replaced_files:
            return None
        settings = {self._find_missing_setting(line) for line in lines}
        file = self._release.template_set.files[lines[0].file]
        return file, file.region(lines[0].start, lines[0].end), settings.pop() if len(settings) == 1 else None

    def _find_missing_setting(self, line: MissingLine) -> Setting | None:
        """Return the setting nearest to a path."""
        if line.symbol is None:
            return None
        for length in range(len(line.below), -1, -1):
            symbol = self._evaluator.symbols.descend(line.symbol, line.below[:length])
            settings = self.list_settings(symbol, whole=bool(line.below)) if symbol is not None else []
            if settings:
                return settings[0][1] if len({setting for _, setting in settings}) == 1 else None
        return None

    @cached_property
    def _untaken_branches(self) -> UntakenBranches:
        evaluator = SymbolicEvaluator(
            self._release.template_set, Symbols(self._release.layers, self._release.missing_budget)
        )
        replay = UntakenBranchReplay(evaluator, self._text.events, self._release.positions)
        replay.run(self._file)
        return UntakenBranches(self._text, replay.skipped, evaluator)
