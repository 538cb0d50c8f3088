"""Documents about a managed cluster in the form that controls read, without keys and secrets. Asks nobody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kubekeep.model.cloud import DOCUMENTS, GROUPS
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import Provider
from kubekeep.model.redaction import MASK, mask_tokens

_SECRET: Final = frozenset(
    {
        *("certificateauthority", "clustercacertificate", "clientcertificate", "clientkey", "trustedca"),
        *("password", "adminpassword", "serverappsecret", "secret", "keydata", "customcatrustcertificates"),
    }
)
"""Fields whose values nobody needs: certificates, keys and passwords, in lower case and without underscores."""
_MACHINES: Final = frozenset({"nodeconfig", "config"})
"""Fields of GKE whose `metadata` the machines of nodes get: pairs that people fill as they like, with scripts, keys and
passwords (GKE API, NodeConfig)."""


def document(provider: Provider, kind: str, name: str, data: Any) -> dict[str, Any]:
    """The document of `kind` about the cluster `name`; `data` is an answer of the cloud, of which a copy is kept.

    What is in it is JSON: moments are text. Where a key or a password stood, it says only that there was one.
    """
    return {
        "apiVersion": f"{GROUPS[provider]}/v1",
        "kind": kind,
        "metadata": {"name": name, "provider": provider},
        "data": without_secrets(msgspec.to_builtins(data, str_keys=True)),
    }


def missing(provider: Provider, kinds: Iterable[str], needs: str, why: str) -> list[CoverageGap]:
    """The gaps for documents of `kinds` that could not be had; `needs` is what to do about it."""
    return [
        CoverageGap(group=GROUPS[provider], version="v1", kind=kind, resource=kind, why=why, needs=needs)
        for kind in DOCUMENTS[provider]
        if kind in kinds
    ]


def without_secrets(value: Any) -> Any:
    """A copy of `value` (JSON) in which certificates, keys, passwords and tokens are masked; empty ones stay empty.

    So are all values of the `metadata` of GKE's nodes, of which the keys stay.
    """
    if isinstance(value, dict):
        return {key: _field(_plain(key), item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return mask_tokens(value) if isinstance(value, str) else value


def _field(name: str, value: Any) -> Any:
    if value and name in _SECRET:
        return MASK
    if name in _MACHINES and isinstance(value, dict):
        return {
            key: _masked(item) if _plain(key) == "metadata" else _field(_plain(key), item)
            for key, item in value.items()
        }
    return without_secrets(value)


def _masked(value: Any) -> Any:
    """The keys of `value`, with a mask in the place of all that is not empty."""
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return MASK if value else value


def _plain(key: Any) -> str:
    """A name in any spelling of the clouds' APIs and clients."""
    return str(key).lower().replace("_", "")
