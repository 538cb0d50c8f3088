"""Configuration of the programs of Kubernetes, without what is secret in it. Values only; reads no file."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from kubekeep.model.redaction import MASK, mask_tokens

_DEEPEST: Final = 200
_SECRETS: Final = frozenset({"secret", "staticpodurlheader"})
"""Fields whose values are secret: of encryption keys, and headers that kubelets send."""
_ADDRESS: Final = re.compile(r"(://[^\s?]*)(\?\S+)?")


def format_configuration(configuration: dict[str, Any]) -> str:
    """The text of a configuration, which is JSON and so YAML too."""
    return json.dumps(configuration, indent=2) + "\n"


def mask_secrets(value: Any, depth: int = _DEEPEST) -> Any:
    """A copy of a configuration with masks for its secrets. Raises ValueError if it is nested more than `depth` deep."""
    if not depth:
        raise ValueError("it is nested too deeply")
    match value:
        case dict():
            return {
                str(key): _masked(item) if str(key).lower() in _SECRETS else mask_secrets(item, depth - 1)
                for key, item in value.items()
            }
        case list():
            return [mask_secrets(item, depth - 1) for item in value]
        case str():
            return mask_queries(mask_tokens(value))
        case _:
            return value


def mask_queries(text: str) -> str:
    """A text with a mask for the queries of its URLs, which may let in whoever has them."""
    return _ADDRESS.sub(lambda found: f"{found[1]}?{MASK}" if found[2] else found[0], text)


def merge(base: Any, over: Any) -> Any:
    """`base` with the fields of `over` in their place (RFC 7396), as a kubelet reads its folder of configuration files."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key, {} if isinstance(value, dict) else None), value)
    return result


def _masked(value: Any) -> Any:
    return dict.fromkeys(value, MASK) if isinstance(value, dict) else MASK
