"""Who we are to a registry, as Docker's `config.json` says it: in the file, or from a credential helper.

Looks only when a registry asks for it; never writes, and never shows a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.registry.errors import RegistryError

_DOCKER_HUB: Final = "docker.io"
_DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"
"""What Docker's clients file the credentials of Docker Hub under."""
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS: Final = 30
_TOKEN_USER: Final = "<token>"  # noqa: S105 - the name of a user
"""The user name by which a helper says that the secret is a refresh token."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What proves who we are: a name with a password, a token to get tokens with, or a token for the registry."""

    username: str = ""
    password: str = ""
    refresh_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return "Login(...)"

    @property
    def basic(self) -> str:
        """The value of an Authorization header with name and password; empty without a name."""
        if not self.username:
            return ""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


class _Entry(msgspec.Struct, frozen=True, rename="lower"):
    auth: str = ""
    username: str = ""
    password: str = ""
    identity_token: str = msgspec.field(default="", name="identitytoken")
    registry_token: str = msgspec.field(default="", name="registrytoken")


class _Config(msgspec.Struct, frozen=True):
    auths: dict[str, _Entry] = {}
    helpers: dict[str, str] = msgspec.field(default_factory=dict, name="credHelpers")
    store: str = msgspec.field(default="", name="credsStore")


class _Answer(msgspec.Struct, frozen=True):
    username: str = msgspec.field(name="Username")
    secret: str = msgspec.field(name="Secret")


class Keychain:
    """The credentials that a `config.json` of Docker knows; none when there is no such file."""

    def __init__(self, file: Path) -> None:
        """Nothing is read before it is asked for."""
        self._file = file

    def login(self, registry: str) -> Login | None:
        """Who we are to `registry`; None where nothing says. Raises RegistryError."""
        config = self._config()
        helper = config.helpers.get(registry) or config.store
        if helper and (found := _ask(helper, _key(registry))):
            return found
        entry = next((entry for key, entry in config.auths.items() if _host(key) == _host(_key(registry))), None)
        return None if entry is None else self._login(entry, registry)

    def _config(self) -> _Config:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Config)
        except FileNotFoundError:
            return _Config()
        except OSError as error:
            raise RegistryError(f"{self._file}: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            # What the decoder says may cite what it found, and that may be a secret.
            raise RegistryError(f"{self._file}: not a config.json of Docker") from None

    def _login(self, entry: _Entry, registry: str) -> Login | None:
        username, password = entry.username, entry.password
        if entry.auth:
            try:
                text = base64.b64decode(entry.auth, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise RegistryError(f"{self._file}: the auth of {registry} is not base64") from None
            username, _, password = text.partition(":")
        found = Login(
            username=username,
            password=password.rstrip("\0"),
            refresh_token=entry.identity_token,
            registry_token=entry.registry_token,
        )
        return None if found == Login() else found


def _ask(helper: str, key: str) -> Login | None:
    """What `docker-credential-<helper> get` answers; None when it knows nothing. Raises RegistryError."""
    if not _HELPER.fullmatch(helper):
        raise RegistryError(f"{helper!r} is no name of a credential helper")
    program = f"docker-credential-{helper}"
    found = shutil.which(program)
    if found is None:
        raise RegistryError(f"{program}, which Docker's config.json names, is not installed")
    try:
        result = subprocess.run(  # noqa: S603 - a list, and the name is checked
            [found, "get"], input=key.encode(), capture_output=True, check=False, timeout=_HELPER_SECONDS
        )
        if result.returncode:
            # Helpers say so by exit code 1 and a sentence that differs from one to the next.
            return None
        answer = msgspec.json.decode(result.stdout, type=_Answer)
    except subprocess.TimeoutExpired:
        raise RegistryError(f"{program} did not answer within {_HELPER_SECONDS} seconds") from None
    except (OSError, msgspec.DecodeError):
        raise RegistryError(f"{program} did not answer as credential helpers do") from None
    if answer.username == _TOKEN_USER:
        return Login(refresh_token=answer.secret)
    return Login(username=answer.username, password=answer.secret)


def _key(registry: str) -> str:
    return _DOCKER_HUB_KEY if registry == _DOCKER_HUB else registry


def _host(key: str) -> str:
    """The host of a key of `auths`, which may be written as an address."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]
