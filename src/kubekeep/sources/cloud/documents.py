"""Documents about managed clusters in the form used by controls, without secrets. Sends no requests."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, ParamSpec, TypeAlias, cast

import msgspec

from kubekeep.model.cloud import DOCUMENTS, GROUPS
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import Provider
from kubekeep.model.secret_text import MASK, mask_text

P = ParamSpec("P")
Documents: TypeAlias = "Iterator[dict[str, Any] | CoverageGap]"

_logger: Final = logging.getLogger(__name__)
_SECRET: Final = frozenset(
    {
        *("certificateauthority", "clustercacertificate", "clientcertificate", "clientkey", "trustedca"),
        *("password", "adminpassword", "serverappsecret", "secret", "keydata", "customcatrustcertificates"),
    }
)
"""Fields with certificates, keys and passwords, in lower case without underscores."""
_NODE_CONFIGS: Final = frozenset({"nodeconfig", "config"})
"""Fields of GKE whose `metadata` is passed to nodes: any keys and values, also scripts, keys and passwords (NodeConfig)."""


def create_document(provider: Provider, kind: str, name: str, response: Any) -> dict[str, Any]:
    """Return the document of `kind` about the cluster `name` with a masked copy of the cloud's response.

    Timestamps are converted to text. A mask replaces keys and passwords.
    """
    return {
        "apiVersion": f"{GROUPS[provider]}/v1",
        "kind": kind,
        "metadata": {"name": name, "provider": provider},
        "data": mask_secrets(msgspec.to_builtins(response, str_keys=True)),
    }


def create_gaps(provider: Provider, kinds: Iterable[str], needs: str, why: str) -> list[CoverageGap]:
    """Return the coverage gaps of documents of `kinds` that cannot be read; `needs` is the action to take."""
    return [
        CoverageGap(group=GROUPS[provider], version="v1", kind=kind, resource=kind, reason=why, next_step=needs)
        for kind in DOCUMENTS[provider]
        if kind in kinds
    ]


def report_invalid_responses(provider: Provider) -> Callable[[Callable[P, Documents]], Callable[P, Documents]]:
    """Decorate a function that yields the documents of `kinds`, its second argument.

    A response of another form than the provider documents becomes coverage gaps of the documents that were not created.
    """

    def decorate(describe: Callable[P, Documents]) -> Callable[P, Documents]:
        @functools.wraps(describe)
        def describe_valid(*arguments: P.args, **options: P.kwargs) -> Documents:
            missing = set(cast("Iterable[str]", arguments[1]))
            try:
                for document in describe(*arguments, **options):
                    missing.discard(document.kind if isinstance(document, CoverageGap) else document["kind"])
                    yield document
            except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
                _logger.debug("invalid response", exc_info=True)
                why = f"the cloud returned a response of another form ({type(error).__name__})"
                yield from create_gaps(provider, missing, "repeat the scan", why)

        return describe_valid

    return decorate


def mask_secrets(value: Any) -> Any:
    """Return a copy of JSON with certificates, keys, passwords and tokens masked; empty values stay.

    The values of `metadata` of GKE nodes are masked too; its keys stay.
    """
    if isinstance(value, dict):
        return {key: _mask_field(_normalise(key), element) for key, element in value.items()}
    if isinstance(value, list):
        return [mask_secrets(element) for element in value]
    return mask_text(value) if isinstance(value, str) else value


def _mask_field(name: str, value: Any) -> Any:
    if value and name in _SECRET:
        return MASK
    if name in _NODE_CONFIGS and isinstance(value, dict):
        return {
            key: _mask_all(element) if _normalise(key) == "metadata" else _mask_field(_normalise(key), element)
            for key, element in value.items()
        }
    return mask_secrets(value)


def _mask_all(value: Any) -> Any:
    """Replace all non-empty values in `value` by the mask; keys stay."""
    if isinstance(value, dict):
        return {key: _mask_all(element) for key, element in value.items()}
    if isinstance(value, list):
        return [_mask_all(element) for element in value]
    return MASK if value else value


def _normalise(key: Any) -> str:
    """Normalise the spelling of a field name in the clouds' APIs and clients."""
    return str(key).lower().replace("_", "")
