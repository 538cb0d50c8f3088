"""Settings of this process for the access to a server: variables, and the folders of its files. Reads no file."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class ServerVariables(msgspec.Struct, frozen=True):
    """KUBEKEEP_SERVER, and the token for it in KUBEKEEP_TOKEN or in the file KUBEKEEP_TOKEN_FILE."""

    server: str = ""
    token: str = ""
    token_file: str = ""

    def __repr__(self) -> str:
        return f"ServerVariables({self.server!r}, ...)"


def read_server_variables() -> ServerVariables:
    """Return the variables of this process."""
    get = os.environ.get
    return ServerVariables(get("KUBEKEEP_SERVER", ""), get("KUBEKEEP_TOKEN", ""), get("KUBEKEEP_TOKEN_FILE", ""))


def find_login_folder() -> Path | None:
    """Return `kubekeep/logins` below XDG_CONFIG_HOME or `.config` at home; None without either."""
    return _find_folder("XDG_CONFIG_HOME", ".config", "logins")


def find_spool_folder() -> Path | None:
    """Return `kubekeep/unsent` below XDG_STATE_HOME or `.local/state` at home; None without either.

    Not a folder for caches: its files exist nowhere else.
    """
    return _find_folder("XDG_STATE_HOME", ".local/state", "unsent")


def find_shown_folder() -> Path | None:
    """Return `kubekeep/shown` below XDG_STATE_HOME or `.local/state` at home; None without either."""
    return _find_folder("XDG_STATE_HOME", ".local/state", "shown")


def _find_folder(variable: str, default: str, name: str) -> Path | None:
    """Return a folder of the XDG Base Directory Specification, which ignores relative paths."""
    base = Path(os.environ.get(variable, ""))
    if not base.is_absolute():
        try:
            base = Path.home() / default
        except RuntimeError:
            return None
    return base / "kubekeep" / name
