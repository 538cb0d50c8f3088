"""Cache of rule outcomes in a file, so that a later scan evaluates only changed documents and rules.

A key covers everything that an outcome depends on: the document, the rules with their imports, and the context. Failures
are not cached, nor outcomes of rules that may read the clock, random numbers or the machine, nor outcomes that quote a
secret. The file contains no whole resources, but outcomes may quote other parts of them. It may be deleted at any time; if several processes write it, the last
one wins.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from kubekeep.engine.policy_set import Compile, Outcome, PolicySet, RuleFailure, RuleQuery, Shard
from kubekeep.engine.rego_policies import decode_outcome
from kubekeep.model.redaction import redact_value

_FORMAT: Final = b"kubekeep outcomes 1\n"
_FILE_DIGEST: Final = 32
_KEY_DIGEST: Final = 20
_LIMIT: Final = 128 << 20
"""Maximum size of the kept outcomes in bytes; the oldest are dropped. 10,000 resources take a third of it."""
_OVERHEAD: Final = 32 << 20
"""Bytes that keys and lengths may add."""
_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_UNSTABLE: Final = re.compile(
    r"\b(?:time\.now_ns|rand\.|uuid\.rfc4122|opa\.runtime|http\.send|net\.lookup_ip_addr"
    r"|(?:time|rand|uuid|opa|http|net)\s*\[)"
)
"""Built-ins that give another value with each call, in any spelling (OPA docs, policy reference)."""

_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_Generation = dict[bytes, bytes]
_Generations = Annotated[list[_Generation], msgspec.Meta(max_length=10_000)]


class OutcomeCache:
    """Cached outcomes in a file, which is read on first use and replaced as a whole by `save`.

    A file of another user, that others may write, of another version of the program, or with a wrong digest is ignored.
    """

    def __init__(self, path: Path, program: bytes, limit: int = _LIMIT) -> None:
        """Open the cache without reading it. `program` is a digest: outcomes of other programs are ignored."""
        self._path = path
        self._head = _FORMAT + hashlib.blake2b(program, digest_size=_FILE_DIGEST).digest()
        self._limit = limit
        self._earlier: list[_Generation] | None = None
        self._used: _Generation = {}
        self._is_changed = False

    def get(self, key: bytes) -> Outcome | None:
        """Return the outcome stored under a key, or None."""
        text = self._used.get(key)
        if text is None:
            text = next((generation[key] for generation in self._load_earlier() if key in generation), None)
            if text is None:
                return None
        try:
            outcome = decode_outcome(text)
        except (ValueError, RecursionError):
            return None
        self._used[key] = text
        return outcome

    def put(self, key: bytes, outcome: Outcome) -> None:
        """Store an outcome without failures, unless it quotes a secret."""
        if redact_value(outcome) != outcome:
            return
        self._used[key] = msgspec.json.encode(outcome)
        self._is_changed = True

    def save(self) -> None:
        """Write the outcomes of this run and, up to the limit, of earlier runs. Raises OSError.

        Nothing is written if no outcome was added.
        """
        if not self._is_changed:
            return
        body = zlib.compress(msgspec.msgpack.encode(self._select_outcomes()), 1)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}-", dir=self._path.parent)
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
                stream.write(self._head + hashlib.blake2b(body, digest_size=_FILE_DIGEST).digest() + body)
            Path(name).replace(self._path)
        finally:
            Path(name).unlink(missing_ok=True)
        self._is_changed = False

    def _select_outcomes(self) -> list[_Generation]:
        selected: list[_Generation] = []
        keys: set[bytes] = set()
        remaining = self._limit
        for generation in (self._used, *self._load_earlier()):
            added = {key: text for key, text in generation.items() if key not in keys}
            remaining -= sum(map(len, added.values()))
            if remaining < 0:
                break
            keys |= added.keys()
            if added:
                selected.append(added)
        return selected

    def _load_earlier(self) -> list[_Generation]:
        """Return the outcomes of earlier runs, the newest first."""
        if self._earlier is None:
            self._earlier = []
            with contextlib.suppress(OSError, ValueError, zlib.error, MemoryError):
                self._earlier = self._read()
        return self._earlier

    def _read(self) -> list[_Generation]:
        descriptor = os.open(self._path, os.O_RDONLY | _NO_LINKS | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
            status = os.fstat(descriptor)
            is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
            is_shared = bool(status.st_mode & _WRITABLE) and os.name == "posix"
            is_large = status.st_size > self._limit + _OVERHEAD
            if not stat.S_ISREG(status.st_mode) or not is_own or is_shared or is_large:
                return []
            if stream.read(len(self._head)) != self._head:
                return []
            digest, body = stream.read(_FILE_DIGEST), stream.read()
        if hashlib.blake2b(body, digest_size=_FILE_DIGEST).digest() != digest:
            return []
        decompressor = zlib.decompressobj()
        packed = decompressor.decompress(body, self._limit + _OVERHEAD)
        return msgspec.msgpack.decode(packed, type=_Generations) if decompressor.eof else []


class CachedPolicySet(PolicySet):
    """Policy set that looks up outcomes in a cache before it evaluates rules."""

    def __init__(
        self, policies: PolicySet, groups: Sequence[bytes | None], cache: OutcomeCache, context: Mapping[str, Any]
    ) -> None:
        """Wrap `policies`. `groups` are digests of the rules of each group, None for unstable ones."""
        self._policies = policies
        self._groups = groups
        self._cache = cache
        self._context = _digest(msgspec.json.encode(context, order="deterministic"))

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """Return the outcome of each (document as JSON, group numbers), in order."""
        keys = [self._compute_key(document, groups) for document, groups in documents]
        cached = [None if key is None else self._cache.get(key) for key in keys]
        missing = [index for index, outcome in enumerate(cached) if outcome is None]
        evaluated = dict(zip(missing, self._policies.evaluate([documents[index] for index in missing]), strict=True))
        for index, outcome in evaluated.items():
            key = keys[index]
            if key is not None and not any(isinstance(value, RuleFailure) for value in outcome.values()):
                self._cache.put(key, outcome)
        return [evaluated[index] if outcome is None else outcome for index, outcome in enumerate(cached)]

    def with_context(self, context: Mapping[str, Any]) -> CachedPolicySet:
        """Return the same rules and cache with another context."""
        return CachedPolicySet(self._policies.with_context(context), self._groups, self._cache, context)

    def stop(self) -> None:
        """Stop evaluations that run in another process."""
        self._policies.stop()

    def _compute_key(self, document: bytes, groups: Sequence[int]) -> bytes | None:
        """Return the cache key of an outcome, or None if it must not be cached."""
        digests = [digest for number in groups if (digest := self._groups[number]) is not None]
        if len(digests) < len(groups):
            return None
        return _digest(document, _digest(b"".join(digests), self._context))


def cache_outcomes(compile_rules: Compile, cache: OutcomeCache) -> Compile:
    """Return a variant of `compile_rules` whose policy sets use a cache."""

    def compile_cached(
        shards: Sequence[Shard], groups: Sequence[Sequence[RuleQuery]], context: Mapping[str, Any]
    ) -> PolicySet:
        digests = [_digest_shard(modules) for modules in shards]
        group_digests = [_digest_group(group, digests) for group in groups]
        return CachedPolicySet(compile_rules(shards, groups, context), group_digests, cache, context)

    return compile_cached


def _digest_group(group: Sequence[RuleQuery], shards: Sequence[bytes | None]) -> bytes | None:
    """Return the digest of the rules of a group, or None if one of their shards is unstable."""
    if any(shards[query.shard] is None for query in group):
        return None
    return _digest(msgspec.json.encode([(query.name, query.path, shards[query.shard]) for query in group]))


def _digest_shard(shard: Shard) -> bytes | None:
    """Return the digest of a shard, or None if one of its modules is unstable. Byte code is never unstable."""
    if isinstance(shard, bytes):
        return _digest(shard)
    if any(_UNSTABLE.search(text) for text in shard.values()):
        return None
    return _digest(msgspec.json.encode(sorted(shard.items())))


def _digest(data: bytes, key: bytes = b"") -> bytes:
    return hashlib.blake2b(data, digest_size=_KEY_DIGEST, key=key).digest()
