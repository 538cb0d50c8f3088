"""Settings of this process for access to images: credentials for registries, and sockets of the Docker daemon.

Reads no file.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kubekeep.images.access.options import DOCKER_SOCKET, AccessOptions
from kubekeep.registry.settings import read_registry_variables


def read_access_options() -> AccessOptions:
    """Return options with the settings of this process and defaults for everything else."""
    variables = read_registry_variables()
    return AccessOptions(auth_files=variables.files, logins=variables.logins, docker_hosts=_list_docker_hosts())


def _list_docker_hosts() -> tuple[str, ...]:
    """Return DOCKER_HOST, else the sockets of Docker, rootless Docker and Docker Desktop."""
    if host := os.environ.get("DOCKER_HOST"):
        return (host,)
    hosts = [DOCKER_SOCKET]
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        hosts.append(f"unix://{Path(runtime, 'docker.sock')}")
    with contextlib.suppress(RuntimeError):
        hosts.append(f"unix://{Path.home() / '.docker' / 'run' / 'docker.sock'}")
    return tuple(hosts)
