"""Policy sets of Rego rules, evaluated by the native module on all cores.

Documents and outcomes cross the boundary as JSON text. No file access, no knowledge of the meaning of a rule.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep import _native
from kubekeep.engine.policy_set import Outcome, PolicySet, RuleFailure, RuleQuery, Shard

_EMPTY: Final[Outcome] = {}
_CACHED_VALUES: Final = 1 << 12
"""Decoded values to keep: many objects have the same problem, so outcomes repeat."""
_CACHED_ELEMENTS: Final = 1 << 14
"""Decoded elements of lists to keep: many values with a message for each container are made of the same few messages."""
_decode: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_element: Final = functools.lru_cache(maxsize=_CACHED_ELEMENTS)(msgspec.json.decode)


class RegoPolicySet(PolicySet):
    """Rego v1 modules, compiled once, and byte code."""

    def __init__(
        self,
        shards: Sequence[Shard],
        groups: Sequence[Sequence[RuleQuery]],
        context: Mapping[str, Any],
    ) -> None:
        """Compile the shards; modules (path to source) of a shard include all imports of its rules.

        Each group lists queries, such as `RuleQuery("x", "data.kubekeep.controls.x.violation")`. The fields of
        `context` are part of `input`, together with those of the document.
        Raises ValueError, with file and line, for modules that do not compile.
        """
        self._native = _native.PolicySet(
            [shard if isinstance(shard, bytes) else list(shard.items()) for shard in shards],
            [[query[:3] for query in group] for group in groups],
            msgspec.json.encode(context).decode(),
        )

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """Return the outcome of each (document as JSON, group numbers), in order."""
        return [_EMPTY if text is None else decode_outcome(text) for text in self._native.evaluate(documents)]

    def with_context(self, context: Mapping[str, Any]) -> RegoPolicySet:
        """Return the same rules with another context; modules are not parsed again."""
        copy = object.__new__(RegoPolicySet)
        copy._native = self._native.with_context(msgspec.json.encode(context).decode())
        return copy


def compile_byte_code(modules: Mapping[str, str], paths: Sequence[str]) -> bytes:
    """Return byte code that evaluates the rules `paths` of modules (path to source).

    Raises ValueError for modules that do not compile. Values can differ from those of the interpreter.
    """
    return _native.compile_byte_code(list(modules.items()), list(paths))


def decode_outcome(text: str | bytes) -> Outcome:
    """Decode the JSON of an outcome. Equal values share one object, and so do equal elements of the lists in values."""
    return {name: _decode_value(bytes(value)) for name, value in _decode(text).items()}


@functools.lru_cache(maxsize=_CACHED_VALUES)
def _decode_value(text: bytes) -> Any:
    if not text.startswith(b"{"):
        return msgspec.json.decode(text)
    value = {name: _decode_field(bytes(field)) for name, field in _decode(text).items()}
    return RuleFailure(str(value["error"])) if "error" in value else value


def _decode_field(text: bytes) -> Any:
    if text.startswith(b"["):
        return [_decode_element(bytes(element)) for element in _decode_list(text)]
    return msgspec.json.decode(text)
