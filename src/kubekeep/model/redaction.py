"""Redaction of secrets in objects, before they are embedded in a report, a log or a database.

Never changes an object: the redacted fields are copied first. Redaction is based on the fields in which Kubernetes keeps
secrets, not on the look of values, with one exception: `command`, `args`, annotations and URLs stay, because controls
evaluate them (flags of the control plane) and reports quote their paths. In these fields only passwords in URLs, values
of flags and variables named password, token or similar, and tokens of well-known formats are masked.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kubekeep.model.location import Path
from kubekeep.model.resource import Resource
from kubekeep.model.workload import pod_path

MASK: Final = "XXXXXX"
"""Replacement for a secret, as in Kubescape's reports."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_PAYLOADS: Final = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}
_COMMAND_FIELDS: Final = frozenset({"command", "args"})
_SENSITIVE_NAME: Final = (
    r"(?i:[\w.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|credentials))"
)
_SENSITIVE_NAME_PATTERN: Final = re.compile(_SENSITIVE_NAME)
SECRET_FLAG: Final = re.compile(rf"--?{_SENSITIVE_NAME}")
"""A command-line flag whose value is a secret."""
TOKEN_PATTERN: Final = re.compile(
    r"(?:(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password of a URL
    r"|(?<=://)[^/\s:@]{16,}(?=@)"  # a token in the place of the user
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS access key
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}"
    r"|AIza[\w-]{35}|(?:sk|rk)_live_\w{10,}|SG\.[\w-]{16,}\.[\w-]{16,}|npm_\w{30,}"
    r"|(?<=hooks\.slack\.com/services/)[\w/-]+|(?<=/api/webhooks/)\d+/[\w-]+"  # webhooks of Slack and Discord
    r"|(?i:(?<=accountkey=)|(?<=sharedaccesskey=)|(?<=[?&;]sig=))[\w+/%=-]{8,}"  # Azure
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{8,}"
    r"|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON Web Token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"
)
"""Formats of well-known tokens, anywhere in a text."""
ASSIGNMENT_PATTERN: Final = re.compile(
    rf"(?<![\w.-])(--?{_SENSITIVE_NAME}[= ]|{_SENSITIVE_NAME}=|(?:-u|--user)[= ][\w.@-]+:)(?!-)(?:'[^']*'|\"[^\"]*\"|[^\s'\";|&]+)"
)
"""A secret assigned to a flag or a variable in a command line; the first group is not a secret."""


def mask_tokens(text: str) -> str:
    """Mask tokens of known formats and values named password or similar in a text, such as an error message."""
    return ASSIGNMENT_PATTERN.sub(rf"\1{MASK}", TOKEN_PATTERN.sub(MASK, text))


def redact(resource: Resource) -> dict[str, Any]:
    """Return a copy of the object of `resource` that reports may embed.

    Masked: values of Secrets, ConfigMaps and container environments, headers of probes. Removed: `valueFrom` and
    `envFrom`, the last-applied annotation, `managedFields`, `status`. Lists and kinds that embed other objects are
    searched; a custom kind is searched completely, as its pods may be anywhere. The related objects of a joined
    resource become `relatedObjects`, as paths into it require.
    """
    result = _redact_object(resource.object, resource.kind)
    if resource.is_builtin and not resource.kind.endswith("List"):
        at = pod_path(resource)
        result = result if at is None else _replace_at(result, at, _redact_tree)
    else:
        result = _redact_tree(result)
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
    if isinstance(annotations, dict):
        result["annotations"] = {
            key: _redact_annotation(key, value) for key, value in annotations.items() if key != LAST_APPLIED
        }
    return result


def _redact_annotation(key: Any, value: Any) -> Any:
    """Mask secrets in the value of an annotation; the whole value if the key names a secret."""
    if not isinstance(value, str):
        return value
    return MASK if _SENSITIVE_NAME_PATTERN.fullmatch(str(key).rpartition("/")[2]) else mask_tokens(value)


def _mask_payload(payload: Any) -> Any:
    return dict.fromkeys(payload, MASK) if isinstance(payload, dict) else MASK


def _replace_at(value: Any, path: Path, change: Any) -> Any:
    """Return a copy of `value` with the value at `path` changed; `value` itself if there is no such path."""
    if not path:
        return change(value)
    if not isinstance(value, dict) or path[0] not in value:
        return value
    return {**value, path[0]: _replace_at(value[path[0]], path[1:], change)}


def _redact_tree(value: Any) -> Any:
    """Return a copy of `value` without the secrets of all containers and objects in it.

    Not recursive: a manifest nested as deeply as sources allow must not exhaust the stack.
    """
    top = [value]
    todo: list[Any] = [top]
    while todo:
        # Already a copy, but its collections are still the original ones.
        owner = todo.pop()
        for key, child in owner.items() if isinstance(owner, dict) else enumerate(owner):
            if isinstance(child, str):
                if "://" in child:
                    owner[key] = mask_tokens(child)
                continue
            if isinstance(child, dict):
                copy: Any = dict(child) if _FIELDS_TO_REDACT.isdisjoint(child) else _redact_mapping(child)
            elif isinstance(child, list):
                copy = list(child)
            else:
                continue
            owner[key] = copy
            todo.append(copy)
    return top[0]


def _redact_mapping(mapping: dict[Any, Any]) -> dict[Any, Any]:
    """Return a copy of one mapping; the collections in it are still the original ones."""
    if mapping.get("kind") in _PAYLOADS:
        mapping = _redact_object(mapping, mapping["kind"])
    elif isinstance(mapping.get("metadata"), dict):
        mapping = {**mapping, "metadata": _redact_metadata(mapping["metadata"])}
    return {
        key: _redact_field(key, value) if key in _FIELDS else value
        for key, value in mapping.items()
        if key not in _REFERENCES
    }


_REFERENCES: Final = frozenset({"envFrom", "valueFrom"})
_FIELDS: Final = _COMMAND_FIELDS | {"env", "httpHeaders", "stringData"}
"""Fields that may hold secrets of any format."""
_FIELDS_TO_REDACT: Final = _FIELDS | _REFERENCES | {"kind", "metadata"}
"""Fields of mappings that need more than a copy."""


def _redact_field(key: Any, value: Any) -> Any:
    if key in ("env", "httpHeaders"):
        return _mask_values(value)
    if key == "stringData":
        return _mask_payload(value)
    return _mask_words(value)


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


def _mask_words(value: Any) -> Any:
    """Mask secrets in a command line, including the word after `--password`."""
    if isinstance(value, str):
        return mask_tokens(value)
    if not isinstance(value, list):
        return value
    words: list[Any] = []
    for index, word in enumerate(value):
        previous = value[index - 1] if index else None
        if not isinstance(word, str):
            words.append(word)
        elif isinstance(previous, str) and SECRET_FLAG.fullmatch(previous) and not word.startswith("-"):
            words.append(MASK)
        else:
            words.append(_mask_words(word))
    return words
