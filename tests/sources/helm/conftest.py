"""Renderers used by all chart tests: the program helm built by the oracles, and the Helm SDK."""

from __future__ import annotations

import pytest

from tests.sources.helm.reading import helm_program


@pytest.fixture(scope="session")
def helm() -> str:
    """The program helm, v3.22.0."""
    return helm_program()


@pytest.fixture(params=["program", "sdk"])
def renderer(request: pytest.FixtureRequest) -> str | None:
    """Argument `helm` of `ChartReader`: path of the program, or None for the SDK."""
    path: str = request.getfixturevalue("helm")
    return path if request.param == "program" else None
