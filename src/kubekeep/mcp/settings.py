"""Settings of the server, as given at its start. Clients cannot change them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.errors import RequestError
from kubekeep.uplink.selection import ServerOptions

TOKEN_VARIABLE: Final = "KUBEKEEP_MCP_TOKEN"  # noqa: S105 - the name of a variable
_MIN_TOKEN_CHARACTERS: Final = 16


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Permissions and limits of a server.

    `roots` are the folders that clients may name paths in. `timeout` is the time limit of a tool call in seconds.
    `kubeconfig` and `context` select the cluster, if `allow_cluster` is set. `database` is the folder of the advisory
    database for scans of images; empty to leave vulnerabilities out. `results` is the Kubekeep server whose results the tools read.
    """

    roots: tuple[str, ...]
    allow_cluster: bool = False
    allow_network: bool = False
    allow_writes: bool = False
    kubeconfig: str = ""
    context: str = ""
    timeout: float = 120.0
    database: str = ""
    results: ServerOptions | None = None


def read_token(file: Path | None) -> str:
    """Return the bearer token in `file`, else in the environment; empty if there is none. Raises RequestError."""
    try:
        token = (os.environ.get(TOKEN_VARIABLE, "") if file is None else file.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{file}: the token cannot be read: {error}") from error
    if file is None and not token:
        return ""
    if len(token) < _MIN_TOKEN_CHARACTERS or not (token.isascii() and token.isprintable()):
        origin = TOKEN_VARIABLE if file is None else str(file)
        raise RequestError(
            f"{origin}: the token needs at least {_MIN_TOKEN_CHARACTERS} printable ASCII characters; "
            "create one with `openssl rand -hex 32`"
        )
    return token
