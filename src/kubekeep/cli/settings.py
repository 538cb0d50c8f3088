"""The environment variables that the terminal face obeys; no other module of it reads any."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.kube.settings import home_folder
from kubekeep.model.cloud import AZURE_PUBLIC, AzureCloud, find_azure_cloud
from kubekeep.sources.options import TOKEN_VARIABLES, Access

_CONFIG: Final = 1 << 20
"""Characters that are read of a file of another tool."""


class Settings(msgspec.Struct, frozen=True):
    """How the terminal wants output."""

    colour: bool
    """NO_COLOR is unset or empty (no-color.org)."""
    links: bool
    """TERM names a terminal that is known not to print hyperlinks as rubbish."""


def settings() -> Settings:
    """The settings of this process."""
    return Settings(
        colour=not os.environ.get("NO_COLOR"),
        links=os.environ.get("TERM") not in (None, "", "dumb", "linux"),
    )


def cache_folder() -> Path | None:
    """Where what can be found out again is kept: below XDG_CACHE_HOME, or `.cache` at home; None without either."""
    named, folder = os.environ.get("XDG_CACHE_HOME", ""), home_folder()
    if os.path.isabs(named):  # noqa: PTH117 - the specification has others ignored
        return Path(named) / "kubekeep"
    return Path(folder) / ".cache" / "kubekeep" if folder else None


class RegistrySettings(msgspec.Struct, frozen=True):
    """What the tools beside us have told about registries and keys."""

    docker_config: Path
    """Docker's `config.json`, in DOCKER_CONFIG or at home."""
    key_password: str | None
    """COSIGN_PASSWORD; None when it is unset, as an empty password is one too."""

    def __repr__(self) -> str:
        return "RegistrySettings(...)"


def registry_settings() -> RegistrySettings:
    """The settings of this process for registries."""
    return RegistrySettings(
        docker_config=Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json",
        key_password=os.environ.get("COSIGN_PASSWORD"),
    )


class MasterKeys(msgspec.Struct, frozen=True):
    """The master key of reports as this process was told it: a sentence, or hexadecimal digits."""

    words: str | None
    """KUBEKEEP_MASTER_KEY, or KUBESCAPE_MASTER_KEY."""
    hexadecimal: str | None
    """KUBEKEEP_MASTER_KEY_HEX, or KUBESCAPE_MASTER_KEY_HEX."""

    def __repr__(self) -> str:
        return "MasterKeys(...)"


def master_keys() -> MasterKeys:
    """The master keys that are set; empty ones are not."""
    of = os.environ.get
    return MasterKeys(
        words=of("KUBEKEEP_MASTER_KEY") or of("KUBESCAPE_MASTER_KEY") or None,
        hexadecimal=of("KUBEKEEP_MASTER_KEY_HEX") or of("KUBESCAPE_MASTER_KEY_HEX") or None,
    )


def access() -> Access:
    """What this process has told about reaching repositories: everything for git, and tokens apart."""
    environment = dict(os.environ)
    return Access(environment, {name: environment[name] for name in TOKEN_VARIABLES if name in environment})


def azure_cloud() -> AzureCloud:
    """The cloud of Azure that this process was told, as the SDK and the command line of Azure are; else the public one.

    AZURE_SDK_CLOUD_CONF names it, AZURE_AUTHORITY_HOST is the address of who gives tokens there, and `az cloud set`
    writes it to `config` in AZURE_CONFIG_DIR or `.azure` at home.
    """
    of = os.environ.get
    authority = (of("AZURE_AUTHORITY_HOST") or "").removeprefix("https://").rstrip("/")
    for name in (of("AZURE_SDK_CLOUD_CONF"), authority, _set_by_az()):
        if name and (known := find_azure_cloud(name)):
            return known
    return AZURE_PUBLIC


def _set_by_az() -> str:
    """What `az cloud set` has written; empty without it."""
    folder, own = os.environ.get("AZURE_CONFIG_DIR"), home_folder()
    if not folder and not own:
        return ""
    written = configparser.ConfigParser(interpolation=None)
    try:
        with Path(folder or f"{own}/.azure", "config").open(encoding="utf-8-sig") as file:
            written.read_string(file.read(_CONFIG))
    except (OSError, ValueError, configparser.Error):
        return ""
    return written.get("cloud", "name", fallback="")
