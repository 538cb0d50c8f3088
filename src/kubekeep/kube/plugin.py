"""Credentials that a program hands out (client.authentication.k8s.io, `v1` and `v1beta1`).

Runs the program that the kubeconfig names, without a shell; keeps what it says in memory only, and never shows it.
"""

from __future__ import annotations

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

from kubekeep.kube.access import Certificate, Plugin
from kubekeep.kube.errors import LoginError
from kubekeep.model.text import visible

_SECONDS: Final = 120
"""How long a program may take that asks nobody."""
_MOST_BYTES: Final = 1 << 20
_LOOK: Final = 0.25
"""Seconds after which who waits looks whether all is over."""


class Handed(msgspec.Struct, frozen=True):
    """What a program handed out, and until when it is good; None for as long as the program has to be asked once."""

    token: str = ""
    certificate: Certificate | None = None
    until: dt.datetime | None = None

    def __repr__(self) -> str:
        return "Handed(...)"


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: dt.datetime | None = None

    def __repr__(self) -> str:
        return "_Status(...)"


class _Credential(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    status: _Status | None = None


def ask(plugin: Plugin, environment: Mapping[str, str], *, terminal: bool, ended: threading.Event) -> Handed:
    """What the program of `plugin` hands out. Raises LoginError.

    `environment` is what it inherits; with a `terminal`, it may ask the person there. It ends with `ended`.
    """
    asks = terminal and plugin.interactive != "Never"
    if plugin.interactive == "Always" and not asks:
        raise LoginError(f"{_shown(plugin)} has to ask a person, and there is no terminal")
    command = _found(plugin, environment)
    told = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": {"interactive": asks}}
    if plugin.cluster is not None:
        told["spec"] = {"cluster": plugin.cluster, "interactive": asks}
    try:
        process = subprocess.Popen(  # noqa: S603 - the program that the kubeconfig names, as kubectl runs it
            [command, *plugin.args],
            env={**environment, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(told)},
            stdin=None if asks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
    except OSError as error:
        raise LoginError(f"{_shown(plugin)} cannot be run: {error.strerror}") from error
    try:
        output = _output(plugin, process, float("inf") if asks else _SECONDS, ended)
    finally:
        # What it has started itself may hold the other end of the pipe.
        if process.stdout is not None:
            process.stdout.close()
        process.kill()
        process.wait()
    if process.returncode:
        raise LoginError(f"{_shown(plugin)} gave no credentials: exit code {process.returncode}")
    return _read(plugin, output)


def _output(plugin: Plugin, process: subprocess.Popen[bytes], seconds: float, ended: threading.Event) -> bytes:
    """All that the program says until it ends by itself."""
    until = time.monotonic() + seconds
    said = bytearray()
    reader = threading.Thread(target=_gather, args=(process.stdout, said), daemon=True)
    reader.start()
    while not ended.is_set():
        reader.join(_LOOK)
        if len(said) > _MOST_BYTES:
            raise LoginError(f"{_shown(plugin)} gave no credentials: it says more than {_MOST_BYTES} bytes")
        if not reader.is_alive():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
                return bytes(said)
        if time.monotonic() > until:
            raise LoginError(f"{_shown(plugin)} gave no credentials within {seconds} seconds")
    raise LoginError(f"{_shown(plugin)} was not waited for: the connection was closed")


def _gather(stream: IO[bytes], into: bytearray) -> None:
    """Read a pipe until it ends or has said too much."""
    # It may be closed under us.
    with contextlib.suppress(OSError, ValueError):
        while len(into) <= _MOST_BYTES and (piece := os.read(stream.fileno(), 1 << 16)):
            into += piece


def _found(plugin: Plugin, environment: Mapping[str, str]) -> str:
    """The path of the program."""
    if "\0" in "".join((plugin.command, *plugin.args, *(part for pair in plugin.env for part in pair))):
        raise LoginError(f"{_shown(plugin)} cannot be run: a character in what it is given is zero")
    command = shutil.which(plugin.command, path=environment.get("PATH", os.defpath))
    if command is None:
        hint = f"\n{visible(plugin.install_hint)}" if plugin.install_hint else ""
        raise LoginError(f"{_shown(plugin)}, which gives the credentials, is not installed{hint}")
    return command


def _read(plugin: Plugin, output: bytes) -> Handed:
    try:
        said = msgspec.json.decode(output, type=_Credential)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The message tells where the output is wrong, never what it says.
        raise LoginError(f"{_shown(plugin)} said no ExecCredential: {visible(str(error))}") from None
    if said.kind != "ExecCredential" or said.api_version != plugin.api_version:
        raise LoginError(f"{_shown(plugin)} said no ExecCredential of {plugin.api_version}")
    status = said.status or _Status()
    token = status.token or ""
    pair = (status.client_certificate_data or "", status.client_key_data or "")
    if any(pair) != all(pair) or not (token or all(pair)):
        raise LoginError(f"{_shown(plugin)} gave neither a token nor a certificate with its key")
    until = status.expiration_timestamp
    return Handed(
        token=token,
        certificate=Certificate(pair[0].encode(), pair[1].encode()) if all(pair) else None,
        until=until.replace(tzinfo=dt.UTC) if until is not None and until.tzinfo is None else until,
    )


def _shown(plugin: Plugin) -> str:
    return f"the program {visible(plugin.command)!r}"
