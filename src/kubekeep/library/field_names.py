"""Names of fields that the rule of a control mentions, also in the shared functions that it calls. Runs no rule."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

from kubekeep.library.load import Library
from kubekeep.model.control import Control

_RULE: Final = r"(?m)^(?:default\s+)?([a-z_]\w*)"
"""The name of a rule or function at the beginning of a line."""
_CALL: Final = r"\b([a-z]\w*)\.([a-z_]\w*)"
_NAME: Final = r"[A-Za-z]\w*"
_COMMENT: Final = r"(?m)^\s*#.*$"
_SHARED: Final = "lib/"
"""Folder of the shared modules."""
_WORDS: Final = frozenset({"package", "import", "default"})


class FieldNames:
    """Lookup of these names for the controls of a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._names: dict[str, frozenset[str]] = {}

    def list_names(self, control: Control) -> frozenset[str]:
        """Return the names; empty for a control without a rule of the library."""
        names = self._names.get(control.rule_name)
        if names is None:
            names = self._names[control.rule_name] = self._read(control)
        return names

    def _read(self, control: Control) -> frozenset[str]:
        if control.is_manual:
            return frozenset()
        sources = self._library.collect_modules([control])
        modules = {
            path[len(_SHARED) : -len(".rego")]: _split(text) for path, text in sources.items() if _is_shared(path)
        }
        own = re.sub(_COMMENT, "", "\n".join(text for path, text in sources.items() if not _is_shared(path)))
        names, pending = set(re.findall(_NAME, own)), set(re.findall(_CALL, own))
        seen: set[tuple[str, str]] = set()
        while pending:
            call = pending.pop()
            if call in seen or call[0] not in modules:
                continue
            seen.add(call)
            module, function = call
            words, calls = _find_words(modules[module].get(function, ""))
            names |= words
            pending |= calls
            pending.update((module, name) for name in words if name in modules[module])
        return frozenset(names)


def _is_shared(path: str) -> bool:
    return path.startswith(_SHARED)


@functools.lru_cache(maxsize=1024)
def _find_words(text: str) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Return the names in the text of a rule, and its calls of functions of other modules."""
    return frozenset(re.findall(_NAME, text)), frozenset(re.findall(_CALL, text))


@functools.lru_cache(maxsize=64)
def _split(source: str) -> Mapping[str, str]:
    """Return the text of each rule of a module by its name; rules of one name are joined."""
    text = re.sub(_COMMENT, "", source)
    starts = [match for match in re.finditer(_RULE, text) if match[1] not in _WORDS]
    parts: dict[str, str] = {}
    for number, match in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        parts[match[1]] = parts.get(match[1], "") + text[match.start() : end]
    return parts
