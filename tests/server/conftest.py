"""Stores on both databases."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import upgrade
from tests.server.postgres import use_postgres

T = TypeVar("T")


class Database:
    """A store with the tables of the last version. Each call of `run` is a transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._runner = asyncio.Runner()
        self._database = open_database(url)
        self.run(upgrade)

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function that gets a connection and the arguments."""
        return self._runner.run(self.start(function, *arguments))

    async def start(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function, in a coroutine of `run_async`."""
        return await self._database.run(function, *arguments)

    def run_async(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of a coroutine function, which may start transactions."""
        return self._runner.run(function())

    def close(self) -> None:
        self._runner.run(self._database.close())
        self._runner.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """Return the URL of the server shared by all tests and workers of this run."""
    base = tmp_path_factory.getbasetemp()
    with use_postgres((base if worker_id == "master" else base.parent) / "postgres") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    else:
        url = create_database(request.getfixturevalue("postgres"))
    opened = Database(url)
    yield opened
    opened.close()


def create_database(server: str) -> str:
    """Create an empty database and return its URL."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_async_engine(f"{server}/postgres".replace("postgresql", "postgresql+asyncpg", 1))

    async def create() -> None:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        await engine.dispose()

    asyncio.run(create())
    return f"{server}/{name}"
