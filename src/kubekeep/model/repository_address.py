"""Addresses of repositories in the form that identifies them: the same for all ways to clone one. No I/O."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_CASELESS_HOSTS: Final = frozenset({"github.com", "gitlab.com", "bitbucket.org", "dev.azure.com"})
"""Hosts that ignore the case of letters in the path of a repository."""
_AZURE_SSH: Final = "ssh.dev.azure.com/v3/"
_SCP: Final = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?([^@/:\s]{2,}):(?!//)([^-:\s][^@\s]*)")
"""The short form of ssh addresses: `git@host:owner/repo.git`."""
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def normalise_address(address: str) -> str:
    """Return the address of a repository without scheme, user, port of ssh, query and `.git`; empty for a local path.

    `git@github.com:Shop/web.git` and `https://github.com/shop/web` are `github.com/shop/web`.
    """
    if not address.isprintable():
        return ""
    host, path = _split_url(address) if "://" in address else _split_short_form(address)
    path = path.strip("/").removesuffix(".git").rstrip("/")
    if not _HOST.fullmatch(host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host) or not path:
        return ""
    url = f"{host}/{path}"
    if url.startswith(_AZURE_SSH):
        # Azure's ssh addresses have another form: v3/organisation/project/repository.
        organisation, project, name = (*url.removeprefix(_AZURE_SSH).split("/"), "", "")[:3]
        url = f"dev.azure.com/{organisation}/{project}/_git/{name}"
    return url.lower() if url.partition("/")[0] in _CASELESS_HOSTS else url


def _split_url(address: str) -> tuple[str, str]:
    """Return host, with a port that is not the default one, and path of a URL; empty texts for an invalid one."""
    try:
        parts = urlsplit(address.removeprefix("git+"))
        port = parts.port
    except ValueError:
        return "", ""
    if parts.scheme not in (*_DEFAULT_PORTS, "ssh"):
        return "", ""
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    is_named = port is not None and parts.scheme != "ssh" and port != _DEFAULT_PORTS[parts.scheme]
    return (f"{host}:{port}" if is_named else host), parts.path


def _split_short_form(address: str) -> tuple[str, str]:
    match = _SCP.fullmatch(address)
    return (match[1].lower(), match[2]) if match else ("", "")
