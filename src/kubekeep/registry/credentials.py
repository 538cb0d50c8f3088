"""Authentication at registries: challenges, and credentials from Docker's config.json or credential helpers.

Credentials are read when a registry requests them; nothing is written, and secrets are never displayed.
"""

from __future__ import annotations

import base64
import binascii
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.registry.errors import RegistryError

_DOCKER_HUB: Final = "docker.io"
_DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"
"""Key of Docker Hub in config.json."""
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS: Final = 30
_TOKEN_USER: Final = "<token>"  # noqa: S105 - the name of a user
"""User name of a helper's response that contains a refresh token."""


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


class _DockerAuth(msgspec.Struct, frozen=True, rename="lower"):
    auth: str = ""
    username: str = ""
    password: str = ""
    identity_token: str = msgspec.field(default="", name="identitytoken")
    registry_token: str = msgspec.field(default="", name="registrytoken")


class _DockerConfig(msgspec.Struct, frozen=True):
    auths: dict[str, _DockerAuth] = {}
    helpers: dict[str, str] = msgspec.field(default_factory=dict, name="credHelpers")
    store: str = msgspec.field(default="", name="credsStore")


class _HelperResponse(msgspec.Struct, frozen=True):
    username: str = msgspec.field(name="Username")
    secret: str = msgspec.field(name="Secret")


class Keychain:
    """Credentials in a Docker config.json; empty if the file does not exist."""

    def __init__(self, file: Path) -> None:
        """Remember the path; the file is read on the first request."""
        self._file = file

    def find_login(self, registry: str) -> RegistryLogin | None:
        """Return the credentials for `registry`, or None. Raises RegistryError."""
        config = self._read_config()
        helper = config.helpers.get(registry) or config.store
        if helper and (login := _run_helper(helper, _auth_key(registry))):
            return login
        entry = next(
            (entry for key, entry in config.auths.items() if _parse_host(key) == _parse_host(_auth_key(registry))), None
        )
        return None if entry is None else self._create_login(entry, registry)

    def _read_config(self) -> _DockerConfig:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_DockerConfig)
        except FileNotFoundError:
            return _DockerConfig()
        except OSError as error:
            raise RegistryError(f"{self._file}: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The decoder's message may quote a secret from the file.
            raise RegistryError(f"{self._file}: not a valid config.json of Docker") from None

    def _create_login(self, entry: _DockerAuth, registry: str) -> RegistryLogin | None:
        username, password = entry.username, entry.password
        if entry.auth:
            try:
                text = base64.b64decode(entry.auth, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise RegistryError(f"{self._file}: the auth of {registry} is not base64") from None
            username, _, password = text.partition(":")
        login = RegistryLogin(
            username=username,
            password=password.rstrip("\0"),
            refresh_token=entry.identity_token,
            registry_token=entry.registry_token,
        )
        return None if login == RegistryLogin() else login


def _run_helper(helper: str, key: str) -> RegistryLogin | None:
    """Run `docker-credential-<helper> get`; None if it has no credentials. Raises RegistryError."""
    if not _HELPER.fullmatch(helper):
        raise RegistryError(f"{helper!r} is not a valid name of a credential helper")
    program = f"docker-credential-{helper}"
    path = shutil.which(program)
    if path is None:
        raise RegistryError(f"{program}, a credential helper in Docker's config.json, is not installed")
    try:
        result = subprocess.run(  # noqa: S603 - a list, and the name is checked
            [path, "get"], input=key.encode(), capture_output=True, check=False, timeout=_HELPER_SECONDS
        )
        if result.returncode:
            # Helpers report missing credentials by exit code 1 and a message that differs between helpers.
            return None
        response = msgspec.json.decode(result.stdout, type=_HelperResponse)
    except subprocess.TimeoutExpired:
        raise RegistryError(f"{program} did not respond within {_HELPER_SECONDS} seconds") from None
    except (OSError, msgspec.DecodeError):
        raise RegistryError(f"{program} returned an invalid response") from None
    if response.username == _TOKEN_USER:
        return RegistryLogin(refresh_token=response.secret)
    return RegistryLogin(username=response.username, password=response.secret)


def _auth_key(registry: str) -> str:
    return _DOCKER_HUB_KEY if registry == _DOCKER_HUB else registry


def _parse_host(key: str) -> str:
    """Return the host of a key in `auths`, which may be a URL."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]


_SCHEME: Final = re.compile(r"\s*(bearer|basic)(?:\s|$)", re.IGNORECASE)
_PARAMETER: Final = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Challenge(msgspec.Struct, frozen=True):
    """A challenge of the WWW-Authenticate header (RFC 9110 §11.6.1): scheme and parameters by lower-case name.

    The scheme is `bearer` or `basic`.
    """

    scheme: str
    parameters: dict[str, str]


def select_challenge(headers: Sequence[str]) -> Challenge | None:
    """Return the challenge to answer, or None; bearer tokens are preferred to passwords."""
    challenges = [
        Challenge(match[1].lower(), _parse_parameters(header[match.end() :]))
        for header in headers
        if (match := _SCHEME.match(header))
    ]
    return min(challenges, key=lambda challenge: challenge.scheme != "bearer", default=None)


def _parse_parameters(text: str) -> dict[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
        for name, quoted, bare in _PARAMETER.findall(text)
    }
