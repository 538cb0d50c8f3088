"""Outcomes remembered from scan to scan: what a rule said of a document is what it will say of it again.

Only where everything that an outcome depends on is the same: the document, the rules with all they import, and the
context. Never remembers a failure, nor what rules say that may look at a clock, at chance or at the machine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from kubekeep.engine.port import Outcome, PolicySet, Query, RuleFailure

Compile = Callable[[Sequence[Mapping[str, str]], Sequence[Sequence[Query]], Mapping[str, Any]], PolicySet]
"""What makes policy sets of shards of modules, groups of queries and a context."""

_DIGEST: Final = 20
_UNSTEADY: Final = re.compile(
    r"\b(?:time\.now_ns|rand\.|uuid\.rfc4122|opa\.runtime|http\.send|net\.lookup_ip_addr"
    r"|(?:time|rand|uuid|opa|http|net)\s*\[)"
)
"""Built-ins whose value is another one the next time (OPA docs, policy reference), however they are written."""


class Memory(Protocol):
    """Where outcomes are remembered, by keys that say all they depend on."""

    def get(self, key: bytes) -> Outcome | None:
        """The outcome that was put there; None if there is none."""

    def put(self, key: bytes, outcome: Outcome) -> None:
        """Remember `outcome`, which has no failure."""


def remembering(compile_rules: Compile, memory: Memory) -> Compile:
    """What makes policy sets as `compile_rules` does, that ask `memory` before they evaluate anything."""

    def compiled(
        shards: Sequence[Mapping[str, str]], groups: Sequence[Sequence[Query]], context: Mapping[str, Any]
    ) -> PolicySet:
        rules = _Rules(groups, [_shard(modules) for modules in shards])
        return _Remembering(compile_rules(shards, groups, context), rules, memory, context)

    return compiled


class _Rules:
    """The groups of a policy set, by what their outcomes depend on beside document and context."""

    def __init__(self, groups: Sequence[Sequence[Query]], shards: Sequence[bytes | None]) -> None:
        self._groups = groups
        self._shards = shards

    def digest(self, groups: Sequence[int]) -> bytes | None:
        """The digest of their rules; None where they may say something else the next time."""
        queries = [query for number in groups for query in self._groups[number]]
        if any(self._shards[query.shard] is None for query in queries):
            return None
        return _digest(msgspec.json.encode([(query.name, query.path, self._shards[query.shard]) for query in queries]))


class _Remembering:
    """A policy set with a memory; see `kubekeep.engine.port.PolicySet`."""

    def __init__(self, policies: PolicySet, rules: _Rules, memory: Memory, context: Mapping[str, Any]) -> None:
        self._policies = policies
        self._rules = rules
        self._memory = memory
        self._context = _digest(msgspec.json.encode(context, order="deterministic"))
        self._bases: dict[tuple[int, ...], bytes | None] = {}

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """The outcome of each (document as JSON, group numbers), in order."""
        keys = [self._key(document, tuple(groups)) for document, groups in documents]
        found = [None if key is None else self._memory.get(key) for key in keys]
        missing = [place for place, outcome in enumerate(found) if outcome is None]
        said = dict(zip(missing, self._policies.evaluate([documents[place] for place in missing]), strict=True))
        for place, outcome in said.items():
            key = keys[place]
            if key is not None and not any(isinstance(value, RuleFailure) for value in outcome.values()):
                self._memory.put(key, outcome)
        return [said[place] if outcome is None else outcome for place, outcome in enumerate(found)]

    def with_context(self, context: Mapping[str, Any]) -> _Remembering:
        """The same rules and memory in another context."""
        return _Remembering(self._policies.with_context(context), self._rules, self._memory, context)

    def _key(self, document: bytes, groups: tuple[int, ...]) -> bytes | None:
        """What the outcome is known by; None if it may be another the next time."""
        if groups not in self._bases:
            rules = self._rules.digest(groups)
            self._bases[groups] = None if rules is None else _digest(rules, self._context)
        basis = self._bases[groups]
        return None if basis is None else _digest(document, basis)


def _shard(modules: Mapping[str, str]) -> bytes | None:
    """The digest of modules that are evaluated together; None where one of them is not steady."""
    if any(_UNSTEADY.search(text) for text in modules.values()):
        return None
    return _digest(msgspec.json.encode(sorted(modules.items())))


def _digest(data: bytes, key: bytes = b"") -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST, key=key).digest()
