"""The renderers that every test of charts runs with: the program helm that the oracles build, and the Helm SDK."""

from __future__ import annotations

import pytest

from tests.oracles.program import program


@pytest.fixture(scope="session")
def helm() -> str:
    """The program helm, v3.22.0."""
    return str(program("helm", "helm.sh/helm/v3/cmd/helm"))


@pytest.fixture(params=["program", "sdk"])
def renderer(request: pytest.FixtureRequest) -> str | None:
    """What `Charts` takes as `helm`: a program, or None for the SDK."""
    path: str = request.getfixturevalue("helm")
    return path if request.param == "program" else None
