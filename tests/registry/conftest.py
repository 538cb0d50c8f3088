"""Fixtures of registry tests: a registry without passwords, a library to share, and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.usecases.control import write_control
from tests.registry.service import Service, run_registry


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_registry(tmp_path_factory.mktemp("registry")) as registry_service:
        yield registry_service


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A library with one control that fails Pods without an owner."""
    folder = tmp_path / "rules"
    write_control(folder, "workload", "team-label")
    return folder


def write_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Create a key pair in PEM; return (private, public)."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "ours")


@pytest.fixture
def other_keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "others")
