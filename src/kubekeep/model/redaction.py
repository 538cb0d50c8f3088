"""Redaction of secrets in objects, before they are embedded in a report, a log or a database.

Never changes an object: the redacted fields are copied first. Redaction is based on the fields in which Kubernetes keeps
secrets, and on names: of fields, keys, parameters, flags and variables. `command`, `args`, annotations and other texts
stay, because controls evaluate them (flags of the control plane) and reports quote their paths; in texts, only the
secrets that `model.secret_text` finds are masked.
"""

from __future__ import annotations

import enum
import functools
from typing import Any, Final

from kubekeep.model.resource import Resource
from kubekeep.model.secret_text import (
    MASK,
    find_program,
    is_secret_name,
    is_vague_name,
    looks_generated,
    mask_command,
    mask_text,
)

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_PAYLOADS: Final = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}


def redact(resource: Resource) -> dict[str, Any]:
    """Return a copy of the object of `resource` that reports may embed.

    Masked: values of Secrets, ConfigMaps and container environments, headers of probes, values of keys and parameters
    named like a secret, and secrets in texts. Removed: `valueFrom` and `envFrom`, the last-applied annotation,
    `managedFields`, `status`. The related objects of a joined resource become `relatedObjects`, as paths into it require.
    """
    result: dict[str, Any] = redact_value(_redact_object(resource.object, resource.kind))
    if resource.related:
        result = {**result, "relatedObjects": [redact(part) for part in resource.related]}
    return result


def _redact_object(resource_object: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return `resource_object` without the fields of the API server and with the payload of its kind masked."""
    result = {key: value for key, value in resource_object.items() if key != "status"}
    for key in _PAYLOADS.get(kind, ()):
        if result.get(key) is not None:
            result[key] = _mask_payload(result[key])
    if isinstance(resource_object.get("metadata"), dict):
        result["metadata"] = _redact_metadata(resource_object["metadata"])
    if kind.endswith("List") and isinstance(resource_object.get("items"), list):
        result["items"] = [_redact_element(element, kind.removesuffix("List")) for element in resource_object["items"]]
    return result


def _redact_element(element: Any, kind: str) -> Any:
    return _redact_object(element, str(element.get("kind") or kind)) if isinstance(element, dict) else element


def _redact_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    result = {key: value for key, value in metadata.items() if key != "managedFields"}
    annotations = result.get("annotations")
    if isinstance(annotations, dict) and LAST_APPLIED in annotations:
        result["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return result


def _mask_payload(payload: Any) -> Any:
    return dict.fromkeys(payload, MASK) if isinstance(payload, dict) else MASK


def redact_value(value: Any) -> Any:
    """Return a copy of `value` without the secrets of all containers, objects and texts in it.

    Not recursive: a manifest nested as deeply as sources allow must not exhaust the stack.
    """
    top = [value]
    todo: list[Any] = [top]
    while todo:
        # Already a copy, but its collections are still the original ones.
        owner = todo.pop()
        is_mapping = isinstance(owner, dict)
        for key, child in owner.items() if is_mapping else enumerate(owner):
            if isinstance(child, dict):
                has_fields = not _FIELDS_TO_REDACT.isdisjoint(child) and not (is_mapping and key in _FREE_KEYS)
                copy: Any = _redact_mapping(child) if has_fields else dict(child)
            elif isinstance(child, list):
                copy = _mask_elements(key, child) if is_mapping else list(child)
            elif isinstance(child, str):
                owner[key] = _mask_field(key, child) if is_mapping else mask_text(child)
                continue
            else:
                if type(child) in _NUMBERS and is_mapping and _classify(key) is _Masking.ALWAYS:
                    owner[key] = MASK
                continue
            owner[key] = copy
            todo.append(copy)
    return top[0]


class _Masking(enum.Enum):
    """Condition for masking the value of a key."""

    ALWAYS = "the value is a secret"
    IF_GENERATED = "the value is a secret or the name of one"
    NEVER = "the value is not a secret"


_NUMBERS: Final = (int, float)
_REFERENCE_KEYS: Final = frozenset({"secret", "secretkey", "credentials", "accesskey", "privatekey"})
"""Keys, in lower case, of secrets in some kinds and of their names in others (`secretKey` in External Secrets and in settings of AWS)."""
_SECRET_KEYS: Final = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "dsn", "htpasswd", "kubeconfig", "jwt"),
        *("dockerconfigjson", ".dockerconfigjson", ".dockercfg", "webhookurl", "webhook_url", "webhook-url"),
    }
)
"""Further keys of secrets, in lower case."""


@functools.lru_cache(maxsize=1 << 13)
def _classify(key: Any) -> _Masking:
    """Return the condition for masking the value of a key."""
    name = str(key).rpartition("/")[2]
    lowered = name.lower()
    if lowered in _REFERENCE_KEYS or is_vague_name(name):
        return _Masking.IF_GENERATED
    return _Masking.ALWAYS if lowered in _SECRET_KEYS or is_secret_name(name) else _Masking.NEVER


def _mask_field(key: Any, value: str) -> str:
    """Return the value of a key with its secrets masked."""
    masking = _classify(key)
    if masking is _Masking.NEVER or not value:
        return mask_text(value)
    return MASK if masking is _Masking.ALWAYS or looks_generated(value) else mask_text(value)


def _mask_elements(key: Any, values: list[Any]) -> list[Any]:
    """Return a copy of a list; the texts below a key such as `passwords` are masked."""
    if _classify(str(key).removesuffix("s")) is not _Masking.ALWAYS:
        return list(values)
    return [MASK if isinstance(value, str) else value for value in values]


def _redact_mapping(mapping: dict[Any, Any]) -> dict[Any, Any]:
    """Return a copy of one mapping; the collections in it are still the original ones."""
    kind = mapping.get("kind")
    if isinstance(kind, str) and kind in _PAYLOADS:
        mapping = _redact_object(mapping, kind)
    elif isinstance(mapping.get("metadata"), dict):
        mapping = {**mapping, "metadata": _redact_metadata(mapping["metadata"])}
    result = {
        key: _redact_field(key, value, mapping) if key in _FIELDS else value
        for key, value in mapping.items()
        if key not in _REFERENCES
    }
    name = mapping.get("name", mapping.get("key"))
    if "value" in mapping and isinstance(name, str) and not isinstance(mapping["value"], dict | list | bool | None):
        # An entry of a list of parameters.
        result["value"] = (
            _mask_field(name, str(mapping["value"])) if _classify(name) is not _Masking.NEVER else mapping["value"]
        )
    return result


_REFERENCES: Final = frozenset({"envFrom", "valueFrom"})
_COMMAND_FIELDS: Final = frozenset({"command", "args"})
_FIELDS: Final = _COMMAND_FIELDS | {"env", "httpHeaders", "stringData"}
"""Fields that may hold secrets of any format."""
_FIELDS_TO_REDACT: Final = _FIELDS | _REFERENCES | {"kind", "metadata", "value"}
"""Fields of mappings that need more than a copy."""
_FREE_KEYS: Final = frozenset({"labels", "matchLabels", "annotations", "selector", "nodeSelector"})
"""Fields whose keys users choose, such as the label `env`."""


def _redact_field(key: Any, value: Any, owner: dict[Any, Any]) -> Any:
    if key in ("env", "httpHeaders"):
        return _mask_values(value)
    if key == "stringData":
        return _mask_payload(value)
    if not isinstance(value, list):
        return mask_text(value) if isinstance(value, str) else value
    return mask_command(value, find_program(owner) if key == "args" else "")


def _mask_values(entries: Any) -> Any:
    """Mask the values of entries of `env` and `httpHeaders`; names stay."""
    if isinstance(entries, dict):
        return _mask_payload(entries)
    if not isinstance(entries, list):
        return entries if entries is None else MASK
    return [
        {key: MASK if key == "value" else value for key, value in entry.items() if key != "valueFrom"}
        if isinstance(entry, dict)
        else MASK
        for entry in entries
    ]
