"""Configuration of Kubernetes programs with secrets masked. Reads no file."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from kubekeep.model.secret_text import MASK, mask_text

_DEEPEST: Final = 200
_SECRETS: Final = frozenset({"secret", "staticpodurlheader"})
"""Fields with secret values: encryption keys, and headers that kubelets send."""
_ADDRESS: Final = re.compile(r"(://[^\s?]*)(\?\S+)?")


def format_configuration(configuration: dict[str, Any]) -> str:
    """Format a configuration as JSON, which is valid YAML."""
    return json.dumps(configuration, indent=2) + "\n"


def mask_secrets(value: Any, depth: int = _DEEPEST) -> Any:
    """Return a copy of a configuration with secrets masked. Raises ValueError if it is nested deeper than `depth`."""
    if not depth:
        raise ValueError("nested too deeply")
    match value:
        case dict():
            return {
                str(key): _mask_value(child) if str(key).lower() in _SECRETS else mask_secrets(child, depth - 1)
                for key, child in value.items()
            }
        case list():
            return [mask_secrets(child, depth - 1) for child in value]
        case str():
            return mask_queries(mask_text(value))
        case _:
            return value


def mask_queries(text: str) -> str:
    """Mask the query strings of URLs in a text, as they may contain credentials."""
    return _ADDRESS.sub(lambda match: f"{match[1]}?{MASK}" if match[2] else match[0], text)


def merge_configuration(base: Any, patch: Any) -> Any:
    """Merge `patch` into `base` (RFC 7396), as a kubelet does with its folder of configuration files."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    result = dict(base)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_configuration(result.get(key, {} if isinstance(value, dict) else None), value)
    return result


def _mask_value(value: Any) -> Any:
    return dict.fromkeys(value, MASK) if isinstance(value, dict) else MASK
