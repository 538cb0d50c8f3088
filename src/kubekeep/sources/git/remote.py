"""How git is set up to reach a remote repository: nothing of this machine's configuration but the way to the network.

Proxies and certificates are taken over from the environment and from the user's and the machine's configuration; the
user's ssh works as it does, with its agent and configuration. Credentials travel in the environment of git alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final

from kubekeep.sources.git.address import Address, Login
from kubekeep.sources.git.program import TOP, Git

_KEPT_CONFIG: Final = r"^http\.(.*\.)?(proxy|sslcainfo|sslcapath|sslcert|sslkey)$"
_NETWORK: Final = (
    "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT",
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY",
)  # fmt: skip
_TOKEN_LENGTH: Final = 16
_HELPER: Final = (
    '!f() { test "$1" = get && printf "%s\\n" "username=$KUBEKEEP_GIT_USERNAME" "password=$KUBEKEEP_GIT_PASSWORD"; }; f'
)
"""A credential helper that tells what is in its environment, which only this user can read. The text is constant, and
printf is a part of the shell: no process has the secret among its arguments."""


def git_for(address: Address, login: Login | None, environment: Mapping[str, str]) -> Git:
    """Git with nothing of this machine's configuration but proxies and certificates, and with the credentials."""
    config = [
        *_kept_config(environment),
        ("core.hooksPath", os.devnull),
        ("core.fsmonitor", "false"),
        ("core.attributesFile", os.devnull),
        ("core.protectHFS", "true"),
        ("core.protectNTFS", "true"),
        ("core.autocrlf", "false"),
        ("core.bigFileThreshold", "16m"),
        ("core.longPaths", "true"),
        ("init.defaultBranch", "main"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("submodule.recurse", "false"),
        ("advice.detachedHead", "false"),
        # The first answer may tell that the repository moved; what would send credentials after it is git's own
        # look-up, which asks by host.
        ("http.followRedirects", "initial"),
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", "120"),
    ]
    # A redirect from http to https is as good as what was asked for; the other way round is not.
    schemes = {"http": "http:https"}.get(address.scheme, address.scheme)
    variables = {name: environment[name] for name in _NETWORK if name in environment}
    if "SSL_CERT_FILE" in environment:
        variables.setdefault("GIT_SSL_CAINFO", environment["SSL_CERT_FILE"])
    if "GIT_SSH" not in variables:
        variables.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=30")
    variables |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": schemes,
        "GIT_LFS_SKIP_SMUDGE": "1",
    }
    if login is None:
        return Git(environment, config=config, variables=variables)
    config.append((f"credential.{address.scheme}://{address.host}.helper", _HELPER))
    variables |= {"KUBEKEEP_GIT_USERNAME": login.username, "KUBEKEEP_GIT_PASSWORD": login.password}
    # A long name may be a secret too: some hosts take a token there.
    secrets = [login.password, login.username if len(login.username) >= _TOKEN_LENGTH else ""]
    return Git(environment, config=config, variables=variables, secrets=secrets)


def _kept_config(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """How this user reaches the network: proxies and certificates from the user's and the machine's configuration."""
    plain = Git(environment)
    for scope in ("--system", "--global"):
        # 1: nothing found, or no such file.
        told = plain.run(
            ["config", scope, "--includes", "-z", "--get-regexp", _KEPT_CONFIG],
            folder=TOP,
            seconds=10,
            accepted=(0, 1),
        )
        for entry in told.decode("utf-8", "surrogateescape").split("\0"):
            key, newline, value = entry.partition("\n")
            if newline:
                yield key, value
