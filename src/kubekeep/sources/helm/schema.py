"""What the schema of a chart's values refers to. Helm would read any file and fetch any address that one names.

Only references within a schema, and those to the standard's own schemas, are let through. Validates nothing.
"""

from __future__ import annotations

import json
from typing import Any, Final

NAME: Final = "values.schema.json"
_STANDARD: Final = ("http://json-schema.org/", "https://json-schema.org/")
_WITHIN: Final = ("#", *_STANDARD)
_REFERENCES: Final = {"$ref": _WITHIN, "$dynamicRef": _WITHIN, "$recursiveRef": _WITHIN, "$schema": _STANDARD}
_TOO_DEEP: Final = "more levels than can be read"


def outside(data: bytes) -> str | None:
    """The first thing outside of a schema that it refers to; None if there is none, or it is no JSON."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        # Numbers stay text: one that is too long for Python would hide the rest.
        todo: list[Any] = [json.loads(text, parse_int=str, parse_float=str)]
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return None
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            for key, known in _REFERENCES.items():
                target = value.get(key)
                if isinstance(target, str) and not target.startswith(known):
                    return target
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    return None
