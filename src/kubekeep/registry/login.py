"""Credentials of a user at a registry. Never reads or displays one."""

from __future__ import annotations

import base64

import msgspec


class RegistryLogin(msgspec.Struct, frozen=True, kw_only=True):
    """Credentials: user name and password, a refresh token, or a registry token."""

    username: str = ""
    password: str = ""
    refresh_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return "RegistryLogin(...)"

    @property
    def basic(self) -> str:
        """Value of the basic Authorization header, or "" without a user name."""
        if not self.username:
            return ""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"
