"""Compiled Rego over many documents: the port's policy set, on the native engine.

The interpreter lock is released while rules run, on all cores; documents cross as JSON text. Never reads
a file and never learns what a rule is about.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep import _native
from kubekeep.engine.port import Outcome, Query, RuleFailure

_NOTHING: Final[Outcome] = {}
_KEPT: Final = 1 << 14
"""So many values that rules gave are kept: the same is wrong with many objects, and said once."""
_decode: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class RegoPolicySet:
    """Rego v1 modules compiled once; see `kubekeep.engine.port.PolicySet`."""

    def __init__(
        self,
        shards: Sequence[Mapping[str, str]],
        groups: Sequence[Sequence[Query]],
        context: Mapping[str, Any],
    ) -> None:
        """Compile the modules (path to source) of each shard; a shard holds all that its rules import.

        Each group lists queries, such as `Query("x", "data.kubekeep.controls.x.violation")`. Rules find the fields of
        `context` in `input`, beside those of the document.
        Raises ValueError, with file and line, for modules that do not compile.
        """
        self._native = _native.PolicySet(
            [list(modules.items()) for modules in shards], groups, msgspec.json.encode(context).decode()
        )

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """The outcome of each (document as JSON, group numbers), in order."""
        return [_NOTHING if text is None else outcome_of(text) for text in self._native.evaluate(documents)]

    def with_context(self, context: Mapping[str, Any]) -> RegoPolicySet:
        """The same rules in another context; the modules are not parsed again."""
        other = object.__new__(RegoPolicySet)
        other._native = self._native.with_context(msgspec.json.encode(context).decode())
        return other


def outcome_of(text: str | bytes) -> Outcome:
    """What `text`, the JSON of an outcome, says; equal values are one."""
    return {name: _value(bytes(value)) for name, value in _decode(text).items()}


@functools.lru_cache(maxsize=_KEPT)
def _value(text: bytes) -> Any:
    value = msgspec.json.decode(text)
    return RuleFailure(str(value["error"])) if isinstance(value, dict) and "error" in value else value
