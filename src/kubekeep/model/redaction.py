"""Redaction of secrets in objects, before they are embedded in a report, a log or a database.

Never changes an object: the parts with secrets are copied, the others are shared. Redaction is based on the fields in
which Kubernetes keeps secrets (in the native module), and on names: of fields, keys, parameters, flags and variables.
`command`, `args`, annotations and other texts stay, because controls evaluate them (flags of the control plane) and
reports quote their paths; in texts, only the secrets that `model.secret_text` finds are masked.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from kubekeep._native import Redactor
from kubekeep.model.json_values import as_mapping
from kubekeep.model.secret_text import (
    MASK,
    find_program,
    is_secret_name,
    is_vague_name,
    looks_generated,
    mask_command,
    mask_text,
    secret_filter,
)
from kubekeep.model.subject import Subject

_IMAGE: Final = "ContainerImage"
_IMAGE_COMMANDS: Final = ("Entrypoint", "Cmd")
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def redact(resource: Subject) -> dict[str, Any]:
    """Return a copy of the object of `resource` that reports may embed; it shares parts with the object.

    Masked: values of Secrets, ConfigMaps and environments of containers and images, headers of probes, values of keys and parameters
    named like a secret, and secrets in texts. Removed: `valueFrom` and `envFrom`, the last-applied annotation,
    `managedFields`, `status`. The related objects of a joined resource become `relatedObjects`, as paths into it require.
    """
    result: dict[str, Any] = _redactor().redact_object(resource.object, resource.kind)
    if resource.kind == _IMAGE:
        result = _mask_image_commands(result)
    if resource.related:
        result = {**result, "relatedObjects": [redact(part) for part in resource.related]}
    return result


def _mask_image_commands(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document of an image with masked command lines, which have other names than those of containers."""
    config = as_mapping(document.get("config"))
    commands = {key: list(config[key]) for key in _IMAGE_COMMANDS if isinstance(config.get(key), list)}
    if not commands:
        return document
    entrypoint = commands.get("Entrypoint") or [""]
    masked = {
        key: mask_command(words, "" if key == "Entrypoint" else str(entrypoint[0])) for key, words in commands.items()
    }
    return {**document, "config": {**config, **masked}}


def redact_value(value: Any) -> Any:
    """Return `value` without the secrets of all containers, objects and texts in it; it shares the other parts."""
    return _redactor().redact(value)


@functools.cache
def _redactor() -> Redactor:
    return Redactor(
        mask=MASK,
        filter=secret_filter(),
        classify=_classify,
        looks_generated=looks_generated,
        mask_text=mask_text,
        mask_command=_mask_command,
    )


_NEVER, _IF_GENERATED, _ALWAYS = 0, 1, 2
"""Conditions for masking the value of a key, as numbers of the native module: `_IF_GENERATED` for names of secrets too."""
_REFERENCE_KEYS: Final = frozenset({"secret", "secretkey", "credentials", "accesskey", "privatekey"})
"""Keys, in lower case, of secrets in some kinds and of their names in others (`secretKey` in External Secrets and in settings of AWS)."""
_SECRET_KEYS: Final = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "dsn", "htpasswd", "kubeconfig", "jwt"),
        *("dockerconfigjson", ".dockerconfigjson", ".dockercfg", "webhookurl", "webhook_url", "webhook-url"),
    }
)
"""Further keys of secrets, in lower case."""


def _classify(key: str) -> int:
    """Return the condition for masking the value of a key."""
    name = key.rpartition("/")[2]
    lowered = name.lower()
    if lowered in _REFERENCE_KEYS or is_vague_name(name):
        return _IF_GENERATED
    return _ALWAYS if lowered in _SECRET_KEYS or is_secret_name(name) else _NEVER


def _mask_command(words: list[Any], container: Mapping[Any, Any] | None) -> list[Any]:
    """Mask the words of a command line; `container` is the container of arguments, None for a command."""
    return mask_command(words, "" if container is None else find_program(container))
