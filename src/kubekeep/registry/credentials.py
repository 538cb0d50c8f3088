"""Authentication at registries: challenges, and credentials from files in Docker's format or credential helpers.

The files are Docker's and Podman's, and those that Kubernetes mounts for pull secrets. Credentials are read when a
registry requests them; nothing is written, and secrets are never displayed.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.registry.errors import RegistryError
from kubekeep.registry.login import RegistryLogin
from kubekeep.registry.reference import DOCKER_HUB, DOCKER_HUB_NAMES

_DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"
"""Key of Docker Hub in config.json."""
_OLD_PATHS: Final = ("", "v1", "v2")
"""Paths in addresses of registries that are no part of a repository."""
_LARGEST_FILE: Final = 4 << 20
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS: Final = 30
_TOKEN_USER: Final = "<token>"  # noqa: S105 - the name of a user
"""User name of a helper's response that contains a refresh token."""


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
    """Credentials in files of Docker's format; a missing file is empty. The first file with credentials decides.

    `logins` has credentials by registry that take precedence over the files.
    """

    def __init__(self, *files: Path, logins: Mapping[str, RegistryLogin] | None = None) -> None:
        """Remember the paths; the files are read on the first request."""
        self._files = files
        self._logins = logins or {}

    def find_login(self, registry: str, repository: str = "") -> RegistryLogin | None:
        """Return the credentials for `registry`, or None. Raises RegistryError.

        Credentials for a part of the registry are valid if `repository` is in it.
        """
        if registry in self._logins:
            return self._logins[registry]
        logins = (_find_in_file(file, registry, repository) for file in self._files)
        return next((login for login in logins if login is not None), None)


def _find_in_file(file: Path, registry: str, repository: str) -> RegistryLogin | None:
    config = _read_config(file)
    helper = config.helpers.get(registry) or config.store
    if helper and (login := _run_helper(helper, _auth_key(registry))):
        return login
    keys = [(_match_key(key, registry, repository), key) for key in config.auths]
    precision, key = max(keys, default=(0, ""))
    return _create_login(config.auths[key], registry, file) if precision else None


def _match_key(key: str, registry: str, repository: str) -> int:
    """Return the precision of a key in `auths` for a repository, 0 if it does not match.

    A key is a registry with an optional part of a repository, and may be a URL (docker, containers-auth.json(5)). Its
    host may contain wildcards for parts of names (Kubernetes, private images).
    """
    host, _, path = key.rpartition("://")[2].rstrip("/").partition("/")
    if host in DOCKER_HUB_NAMES:
        host = DOCKER_HUB
    if path not in _OLD_PATHS and not f"{repository}/".startswith(f"{path}/"):
        return 0
    if host != registry and not (
        "*" in host
        and host.count(".") == registry.count(".")
        and all(map(fnmatch.fnmatchcase, registry.split("."), host.split(".")))
    ):
        return 0
    return 2 + 2 * len(path) * (path not in _OLD_PATHS) - (host != registry)


def _read_config(file: Path) -> _DockerConfig:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise RegistryError(f"{file}: larger than {_LARGEST_FILE:,} bytes")
        config = msgspec.json.decode(content, type=_DockerConfig)
        if config == _DockerConfig() and file.name == ".dockercfg":
            # The format before config.json, still a type of secrets in Kubernetes.
            return _DockerConfig(auths=msgspec.json.decode(content, type=dict[str, _DockerAuth]))
    except (FileNotFoundError, NotADirectoryError):
        return _DockerConfig()
    except OSError as error:
        raise RegistryError(f"{file}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The decoder's message may quote a secret from the file.
        raise RegistryError(f"{file}: not a valid config.json of Docker") from None
    return config


def _create_login(entry: _DockerAuth, registry: str, file: Path) -> RegistryLogin | None:
    username, password = entry.username, entry.password
    if entry.auth:
        try:
            text = base64.b64decode(entry.auth, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise RegistryError(f"{file}: the auth of {registry} is not base64") from None
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
    return _DOCKER_HUB_KEY if registry == DOCKER_HUB else registry


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
