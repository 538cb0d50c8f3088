"""Tokens for the API of a server, from a text or a file. Never shows one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.uplink.errors import ServerLoginError

_MAX_BYTES: Final = 16 << 10
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""b64token (RFC 6750 section 2.1)."""


class TokenSource(msgspec.Struct, frozen=True):
    """A token, or the file that has it. The file is read for each request, because agents replace expired tokens."""

    token: str = ""
    file: str = ""

    def __repr__(self) -> str:
        return f"TokenSource(file={self.file!r})"

    def read(self) -> str:
        """Return the token. Raises ServerLoginError for a file that cannot be read or has no token."""
        return parse_token(self.token, "the token") if self.token else read_token_file(Path(self.file))


def read_token_file(path: Path) -> str:
    """Return the token in a file. Raises ServerLoginError."""
    name = visible(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ServerLoginError(f"{name}: the token cannot be read: {error.strerror}") from error
    return parse_token(content.decode("utf-8", "replace"), name)


def parse_token(text: str, name: str) -> str:
    """Return the token in a text, without surrounding space. name: of the text, for messages. Raises ServerLoginError."""
    token = text.strip()
    if not token:
        raise ServerLoginError(f"{name} is empty: a token is expected")
    if len(token) > _MAX_BYTES or not _TOKEN.fullmatch(token):
        raise ServerLoginError(f"{name} is not a token: one line of letters, digits and -._~+/ is expected")
    return token
