"""Objects without their secrets: what may be embedded in a report, a log or a database.

The one home of that knowledge. Never changes the object it is given: what is redacted is copied first. It
knows where Kubernetes keeps secrets, not what a secret looks like, with one exception: the words of `command`
and `args`, annotations and addresses stay, because controls judge them (flags of the control plane) and reports
quote their paths, so there only passwords in URLs, values of flags and variables called password, token or the
like, and the shapes of well-known tokens are struck out.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kubekeep.model.location import Path
from kubekeep.model.resource import Resource
from kubekeep.model.workload import pod_path

MASK: Final = "XXXXXX"
"""What stands in the place of a secret, as in Kubescape's reports."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_PAYLOADS: Final = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}
_WORDS: Final = frozenset({"command", "args"})
_NAMED: Final = r"(?i:[\w.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|credentials))"
_SECRET: Final = re.compile(_NAMED)
SECRET_FLAG: Final = re.compile(rf"--?{_NAMED}")
"""A flag of a command line whose value is a secret."""
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
"""What well-known tokens look like, wherever they stand."""
ASSIGNMENT_PATTERN: Final = re.compile(
    rf"(?<![\w.-])(--?{_NAMED}[= ]|{_NAMED}=|(?:-u|--user)[= ][\w.@-]+:)(?!-)(?:'[^']*'|\"[^\"]*\"|[^\s'\";|&]+)"
)
"""A secret that a command line gives to a flag or a variable, which the first group keeps."""


def mask_tokens(text: str) -> str:
    """A text, such as a message of a program, without tokens of known shapes and values named password or the like."""
    return ASSIGNMENT_PATTERN.sub(rf"\1{MASK}", TOKEN_PATTERN.sub(MASK, text))


def redact(resource: Resource) -> dict[str, Any]:
    """The object of `resource` as reports may embed it.

    Masked: values of Secrets, ConfigMaps and container environments, headers of probes. Removed: `valueFrom`
    and `envFrom`, the last-applied annotation, `managedFields`, `status`. Lists and kinds that embed other
    objects are followed; a custom kind is searched whole, as its pods may sit anywhere. A joined resource
    gets its related objects as `relatedObjects`, which paths into it count on.
    """
    result = _object(resource.object, resource.kind)
    if resource.is_builtin and not resource.kind.endswith("List"):
        at = pod_path(resource)
        result = result if at is None else _replaced(result, at, _searched)
    else:
        result = _searched(result)
    if resource.related:
        result = {**result, "relatedObjects": [redact(item) for item in resource.related]}
    return result


def _object(item: dict[str, Any], kind: str) -> dict[str, Any]:
    """`item` without what the API server keeps for itself and without the payload of its kind."""
    result = {key: value for key, value in item.items() if key != "status"}
    for key in _PAYLOADS.get(kind, ()):
        if result.get(key) is not None:
            result[key] = _masked(result[key])
    if isinstance(item.get("metadata"), dict):
        result["metadata"] = _metadata(item["metadata"])
    if kind.endswith("List") and isinstance(item.get("items"), list):
        result["items"] = [_member(entry, kind.removesuffix("List")) for entry in item["items"]]
    return result


def _member(item: Any, kind: str) -> Any:
    return _object(item, str(item.get("kind") or kind)) if isinstance(item, dict) else item


def _metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    result = {key: value for key, value in metadata.items() if key != "managedFields"}
    annotations = result.get("annotations")
    if isinstance(annotations, dict):
        kept = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
        result["annotations"] = {key: _annotation(key, value) for key, value in kept.items()}
    return result


def _annotation(key: Any, value: Any) -> Any:
    """A text that people fill as they like, without what looks like a secret; nothing of one whose key is called so."""
    if not isinstance(value, str):
        return value
    return MASK if _SECRET.fullmatch(str(key).rpartition("/")[2]) else mask_tokens(value)


def _masked(payload: Any) -> Any:
    return dict.fromkeys(payload, MASK) if isinstance(payload, dict) else MASK


def _replaced(value: Any, path: Path, change: Any) -> Any:
    """`value` with what stands at `path` changed, copied down to there; itself where the path leads nowhere."""
    if not path:
        return change(value)
    if not isinstance(value, dict) or path[0] not in value:
        return value
    return {**value, path[0]: _replaced(value[path[0]], path[1:], change)}


def _searched(value: Any) -> Any:
    """A copy of `value` without the secrets of the containers and objects anywhere in it.

    Not recursive: a manifest nested as deep as sources let through must not exhaust the stack.
    """
    top = [value]
    todo: list[Any] = [top]
    while todo:
        # A copy already, whose collections are still those of the original.
        owner = todo.pop()
        for key, item in owner.items() if isinstance(owner, dict) else enumerate(owner):
            if isinstance(item, str):
                if "://" in item:
                    owner[key] = mask_tokens(item)
                continue
            if isinstance(item, dict):
                copy: Any = dict(item) if _MARKED.isdisjoint(item) else _stripped(item)
            elif isinstance(item, list):
                copy = list(item)
            else:
                continue
            owner[key] = copy
            todo.append(copy)
    return top[0]


def _stripped(mapping: dict[Any, Any]) -> dict[Any, Any]:
    """A copy of one mapping; the collections in it are still the same."""
    if mapping.get("kind") in _PAYLOADS:
        mapping = _object(mapping, mapping["kind"])
    elif isinstance(mapping.get("metadata"), dict):
        mapping = {**mapping, "metadata": _metadata(mapping["metadata"])}
    return {
        key: _field(key, item) if key in _FIELDS else item for key, item in mapping.items() if key not in _REFERENCES
    }


_REFERENCES: Final = frozenset({"envFrom", "valueFrom"})
_FIELDS: Final = _WORDS | {"env", "httpHeaders", "stringData"}
"""Fields that may hold secrets, whatever they look like."""
_MARKED: Final = _FIELDS | _REFERENCES | {"kind", "metadata"}
"""Fields of mappings that are more than a copy."""


def _field(key: Any, value: Any) -> Any:
    if key in ("env", "httpHeaders"):
        return _valued(value)
    if key == "stringData":
        return _masked(value)
    return _words(value)


def _valued(entries: Any) -> Any:
    """Names without their values: the entries of `env` and `httpHeaders`."""
    if isinstance(entries, dict):
        return _masked(entries)
    if not isinstance(entries, list):
        return entries if entries is None else MASK
    return [
        {key: MASK if key == "value" else item for key, item in entry.items() if key != "valueFrom"}
        if isinstance(entry, dict)
        else MASK
        for entry in entries
    ]


def _words(value: Any) -> Any:
    """A command line without what is certainly a secret; the word after `--password` too."""
    if isinstance(value, str):
        return mask_tokens(value)
    if not isinstance(value, list):
        return value
    words: list[Any] = []
    for index, item in enumerate(value):
        before = value[index - 1] if index else None
        if not isinstance(item, str):
            words.append(item)
        elif isinstance(before, str) and SECRET_FLAG.fullmatch(before) and not item.startswith("-"):
            words.append(MASK)
        else:
            words.append(_words(item))
    return words
