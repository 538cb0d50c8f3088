"""Settings of this process for registries: files and variables with credentials, as other tools use them.

Reads no file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from kubekeep.registry.login import RegistryLogin


class RegistryVariables(msgspec.Struct, frozen=True):
    """Places of credentials, and credentials in variables by registry.

    files: in the format of Docker's config.json; the first one with credentials for a registry decides.
    """

    files: tuple[str, ...]
    logins: Mapping[str, RegistryLogin]

    def __repr__(self) -> str:
        return f"RegistryVariables({self.files!r}, ...)"


def read_registry_variables() -> RegistryVariables:
    """Return the settings of this process.

    Credentials in KUBEKEEP_REGISTRY_USERNAME and KUBEKEEP_REGISTRY_PASSWORD, or KUBEKEEP_REGISTRY_TOKEN, belong to the
    registry in KUBEKEEP_REGISTRY and are never sent to another one.
    """
    get = os.environ.get
    login = RegistryLogin(
        username=get("KUBEKEEP_REGISTRY_USERNAME", ""),
        password=get("KUBEKEEP_REGISTRY_PASSWORD", ""),
        registry_token=get("KUBEKEEP_REGISTRY_TOKEN", ""),
    )
    registry = get("KUBEKEEP_REGISTRY", "")
    logins = {registry: login} if registry and login != RegistryLogin() else {}
    return RegistryVariables(files=tuple(_list_files()), logins=logins)


def _list_files() -> list[str]:
    """Return the files in the order of containers-auth.json(5); a file in a variable replaces the others."""
    get = os.environ.get
    if explicit := get("REGISTRY_AUTH_FILE"):
        return [explicit]
    if docker_config := get("DOCKER_CONFIG"):
        return [str(Path(docker_config, "config.json"))]
    files = []
    if runtime := get("XDG_RUNTIME_DIR"):
        files.append(str(Path(runtime, "containers", "auth.json")))
    try:
        home = Path.home()
    except RuntimeError:
        return files
    config_home = get("XDG_CONFIG_HOME") or home / ".config"
    return [*files, str(Path(config_home, "containers", "auth.json")), str(home / ".docker" / "config.json")]
