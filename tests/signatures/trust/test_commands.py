"""`kubekeep image trust` and verification with updated roots, with the real program, registry and repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command_line import run_command_line
from tests.signatures.authority import IDENTITY, ISSUER, PrivateSigstore
from tests.signatures.making import BUNDLE, Signing, statement
from tests.signatures.registries import SignedRepository
from tests.signatures.trust.repository import RepositoryServer, TufRepository, run_repository

KUBEKEEP = Path(sys.executable).parent / "kubekeep"


def list_variables(folder: Path) -> dict[str, str | None]:
    """Return the variables with the folders of the program; None removes one."""
    removed = dict.fromkeys(("KUBEKEEP_TRUST", "XDG_DATA_HOME"))
    return {**removed, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "NO_COLOR": "1"}


def kubekeep(*arguments: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = run_command_line(*arguments, folder=folder, variables=list_variables(folder))
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def repository(tmp_path: Path, sigstore: PrivateSigstore) -> TufRepository:
    repository = TufRepository(tmp_path / "repository")
    (tmp_path / "root.json").write_bytes(repository.publish_root())
    repository.publish(sigstore.encode_root())
    return repository


@pytest.fixture
def server(repository: TufRepository) -> Iterator[RepositoryServer]:
    with run_repository(repository.folder) as server:
        yield server


def sign_image(image: SignedRepository, sigstore: PrivateSigstore) -> None:
    bundle = Signing(sigstore).bundle(statement(image.digest))
    image.put_referrer(json.dumps(bundle).encode(), BUNDLE)


def test_updated_root_verifies(
    tmp_path: Path,
    server: RepositoryServer,
    create_image: Callable[[], SignedRepository],
    sigstore: PrivateSigstore,
) -> None:
    image = create_image()
    sign_image(image, sigstore)
    verify = ("image", "verify", image.reference, "--identity", IDENTITY, "--issuer", ISSUER, "-f", "json")
    # The built-in root knows nothing of the private instance.
    report = json.loads(kubekeep(*verify, folder=tmp_path, code=1).stdout)
    assert report["trustedRoot"]["kind"] == "built-in"
    done = kubekeep("image", "trust", "update", "--url", server.url, "--root", "root.json", folder=tmp_path)
    state = tmp_path / ".local" / "share" / "kubekeep" / "trust" / "private.json"
    assert done.stdout == f"{state}\n"
    assert f"updated: trusted root of {server.url}" in done.stderr
    assert "no change" in kubekeep("image", "trust", "update", folder=tmp_path).stderr
    requests = len(server.requests)
    report = json.loads(kubekeep(*verify, folder=tmp_path).stdout)
    assert report["isVerified"]
    assert (report["trustedRoot"]["kind"], report["trustedRoot"]["name"]) == ("updated", server.url)
    assert report["trustedRoot"]["updated"] < report["trustedRoot"]["expires"]
    text = kubekeep(*verify[:-2], folder=tmp_path).stdout
    assert f"  trusted root: {server.url}, updated less than a minute ago, expires at " in text
    # An explicit file wins.
    root = kubekeep("image", "trust", "show", "-f", "trusted-root", folder=tmp_path).stdout
    (tmp_path / "file.json").write_text(root)
    report = json.loads(kubekeep(*verify, "--trusted-root", "file.json", folder=tmp_path).stdout)
    assert (report["trustedRoot"]["kind"], report["trustedRoot"]["name"]) == ("file", "file.json")
    # A network without the repository gets the file.
    isolated = tmp_path / "isolated"
    target = isolated / ".local" / "share" / "kubekeep" / "trust" / "private.json"
    target.parent.mkdir(parents=True)
    target.write_bytes(state.read_bytes())
    assert json.loads(kubekeep(*verify, folder=isolated).stdout)["isVerified"]
    # Only the update command has used the repository.
    assert len(server.requests) == requests
    assert "removed" in kubekeep("image", "trust", "reset", folder=tmp_path).stderr
    kubekeep(*verify, folder=tmp_path, code=1)


def test_killed_update_keeps_the_state(tmp_path: Path, server: RepositoryServer, repository: TufRepository) -> None:
    kubekeep("image", "trust", "update", "--url", server.url, "--root", "root.json", folder=tmp_path)
    folder = tmp_path / ".local" / "share" / "kubekeep" / "trust"
    before = (folder / "private.json").read_bytes()
    # The new root of TUF and the new timestamp have been loaded when the process is killed.
    repository.rotate_root()
    repository.publish(b"{}")
    server.silent = f"/{repository.versions['snapshot']}.snapshot.json"
    command = [str(KUBEKEEP), "image", "trust", "update"]
    variables = {**os.environ, **list_variables(tmp_path)}
    environment = {name: value for name, value in variables.items() if value is not None}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert server.has_begun.wait(60)
    finally:
        process.kill()
        process.wait(120)
    assert (folder / "private.json").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["private.json"]
    shown = json.loads(kubekeep("image", "trust", "show", "-f", "json", folder=tmp_path).stdout)
    assert shown["name"] == server.url
    assert [log["url"] for log in shown["logs"]] == ["https://rekor.example.com", "https://log2.rekor.example.com"]


def test_failed_update_names_the_cause(tmp_path: Path, server: RepositoryServer) -> None:
    server.failing = "/timestamp.json"
    arguments = ("image", "trust", "update", "--url", server.url, "--root", "root.json")
    done = kubekeep(*arguments, folder=tmp_path, code=3)
    assert done.stderr == f"failed: {server.url}/timestamp.json: the server responded with 500\n"
    done = kubekeep("image", "trust", "update", "--root", "root.json", folder=tmp_path, code=2)
    assert "--root requires --url" in done.stderr


def test_expired_private_root_stops_verification(
    tmp_path: Path,
    server: RepositoryServer,
    create_image: Callable[[], SignedRepository],
    sigstore: PrivateSigstore,
) -> None:
    image = create_image()
    sign_image(image, sigstore)
    kubekeep("image", "trust", "update", "--url", server.url, "--root", "root.json", folder=tmp_path)
    path = tmp_path / ".local" / "share" / "kubekeep" / "trust" / "private.json"
    state = json.loads(path.read_bytes())
    path.write_text(json.dumps(state | {"expires": "2026-01-01T00:00:00Z"}))
    verify = ("image", "verify", image.reference, "--identity", IDENTITY, "--issuer", ISSUER)
    done = kubekeep(*verify, folder=tmp_path, code=2)
    assert "expired at 2026-01-01T00:00:00Z: run `kubekeep image trust update`" in done.stderr
    path.write_text(json.dumps(state | {"expires": "2026-01-01T00:00:00Z"}))
    path.rename(path.with_name("public.json"))
    done = kubekeep(*verify, folder=tmp_path, code=1)
    assert "built in, newest authority or log of " in done.stdout
    assert "expired at 2026-01-01T00:00:00Z" in done.stdout
