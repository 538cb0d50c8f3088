"""Preparation of struct types for decoding in several threads.

`msgspec` analyses a type at its first use, and the process crashes if two threads use it at that moment (reproduced with
0.22.0). Code that decodes in several threads calls `prepare_types` before it starts them; modules that are imported in
threads create their decoders when they are imported. Decodes nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

import msgspec

_lock: Final = threading.Lock()
_prepared: Final[set[type[msgspec.Struct]]] = set()


def prepare_types() -> None:
    """Analyse all struct types that have been defined so far; repeated calls cost little."""
    with _lock:
        for kind in _iterate_subclasses(msgspec.Struct):
            if kind in _prepared:
                continue
            # Types that cannot be decoded, such as those with fields of other classes, are not decoded in threads either.
            with contextlib.suppress(TypeError, NameError):
                msgspec.json.Decoder(kind)
            _prepared.add(kind)


def _iterate_subclasses(parent: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for child in parent.__subclasses__():
        yield child
        yield from _iterate_subclasses(child)
