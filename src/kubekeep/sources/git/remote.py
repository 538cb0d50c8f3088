"""Settings of git for remote repositories, independent of the configuration of this machine except for the network.

Proxies and certificates come from the environment and from the configuration of the user and the machine; ssh uses the
user's agent and configuration. Credentials are passed in the environment of git only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final

from kubekeep.sources.git.address import Address, Login
from kubekeep.sources.git.program import TOP, Git

_NETWORK_CONFIG: Final = r"^http\.(.*\.)?(proxy|sslcainfo|sslcapath|sslcert|sslkey)$"
_NETWORK_VARIABLES: Final = (
    "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT",
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY",
)  # fmt: skip
_TOKEN_LENGTH: Final = 16
_HELPER: Final = (
    '!f() { test "$1" = get && printf "%s\\n" "username=$KUBEKEEP_GIT_USERNAME" "password=$KUBEKEEP_GIT_PASSWORD"; }; f'
)
"""Credential helper that prints variables of its environment, which only this user can read. The text is constant, and
printf is built into the shell: no process has the secret among its arguments."""


def configure_git(address: Address, login: Login | None, environment: Mapping[str, str]) -> Git:
    """Return git with the credentials, and with only proxies and certificates of this machine's configuration."""
    config = [
        *_read_network_config(environment),
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
        # Only the first response may redirect; git looks up credentials by host.
        ("http.followRedirects", "initial"),
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", "120"),
    ]
    # A redirect from http to https is allowed, the reverse is not.
    schemes = {"http": "http:https"}.get(address.scheme, address.scheme)
    variables = {name: environment[name] for name in _NETWORK_VARIABLES if name in environment}
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
    # A long name may be a secret: some hosts accept a token there.
    secrets = [login.password, login.username if len(login.username) >= _TOKEN_LENGTH else ""]
    return Git(environment, config=config, variables=variables, secrets=secrets)


def _read_network_config(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the settings of proxies and certificates from the configuration of the user and the machine."""
    git = Git(environment)
    for scope in ("--system", "--global"):
        # 1: no match, or no such file.
        output = git.run(
            ["config", scope, "--includes", "-z", "--get-regexp", _NETWORK_CONFIG],
            folder=TOP,
            seconds=10,
            exit_codes=(0, 1),
        )
        for entry in output.decode("utf-8", "surrogateescape").split("\0"):
            key, newline, value = entry.partition("\n")
            if newline:
                yield key, value
