"""Kubeconfig files with embedded credentials. Never refers to other files."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.cluster.authority import Pair, write_private


class User(msgspec.Struct, frozen=True):
    """A user: the name of the context, and either a client certificate or a token."""

    name: str
    identity: Pair | str


def write_kubeconfig(file: Path, address: str, authority: Path, users: Sequence[User]) -> None:
    """Write a kubeconfig with a context for each of `users`; the first is the current one."""
    cluster = {"server": address, "certificate-authority-data": _inline(authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": users[0].name,
        "clusters": [{"name": "kubekeep", "cluster": cluster}],
        "users": [{"name": user.name, "user": _credentials(user)} for user in users],
        "contexts": [{"name": user.name, "context": {"cluster": "kubekeep", "user": user.name}} for user in users],
    }
    write_private(file, yaml.safe_dump(document, sort_keys=False).encode())


def address_in(file: Path) -> str:
    """Return the URL of the API server in a kubeconfig."""
    document: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    return str(document["clusters"][0]["cluster"]["server"])


def _credentials(user: User) -> dict[str, str]:
    if isinstance(user.identity, str):
        return {"token": user.identity}
    return {
        "client-certificate-data": _inline(user.identity.certificate),
        "client-key-data": _inline(user.identity.key),
    }


def _inline(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
