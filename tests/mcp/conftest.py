"""A session that the tests of a module share, with the examples as root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mcp.sessions import Session, open_session

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Yield a read-only session over standard input and output."""
    with open_session("--root", str(EXAMPLES)) as session:
        yield session
