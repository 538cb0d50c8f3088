"""Keys of documents that hold secrets, and the positions of those secrets in a text with a source map.

See `model.redaction` for fields of Kubernetes objects, `model.secret_text` for formats of tokens. Prefers false positives to missed secrets:
the functions serve texts shown to people, not the input of rules.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.model.location import SourceMap
from kubekeep.model.redaction import LAST_APPLIED
from kubekeep.model.secret_text import find_program, is_secret_flag, mask_command, mask_text


class KeyContent(enum.Enum):
    """Kind of content below a key."""

    ALL = "secrets"
    ENV = "variables: names may be seen, values not"
    REFERENCE = "the name of a secret, which may be seen"
    WORDS = "a command line"
    NOTHING = "nothing secret"


_PAYLOAD: Final = frozenset(
    {"data", "stringData", "binaryData", "literals", LAST_APPLIED, "string_data", "binary_data", "data_wo"}
)
_ENV: Final = re.compile(r"(?i).*env(?:s|_?vars?|ironment|ironment_?vari?ables?)?|(?:http)?headers?|http_header")
_SECRET: Final = re.compile(
    r"(?i).*(?:pass(?:word|wd|phrase|code)?s?|passwd.*|password.*|pwd|secrets?|secret[_-]?(?:key|value|access).*|tokens?"
    r"|tokens?[_-]?(?:value|key)|api[_-]?keys?|access[_-]?keys?|private[_-]?keys?|(?:signing|encryption|client)[_-]?keys?"
    r"|credentials?|creds?|docker(?:config|cfg).*|connection[_-]?strings?|conn[_-]?str|dsn|webhook(?:[_-]?urls?)?|salt"
    r"|cookie|jwt|bearer|auth|authorization|htpasswd|kubeconfig|license[_-]?key|accountkey)"
)
_REFERENCES: Final = frozenset(
    {
        *("secretKeyRef", "secretRef", "configMapKeyRef", "imagePullSecrets", "secrets", "secret", "secretName"),
        *("serviceAccountToken", "secret_key_ref", "secret_ref", "config_map_key_ref", "image_pull_secrets"),
        *("secret_name", "service_account_token", "envFrom", "env_from", "valueFrom", "value_from", "fieldRef"),
    }
)
"""Keys that resemble secrets and hold only their names."""
_PUBLIC_IN_REFERENCES: Final = frozenset(
    {
        *("name", "key", "items", "path", "mode", "optional", "defaultMode", "namespace", "audience", "apiVersion"),
        *("expirationSeconds", "kind", "fieldPath", "secret_name", "default_mode", "expiration_seconds", "prefix"),
        *("resource", "divisor", "containerName"),
    }
)
_WRITTEN_AS_READ: Final = frozenset(map(chr, range(0x20, 0x7F))) - frozenset("\"'\\")
"""Characters without line ends, quotes and escapes."""
_SENSITIVE_POINTER: Final = re.compile(
    r"(?i)(?:^|/)(?:stringData|data|binaryData|.*env|.*(?:password|secret|token|key))(?:/|$)"
)


def classify_key(key: str, parent_content: KeyContent = KeyContent.NOTHING) -> KeyContent:
    """Return the content below a key, which itself is below a key with content `parent_content`."""
    if parent_content is KeyContent.ALL:
        return KeyContent.ALL
    if key in _REFERENCES:
        return KeyContent.REFERENCE
    if parent_content is KeyContent.ENV:
        return KeyContent.NOTHING if key == "name" else KeyContent.ALL
    if parent_content is KeyContent.REFERENCE:
        return KeyContent.REFERENCE if key in _PUBLIC_IN_REFERENCES else KeyContent.ALL
    return _classify_name(key)


@functools.lru_cache(maxsize=4096)
def _classify_name(key: str) -> KeyContent:
    """Return the content that the key itself suggests."""
    if key in {"command", "args"}:
        return KeyContent.WORDS
    if key not in _PAYLOAD and _ENV.fullmatch(key[-200:]):
        return KeyContent.ENV
    return KeyContent.ALL if key in _PAYLOAD or _SECRET.fullmatch(key[-200:]) else KeyContent.NOTHING


def is_secret_value(key: str, parent_content: KeyContent = KeyContent.NOTHING) -> bool:
    """Return True if a scalar below `key` is a secret.

    Names in references, a scalar below `env` and a command of one word are not secrets.
    """
    kind = classify_key(key, parent_content)
    if kind is KeyContent.REFERENCE:
        return not (key in _PUBLIC_IN_REFERENCES or key.lower().endswith("name"))
    return kind is KeyContent.ALL


def is_secret_pointer(pointer: object) -> bool:
    """Return True if the path of a JSON patch refers to a key that `classify_key` considers secret."""
    return isinstance(pointer, str) and _SENSITIVE_POINTER.search(pointer[-200:]) is not None


def find_secret_spans(document: Any, source_map: SourceMap) -> Iterator[tuple[int, int]]:
    """Yield the start and end indexes of values with secrets in the text of a document."""
    todo: list[tuple[Any, int, KeyContent]] = [(document, 0, KeyContent.NOTHING)]
    programs: dict[int, str] = {}
    while todo:
        value, node, kind = todo.pop()
        words: Any = mask_command(value, programs.get(id(value), "")) if _is_command(value, kind) else value
        for step, child, at in source_map.iterate_children(value, node):
            below = _classify_child(value, step, child, kind)
            if isinstance(child, dict | list):
                if step == "args":
                    programs[id(child)] = find_program(value)
                todo.append((child, at, below))
            elif (below is KeyContent.ALL and child is not None and not isinstance(child, bool)) or (
                isinstance(child, str) and _is_masked_as_a_whole(child, words[step])
            ):
                yield source_map.span(at)


def _is_masked_as_a_whole(text: str, word: object) -> bool:
    """Return True if masking by lines does not find the secrets of a text.

    They depend on other words of the command, or the file has the text in several lines or with escapes.
    """
    masked = mask_text(text)
    return word not in (text, masked) or (masked != text and not _WRITTEN_AS_READ.issuperset(text))


def _is_command(value: Any, kind: KeyContent) -> bool:
    return kind is KeyContent.WORDS and isinstance(value, list)


def find_secret_values(document: Any) -> Iterator[str]:
    """Yield the secret strings of a document that has no source map."""
    todo: list[tuple[Any, KeyContent]] = [(document, KeyContent.NOTHING)]
    while todo:
        value, kind = todo.pop()
        steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, child in steps:
            below = _classify_child(value, step, child, kind)
            if isinstance(child, dict | list):
                todo.append((child, below))
            elif below is KeyContent.ALL and isinstance(child, str):
                yield child


def _classify_child(value: Any, step: str | int, child: Any, kind: KeyContent) -> KeyContent:
    """Return the content of a child of a value."""
    if isinstance(value, dict):
        return _classify_entry(value, str(step), child, KeyContent.ALL if kind is KeyContent.WORDS else kind)
    if isinstance(child, dict | list) or kind is KeyContent.NOTHING:
        return kind
    return _classify_word(value, step, child) if kind is KeyContent.WORDS else KeyContent.ALL


def _classify_entry(mapping: dict[Any, Any], key: str, child: Any, parent_content: KeyContent) -> KeyContent:
    if key == "value" and is_secret_pointer(mapping.get("path")):
        return KeyContent.ENV if isinstance(child, dict) and "name" in child else KeyContent.ALL
    if isinstance(child, dict | list):
        return classify_key(key, parent_content)
    return KeyContent.ALL if is_secret_value(key, parent_content) else KeyContent.NOTHING


def _classify_word(words: list[Any], step: str | int, word: Any) -> KeyContent:
    """Return the content of a command-line word: a secret if the preceding flag expects one."""
    previous = words[step - 1] if isinstance(step, int) and step else None
    is_secret = isinstance(previous, str) and is_secret_flag(previous) and not str(word).startswith("-")
    return KeyContent.ALL if is_secret else KeyContent.NOTHING
