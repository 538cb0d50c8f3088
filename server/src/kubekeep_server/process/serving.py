"""Serves the API until SIGTERM or SIGINT: binds, migrates in the background, and ends after the requests that it has."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import signal
import socket
from collections.abc import Callable
from typing import Final

import click
import structlog
import uvicorn
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from kubekeep_server.api.application import create_application
from kubekeep_server.api.middleware import RequestFrame
from kubekeep_server.api.server_state import ServerState
from kubekeep_server.auth.secrets import LINK, create_secret, describe_link, hash_secret
from kubekeep_server.process.advisory_updates import AdvisoryUpdates
from kubekeep_server.process.checks import check_settings
from kubekeep_server.process.data_folder import create_data_folder
from kubekeep_server.process.decisions import keep_decisions
from kubekeep_server.process.http_protocol import LimitedProtocol
from kubekeep_server.process.library_definitions import load_library, store_library
from kubekeep_server.process.matching_job import MatchingJob
from kubekeep_server.process.notifications import NotificationJob
from kubekeep_server.process.retention import keep_removing
from kubekeep_server.process.silent_sources import keep_states
from kubekeep_server.settings import Settings, SettingsError
from kubekeep_server.store.accounts import ADMINISTRATOR, invite_administrator
from kubekeep_server.store.engine import is_outdated, upgrade
from kubekeep_server.store.errors import StoreUnavailableError
from kubekeep_server.store.lanes import MatchingLock

_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 0.5
_IDLE_SECONDS: Final = 75
"""Longer than clients and load balancers keep an idle connection, 5 to 60 seconds: the one that closes it must not be the server, as a
request may be under way."""
_BACKLOG: Final = 2048
_COLLECTION_THRESHOLD: Final = 50_000
"""Objects created since the last collection of garbage."""
_log: Final = structlog.get_logger("kubekeep.server")


class ServerProcess:
    """A process that serves. Its listener is bound at creation."""

    def __init__(self, settings: Settings, announce: Callable[[str], object] = click.echo) -> None:
        """Bind. announce: prints the link for the first administrator. Raises SettingsError."""
        check_settings(settings)
        create_data_folder(settings)
        self._settings = settings
        self._announce = announce
        self._is_failed = False
        self._listener = _bind(settings)
        self._public_url = settings.public_url or self.url
        app = RequestFrame(create_application(settings, self._prepare), has_tls=settings.has_tls)
        self._server = uvicorn.Server(_configure(settings, app))

    @property
    def url(self) -> str:
        """The address at which the process listens."""
        return _describe_address(self._settings, self._listener)

    def run(self) -> bool:
        """Serve until a signal, in the main thread. Return False if the tables could not be changed."""
        # Submissions have many objects, and no cycles: the default takes a third of the time of a first scan.
        gc.freeze()
        gc.set_threshold(_COLLECTION_THRESHOLD)
        # uvicorn raises the signal again after its graceful stop.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        return self.serve()

    def serve(self) -> bool:
        """Serve until `stop`, in any thread, and change nothing else of the process. Return False as `run` does."""
        _log.info("listening", url=self.url, public_url=self._public_url)
        with contextlib.closing(self._listener):
            self._server.run(sockets=[self._listener])
        _log.info("stopped")
        return not self._is_failed

    def stop(self) -> None:
        """Let `serve` end after the requests that the server has. Returns at once."""
        self._server.should_exit = True

    async def _prepare(self, state: ServerState) -> None:
        """Change the tables, and wait for a database that is late. Then remove what has expired, until the end."""
        try:
            await self._prepare_store(state)
        except (CommandError, SQLAlchemyError) as error:
            _log.error("the tables cannot be changed", exc_info=error)
            self._is_failed = True
            self.stop()
            return
        state.is_ready = True
        _log.info("ready")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_removing(state))
            tasks.create_task(keep_decisions(state))
            tasks.create_task(keep_states(state))
            tasks.create_task(state.changes.run())
            tasks.create_task(self._end_streams(state))
            tasks.create_task(NotificationJob(state, self._public_url).run())
            if self._settings.advisories != "off":
                tasks.create_task(self._match_images(state))

    async def _end_streams(self, state: ServerState) -> None:
        """End the streams of events when the process stops, which waits for all answers."""
        # uvicorn has no event for it.
        while not self._server.should_exit:  # noqa: ASYNC110
            await asyncio.sleep(_STOP_SECONDS)
        state.changes.end()

    async def _match_images(self, state: ServerState) -> None:
        """Keep the advisories current and match images with them, until the process stops."""
        lock = MatchingLock(self._settings.database_url)
        job = MatchingJob(self._settings.advisory_database, state.writing, state.reading, lock)
        updates = AdvisoryUpdates(self._settings, state.writing, state.reading, lock)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(job.run())
                tasks.create_task(updates.run())
        finally:
            await lock.close()

    async def _prepare_store(self, state: ServerState) -> None:
        """Change the tables, and store the library and the first user. Begin again after each end of the database."""
        library = await asyncio.to_thread(load_library)
        pause = _PAUSE_SECONDS
        while True:
            try:
                if await state.writing.run(is_outdated):
                    _log.info("the tables are changed to those of this version before the server answers")
                await state.writing.run(upgrade, is_long=True)
                await state.writing.run(store_library, library, dt.datetime.now(dt.UTC))
                await self._print_first_link(state)
            except StoreUnavailableError as error:
                _log.warning("waiting for the database", reason=str(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                return

    async def _print_first_link(self, state: ServerState) -> None:
        """Print a link for the first administrator, until one has signed in."""
        secret = create_secret(LINK)
        if await state.writing.run(invite_administrator, hash_secret(secret), dt.datetime.now(dt.UTC)):
            self._announce(f"Sign in as {ADMINISTRATOR} within 15 minutes: {describe_link(self._public_url, secret)}")


def _bind(settings: Settings) -> socket.socket:
    host, port = settings.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(f"listen: {settings.listen}: {error.strerror}; choose another with --listen") from error


def _describe_address(settings: Settings, listener: socket.socket) -> str:
    host, port = settings.address[0], listener.getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.has_tls else 'http'}://{name}:{port}"


def _configure(settings: Settings, app: RequestFrame) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=settings.stop_seconds,
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
    )
