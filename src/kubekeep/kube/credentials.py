"""Credentials sent to the API server, renewed when they expire; runs credential plugins without a shell.

Plugins follow client.authentication.k8s.io `v1` and `v1beta1`. Credentials stay in memory and are never displayed.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import IO, Final

import msgspec

from kubekeep.kube.access import Certificate, ClusterLogin, Plugin
from kubekeep.kube.errors import LoginError
from kubekeep.kube.files import read_regular_file
from kubekeep.model.text import visible

_FILE_SECONDS: Final = 60
"""Seconds before a token file is read again; kubelets rotate tokens minutes before they expire."""
_MAX_TOKEN_FILE: Final = 1 << 20
_RERUN_SECONDS: Final = 5.0
"""Seconds before a plugin that failed or returned nothing new runs again: it may prompt the user or call a service."""


class RequestCredentials(msgspec.Struct, frozen=True):
    """The Authorization header and the client certificate of a request."""

    header: str = ""
    certificate: Certificate | None = None

    def __repr__(self) -> str:
        return "RequestCredentials(...)"


class Credentials:
    """The current credentials of a login; usable from several threads."""

    def __init__(
        self,
        login: ClusterLogin,
        environment: Mapping[str, str],
        *,
        terminal: bool,
        stop: threading.Event | None = None,
    ) -> None:
        """Create the credentials.

        Plugins inherit `environment`, may prompt the user if there is a `terminal`, and are stopped when `stop` is set.
        """
        self._stop = stop or threading.Event()
        self._login = login
        self._environment = environment
        self._terminal = terminal
        self._lock = threading.Lock()
        self._plugin_credentials: PluginCredentials | None = None
        self._failure = ""
        self._next_plugin_run = -float("inf")
        """Time on the monotonic clock before which the plugin is not run again."""
        self._read_at = -float("inf")
        self._token = ""

    def get_current(self) -> RequestCredentials:
        """Return the current credentials. Raises LoginError."""
        with self._lock:
            return self._get_current()

    def renew(self, rejected: RequestCredentials) -> RequestCredentials | None:
        """Return credentials other than the rejected ones, or None if there are none. Raises LoginError."""
        with self._lock:
            current = self._get_current()
            if current != rejected:
                return current
            if time.monotonic() < self._next_plugin_run:
                return None
            self._plugin_credentials = None
            self._read_at = -float("inf")
            renewed = self._get_current()
            if renewed != rejected:
                return renewed
            if self._plugin is not None:
                self._next_plugin_run = time.monotonic() + _RERUN_SECONDS
            return None

    @property
    def _plugin(self) -> Plugin | None:
        """The plugin, if no credential of higher precedence is set."""
        login = self._login
        return None if login.token or login.token_file or login.username else login.plugin

    def _get_current(self) -> RequestCredentials:
        login = self._login
        if self._plugin is not None:
            credentials = self._plugin_credentials
            if credentials is None or (
                credentials.expires is not None and credentials.expires <= dt.datetime.now(dt.UTC)
            ):
                credentials = self._plugin_credentials = self._run_plugin(self._plugin)
            return RequestCredentials(_format_bearer(credentials.token), credentials.certificate or login.certificate)
        if login.token_file:
            return RequestCredentials(_format_bearer(self._load_token(login.token_file)), login.certificate)
        if login.token:
            return RequestCredentials(_format_bearer(login.token), login.certificate)
        if login.username:
            pair = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
            return RequestCredentials(f"Basic {pair}", login.certificate)
        return RequestCredentials("", login.certificate)

    def _run_plugin(self, plugin: Plugin) -> PluginCredentials:
        """Run the plugin. For some seconds after a failure the error is raised again without running it.

        Many threads may need credentials at the same time.
        """
        if self._failure and time.monotonic() < self._next_plugin_run:
            raise LoginError(self._failure)
        try:
            credentials = run_plugin(plugin, self._environment, terminal=self._terminal, stop=self._stop)
        except LoginError as error:
            self._failure, self._next_plugin_run = str(error), time.monotonic() + _RERUN_SECONDS
            raise
        self._failure = ""
        return credentials

    def _load_token(self, path: str) -> str:
        now = time.monotonic()
        if now - self._read_at >= _FILE_SECONDS:
            # The previous token is still better than none while the file is being replaced.
            self._token = _read_token(path) or self._token or self._login.token
            if not self._token:
                raise LoginError(f"{visible(path)}: no readable token in this file")
            self._read_at = now
        return self._token


def _read_token(path: str) -> str:
    """Return the token in a file, or ""."""
    try:
        return read_regular_file(path, _MAX_TOKEN_FILE).decode("ascii").strip()
    except (OSError, ValueError):
        return ""


def _format_bearer(token: str) -> str:
    token = token.strip()
    if not token:
        return ""
    # httpx would quote an invalid header in its error.
    if not (token.isascii() and token.isprintable()):
        raise LoginError("the token contains invalid characters")
    return f"Bearer {token}"


_TIMEOUT_SECONDS: Final = 120
"""Time limit in seconds of a plugin that does not prompt the user."""
_MAX_OUTPUT: Final = 1 << 20
_POLL_SECONDS: Final = 0.25
"""Interval in seconds of checks for the end of the connection."""


class PluginCredentials(msgspec.Struct, frozen=True):
    """Credentials returned by a plugin; `expires` is the expiry, None if they do not expire."""

    token: str = ""
    certificate: Certificate | None = None
    expires: dt.datetime | None = None

    def __repr__(self) -> str:
        return "PluginCredentials(...)"


class _CredentialStatus(msgspec.Struct, frozen=True, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: dt.datetime | None = None

    def __repr__(self) -> str:
        return "_CredentialStatus(...)"


class _ExecCredential(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    status: _CredentialStatus | None = None


def run_plugin(
    plugin: Plugin, environment: Mapping[str, str], *, terminal: bool, stop: threading.Event
) -> PluginCredentials:
    """Run the program of `plugin` and return its credentials. Raises LoginError.

    The program inherits `environment`, may prompt the user if there is a `terminal`, and is stopped when `stop` is set.
    """
    is_interactive = terminal and plugin.interactive != "Never"
    if plugin.interactive == "Always" and not is_interactive:
        raise LoginError(f"{_format_command(plugin)} requires interaction, but there is no terminal")
    command = _find_command(plugin, environment)
    exec_info = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": {"interactive": is_interactive}}
    if plugin.cluster is not None:
        exec_info["spec"] = {"cluster": plugin.cluster, "interactive": is_interactive}
    try:
        process = subprocess.Popen(  # noqa: S603 - the program that the kubeconfig names, as kubectl runs it
            [command, *plugin.args],
            env={**environment, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(exec_info)},
            stdin=None if is_interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
    except OSError as error:
        raise LoginError(f"{_format_command(plugin)} cannot be run: {error.strerror}") from error
    try:
        output = _read_output(plugin, process, float("inf") if is_interactive else _TIMEOUT_SECONDS, stop)
    finally:
        # A child of the program may hold the other end of the pipe.
        if process.stdout is not None:
            process.stdout.close()
        process.kill()
        process.wait()
    if process.returncode:
        raise LoginError(f"{_format_command(plugin)} returned no credentials: exit code {process.returncode}")
    return _parse_credentials(plugin, output)


def _read_output(plugin: Plugin, process: subprocess.Popen[bytes], seconds: float, stop: threading.Event) -> bytes:
    """Return the output of the program after it has ended."""
    deadline = time.monotonic() + seconds
    output = bytearray()
    reader = threading.Thread(target=_read_pipe, args=(process.stdout, output), daemon=True)
    reader.start()
    while not stop.is_set():
        reader.join(_POLL_SECONDS)
        if len(output) > _MAX_OUTPUT:
            raise LoginError(
                f"{_format_command(plugin)} returned no credentials: its output exceeds {_MAX_OUTPUT} bytes"
            )
        if not reader.is_alive():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
                return bytes(output)
        if time.monotonic() > deadline:
            raise LoginError(f"{_format_command(plugin)} returned no credentials within {seconds} seconds")
    raise LoginError(f"{_format_command(plugin)} was stopped: the connection was closed")


def _read_pipe(stream: IO[bytes], buffer: bytearray) -> None:
    """Read a pipe until it ends or exceeds the maximum output."""
    # Another thread may close it.
    with contextlib.suppress(OSError, ValueError):
        while len(buffer) <= _MAX_OUTPUT and (piece := os.read(stream.fileno(), 1 << 16)):
            buffer += piece


def _find_command(plugin: Plugin, environment: Mapping[str, str]) -> str:
    """Return the path of the program."""
    if "\0" in "".join((plugin.command, *plugin.args, *(part for pair in plugin.env for part in pair))):
        raise LoginError(f"{_format_command(plugin)} cannot be run: its arguments or variables contain a NUL character")
    command = shutil.which(plugin.command, path=environment.get("PATH", os.defpath))
    if command is None:
        hint = f"\n{visible(plugin.install_hint)}" if plugin.install_hint else ""
        raise LoginError(f"{_format_command(plugin)}, a credential plugin of the kubeconfig, is not installed{hint}")
    return command


def _parse_credentials(plugin: Plugin, output: bytes) -> PluginCredentials:
    try:
        credential = msgspec.json.decode(output, type=_ExecCredential)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The message contains the position of the error, never the output.
        raise LoginError(f"{_format_command(plugin)} did not return an ExecCredential: {visible(str(error))}") from None
    if credential.kind != "ExecCredential" or credential.api_version != plugin.api_version:
        raise LoginError(f"{_format_command(plugin)} did not return an ExecCredential of {plugin.api_version}")
    status = credential.status or _CredentialStatus()
    token = status.token or ""
    pair = (status.client_certificate_data or "", status.client_key_data or "")
    if any(pair) != all(pair) or not (token or all(pair)):
        raise LoginError(f"{_format_command(plugin)} returned neither a token nor a certificate with its key")
    expires = status.expiration_timestamp
    return PluginCredentials(
        token=token,
        certificate=Certificate(pair[0].encode(), pair[1].encode()) if all(pair) else None,
        expires=expires.replace(tzinfo=dt.UTC) if expires is not None and expires.tzinfo is None else expires,
    )


def _format_command(plugin: Plugin) -> str:
    return f"the program {visible(plugin.command)!r}"
