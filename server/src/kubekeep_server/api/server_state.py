"""State that all requests of a process share. Values only."""

from __future__ import annotations

import asyncio
import dataclasses

from fastapi import Request

from kubekeep_server.api.body_budget import BodyBudget
from kubekeep_server.api.change_feed import ChangeFeed
from kubekeep_server.auth.oidc.sign_in import ConfiguredProvider
from kubekeep_server.auth.passwords import PasswordVerifier
from kubekeep_server.notifications.secret_box import SecretBox
from kubekeep_server.settings import Settings
from kubekeep_server.store.lanes import ReadingPool, WritingLane


@dataclasses.dataclass
class ServerState:
    """The lanes of the store and the limits. is_ready: True between migration and stop.

    secrets: encrypts those of destinations; None without a key. changes: of sources, for streams of events. conversions: of documents of other tools, one at a time, because each needs many times
    the memory of its document. decoding: submissions that are decompressed and stored; the others wait as they were sent.
    """

    settings: Settings
    writing: WritingLane
    reading: ReadingPool
    budget: BodyBudget
    passwords: PasswordVerifier = dataclasses.field(default_factory=PasswordVerifier)
    oidc: ConfiguredProvider | None = None
    secrets: SecretBox | None = None
    is_ready: bool = False
    changes: ChangeFeed = dataclasses.field(init=False)
    conversions: asyncio.Semaphore = dataclasses.field(default_factory=lambda: asyncio.Semaphore(1))
    decoding: asyncio.Semaphore = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.changes = ChangeFeed(self.reading)
        # One more than the store takes at a time, so that it does not wait.
        self.decoding = asyncio.Semaphore(self.settings.writers + 1)


def get_address(request: Request) -> str:
    """Return the address of the server for its users, without a slash at the end: as set, or as the request names it."""
    return get_state(request).settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"


def get_state(request: Request) -> ServerState:
    """Return the state of the process of a request."""
    state: ServerState = request.app.state.server
    return state
