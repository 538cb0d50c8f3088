"""Operations of RFC 6902 applied to the fields of an object, so that each value they set has their place.

Never fails: kustomize has judged the operations, and what does not fit the replay is passed over.
"""

from __future__ import annotations

from typing import Any

from kubekeep.sources.kustomize.shadow import Field, grown
from kubekeep.sources.kustomize.written import Spot


def operate(root: Field, operations: Spot, time: int) -> None:
    """Apply the operations of RFC 6902 that stand at `operations` to a tree; what does not fit is passed over."""
    value = operations.value
    for index, operation in enumerate(value if isinstance(value, list) else ()):
        if isinstance(operation, dict):
            _operation(root, operation, operations.below(index), time)


def _operation(root: Field, operation: dict[str, Any], spot: Spot, time: int) -> None:
    name, pointer = operation.get("op"), _pointer(operation.get("path"))
    if not pointer:
        return
    match name:
        case "add" | "replace" if "value" in operation:
            fresh: Field | None = grown(operation["value"], spot.below("value"), time)
        case "copy" | "move":
            source = _pointer(operation.get("from"))
            found = _found(root, source)
            fresh = None if found is None else found.moved(spot, time) if name == "copy" else found
            if name == "move" and found is not None:
                _set(root, source, None, insert=False)
        case "remove":
            _set(root, pointer, None, insert=False)
            return
        case _:
            return
    if fresh is not None:
        _set(root, pointer, fresh, insert=name != "replace")


def _pointer(text: object) -> list[str]:
    """The tokens of a JSON pointer (RFC 6901); none for what is not one."""
    if not isinstance(text, str) or not text.startswith("/"):
        return []
    return [token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/")]


def _found(root: Field, pointer: list[str]) -> Field | None:
    field: Field | None = root
    for token in pointer:
        if field is None:
            return None
        field = field.child(int(token) if isinstance(field.value, list) and token.isdecimal() else token)
    return field


def _set(root: Field, pointer: list[str], fresh: Field | None, *, insert: bool) -> None:
    """Put `fresh` where the pointer leads, or remove what is there."""
    parent = _found(root, pointer[:-1])
    last = pointer[-1] if pointer else ""
    if parent is None:
        return
    if isinstance(parent.value, dict):
        if fresh is None:
            parent.value.pop(last, None)
        else:
            parent.value[last] = fresh
    elif isinstance(parent.value, list):
        index = len(parent.value) if last == "-" else int(last) if last.isdecimal() else -1
        _set_item(parent.value, index, fresh, insert=insert)


def _set_item(items: list[Field], index: int, fresh: Field | None, *, insert: bool) -> None:
    if fresh is not None and insert and 0 <= index <= len(items):
        items.insert(index, fresh)
    elif 0 <= index < len(items):
        items[index : index + 1] = [] if fresh is None else [fresh]
