"""Fixtures: a real registry with a small fleet, and relays in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images.relay import Relay, run_relay
from tests.registry.service import Service, run_registry
from tests.registry_scan.fleet import BASE, Fleet, python_package, write_layer

VERSIONS = tuple(f"1.{number}" for number in range(12))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A registry with 30 images: two applications of twelve versions, one of several tags, an index, a chart."""
    with run_registry(tmp_path_factory.mktemp("shop")) as service:
        fleet = Fleet(service.address)
        fleet.push_apps("team/web", *VERSIONS)
        fleet.push_apps("team/api", *VERSIONS)
        fleet.push_apps("other/tool", "3", "4-rc.1")
        layers = (BASE, write_layer(python_package("catalog", "2.3.1")))
        fleet.push_image("team/catalog", "2.3.1", "2.3", "latest", layers=layers, created="2026-11-20T08:00:00Z")
        fleet.push_image("other/copy", "1", layers=layers, created="2026-11-20T08:00:00Z")
        images = {
            name: fleet.push_image("team/multi", layers=(BASE, write_layer({"etc/arch": name})), architecture=name)
            for name in ("amd64", "arm64")
        }
        fleet.push_index("team/multi", "1", images)
        fleet.push_artifact("team/chart", "1")
        fleet.push_artifact("team/web", f"sha256-{'0' * 64}.sig")
        fleet.close()
        yield service


@pytest.fixture
def relay(shop: Service) -> Iterator[Relay]:
    with run_relay(shop.address) as running:
        yield running


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """An empty registry of one test."""
    with run_registry(tmp_path / "registry") as service:
        own = Fleet(service.address)
        yield own
        own.close()
