"""Environment variables of the command line. No other module of `kubekeep.cli` reads any."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final, TextIO

import msgspec

from kubekeep.kube.settings import find_home_folder
from kubekeep.model.cloud import AZURE_PUBLIC, AzureCloud, find_azure_cloud
from kubekeep.sources.options import TOKEN_VARIABLES, Access

_MAX_DIGITS: Final = 6
"""Digits of `COLUMNS`; a larger number is no width of a terminal."""
_WIDTH: Final = 100
"""Columns of an output that is not a terminal."""
_DUMB: Final = "dumb"
"""TERM of a terminal that does not interpret escape codes."""
_MAX_CONFIG: Final = 1 << 20
"""Maximum number of characters to read from a configuration file of another tool."""


class Settings(msgspec.Struct, frozen=True):
    """Terminal settings."""

    colour: bool
    """NO_COLOR is unset or empty (no-color.org), and TERM is not a terminal without colours."""
    links: bool
    """TERM names a terminal that is not known to misprint hyperlinks."""
    columns: int
    """COLUMNS; 0 if it is not a positive number."""


def settings() -> Settings:
    """Return the settings of this process."""
    return Settings(
        colour=not os.environ.get("NO_COLOR") and os.environ.get("TERM") != _DUMB,
        links=os.environ.get("TERM") not in (None, "", _DUMB, "linux"),
        columns=int(columns)
        if (columns := os.environ.get("COLUMNS", "")).isdecimal() and len(columns) <= _MAX_DIGITS
        else 0,
    )


def get_width(stream: TextIO) -> int:
    """Return the columns of a terminal: `COLUMNS`, else the size of the stream's terminal, else 100."""
    columns = settings().columns
    if columns:
        return columns
    # Not by shutil: it asks sys.__stdout__, which has been replaced.
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    return _WIDTH


def cache_folder() -> Path | None:
    """Return the folder for caches: below XDG_CACHE_HOME, or `.cache` at home; None without either."""
    cache_home, folder = os.environ.get("XDG_CACHE_HOME", ""), find_home_folder()
    if os.path.isabs(cache_home):  # noqa: PTH117 - the specification ignores relative paths
        return Path(cache_home) / "kubekeep"
    return Path(folder) / ".cache" / "kubekeep" if folder else None


def database_folder() -> Path | None:
    """Return the folder of the advisory database: KUBEKEEP_DATABASE, or `advisories` in the folder for caches."""
    if explicit := os.environ.get("KUBEKEEP_DATABASE"):
        return Path(explicit)
    folder = cache_folder()
    return folder / "advisories" if folder else None


class RegistrySettings(msgspec.Struct, frozen=True):
    """Settings of other tools for registries and keys."""

    docker_config: Path
    """Docker's `config.json`, in DOCKER_CONFIG or at home."""
    key_password: str | None
    """COSIGN_PASSWORD; None if unset, since an empty password is valid."""

    def __repr__(self) -> str:
        return "RegistrySettings(...)"


def registry_settings() -> RegistrySettings:
    """Return the settings of this process for registries."""
    return RegistrySettings(
        docker_config=Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json",
        key_password=os.environ.get("COSIGN_PASSWORD"),
    )


class IdentityVariables(msgspec.Struct, frozen=True):
    """Identity tokens of CI systems."""

    token: str
    """SIGSTORE_ID_TOKEN, which GitLab CI sets by `id_tokens`."""
    request_url: str
    """ACTIONS_ID_TOKEN_REQUEST_URL of GitHub Actions."""
    request_secret: str
    """ACTIONS_ID_TOKEN_REQUEST_TOKEN of GitHub Actions."""

    def __repr__(self) -> str:
        return "IdentityVariables(...)"


def identity_variables() -> IdentityVariables:
    """Return the identity tokens of this process."""
    get = os.environ.get
    return IdentityVariables(
        token=get("SIGSTORE_ID_TOKEN", ""),
        request_url=get("ACTIONS_ID_TOKEN_REQUEST_URL", ""),
        request_secret=get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", ""),
    )


class MasterKeyVariables(msgspec.Struct, frozen=True):
    """The master key of reports in the environment: a passphrase, or hexadecimal digits."""

    passphrase: str | None
    """KUBEKEEP_MASTER_KEY, or KUBESCAPE_MASTER_KEY."""
    hexadecimal: str | None
    """KUBEKEEP_MASTER_KEY_HEX, or KUBESCAPE_MASTER_KEY_HEX."""

    def __repr__(self) -> str:
        return "MasterKeys(...)"


def master_keys() -> MasterKeyVariables:
    """Return the master keys; empty variables count as unset."""
    get = os.environ.get
    return MasterKeyVariables(
        passphrase=get("KUBEKEEP_MASTER_KEY") or get("KUBESCAPE_MASTER_KEY") or None,
        hexadecimal=get("KUBEKEEP_MASTER_KEY_HEX") or get("KUBESCAPE_MASTER_KEY_HEX") or None,
    )


class RegistryLoginVariables(msgspec.Struct, frozen=True):
    """Credentials of a registry in variables of Kubescape: KUBESCAPE_REGISTRY_USERNAME, _PASSWORD and _TOKEN."""

    username: str
    password: str
    token: str

    def __repr__(self) -> str:
        return "RegistryLoginVariables(...)"


def kubescape_login() -> RegistryLoginVariables:
    """Return the credentials of a registry for `kubekeep kubescape`."""
    get = os.environ.get
    return RegistryLoginVariables(
        get("KUBESCAPE_REGISTRY_USERNAME", ""),
        get("KUBESCAPE_REGISTRY_PASSWORD", ""),
        get("KUBESCAPE_REGISTRY_TOKEN", ""),
    )


def access() -> Access:
    """Return the settings for remote repositories: the environment for git, and tokens separately."""
    environment = dict(os.environ)
    return Access(environment, {name: environment[name] for name in TOKEN_VARIABLES if name in environment})


def azure_cloud() -> AzureCloud:
    """Return the Azure cloud from the settings of the Azure SDK and command line; else the public one.

    AZURE_SDK_CLOUD_CONF names it, AZURE_AUTHORITY_HOST is the address of its token service, and `az cloud set`
    writes it to `config` in AZURE_CONFIG_DIR or `.azure` at home.
    """
    get = os.environ.get
    authority = (get("AZURE_AUTHORITY_HOST") or "").removeprefix("https://").rstrip("/")
    for name in (get("AZURE_SDK_CLOUD_CONF"), authority, _read_az_cloud()):
        if name and (cloud := find_azure_cloud(name)):
            return cloud
    return AZURE_PUBLIC


def _read_az_cloud() -> str:
    """Return the name written by `az cloud set`; empty without one."""
    folder, home = os.environ.get("AZURE_CONFIG_DIR"), find_home_folder()
    if not folder and not home:
        return ""
    import configparser  # noqa: PLC0415 - only with settings of the Azure CLI

    parser = configparser.ConfigParser(interpolation=None)
    try:
        with Path(folder or f"{home}/.azure", "config").open(encoding="utf-8-sig") as file:
            parser.read_string(file.read(_MAX_CONFIG))
    except (OSError, ValueError, configparser.Error):
        return ""
    return parser.get("cloud", "name", fallback="")
