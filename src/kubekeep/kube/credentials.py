"""What is sent to the API server to say who one is, renewed when it grows old. Never shown, never stored."""

from __future__ import annotations

import base64
import datetime as dt
import threading
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from kubekeep.kube.access import Certificate, Login, Plugin
from kubekeep.kube.errors import LoginError
from kubekeep.kube.plugin import Handed, ask
from kubekeep.model.text import visible

_FILE_SECONDS: Final = 60
"""How long the token of a file is used before the file is read again: kubelets replace it minutes before its end."""
_MOST_BYTES: Final = 1 << 20
_AGAIN: Final = 5.0
"""Seconds for which a program that gave nothing new is not run again: it may ask a person, or a service that is busy."""


class Held(msgspec.Struct, frozen=True):
    """The credentials of the moment: the value of the header `Authorization`, and the certificate."""

    header: str = ""
    certificate: Certificate | None = None

    def __repr__(self) -> str:
        return "Held(...)"


class Credentials:
    """The credentials of one login; several threads may ask for them."""

    def __init__(
        self, login: Login, environment: Mapping[str, str], *, terminal: bool, ended: threading.Event | None = None
    ) -> None:
        """`environment` is what programs inherit; with a `terminal` they may ask the person there. They end with `ended`."""
        self._ended = ended or threading.Event()
        self._login = login
        self._environment = environment
        self._terminal = terminal
        self._lock = threading.Lock()
        self._handed: Handed | None = None
        self._failure = ""
        self._idle_until = -float("inf")
        """Until when the program is not run again, on the monotonic clock."""
        self._read_at = -float("inf")
        self._token = ""

    def current(self) -> Held:
        """The credentials of the moment. Raises LoginError."""
        with self._lock:
            return self._current()

    def renewed(self, refused: Held) -> Held | None:
        """Other credentials than `refused`, which the server did not take; None if there are none. Raises LoginError."""
        with self._lock:
            held = self._current()
            if held != refused:
                return held
            if time.monotonic() < self._idle_until:
                return None
            self._handed = None
            self._read_at = -float("inf")
            fresh = self._current()
            if fresh != refused:
                return fresh
            if self._program is not None:
                self._idle_until = time.monotonic() + _AGAIN
            return None

    @property
    def _program(self) -> Plugin | None:
        """The program that is asked, where nothing goes before it."""
        login = self._login
        return None if login.token or login.token_file or login.username else login.plugin

    def _current(self) -> Held:
        login = self._login
        if self._program is not None:
            handed = self._handed
            if handed is None or (handed.until is not None and handed.until <= dt.datetime.now(dt.UTC)):
                handed = self._handed = self._asked(self._program)
            return Held(_bearer(handed.token), handed.certificate or login.certificate)
        if login.token_file:
            return Held(_bearer(self._from_file(login.token_file)), login.certificate)
        if login.token:
            return Held(_bearer(login.token), login.certificate)
        if login.username:
            pair = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
            return Held(f"Basic {pair}", login.certificate)
        return Held("", login.certificate)

    def _asked(self, plugin: Plugin) -> Handed:
        """What the program hands out. Many threads want that at once: one that fails is not run for each of them."""
        if self._failure and time.monotonic() < self._idle_until:
            raise LoginError(self._failure)
        try:
            found = ask(plugin, self._environment, terminal=self._terminal, ended=self._ended)
        except LoginError as error:
            self._failure, self._idle_until = str(error), time.monotonic() + _AGAIN
            raise
        self._failure = ""
        return found

    def _from_file(self, path: str) -> str:
        now = time.monotonic()
        if now - self._read_at >= _FILE_SECONDS:
            # What was good a moment ago is better than nothing while the file is being replaced.
            self._token = _read(path) or self._token or self._login.token
            if not self._token:
                raise LoginError(f"{visible(path)}: no token can be read there")
            self._read_at = now
        return self._token


def _read(path: str) -> str:
    """The token in a file; empty for none."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - the text that people typed
            return stream.read(_MOST_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        return ""


def _bearer(token: str) -> str:
    token = token.strip()
    if not token:
        return ""
    # Whoever is handed such a header cites it in the error.
    if not (token.isascii() and token.isprintable()):
        raise LoginError("a token has characters that cannot be sent")
    return f"Bearer {token}"
