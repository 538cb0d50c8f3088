"""Updates of trusted roots from real TUF repositories: progress, attacks, failures, and the state that remains."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # its __init__ exports it

from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.sigstore.root_state import PRIVATE_FILE, PUBLIC_FILE, read_state, select_root
from kubekeep.signatures.sigstore.root_update import TrustUpdateError
from kubekeep.signatures.sigstore.trusted_root import load_public_root
from kubekeep.usecases.image_trust import TrustUpdate, TrustUpdateRequest, reset_trust, update_trust
from tests.signatures.authority import PrivateSigstore, TransparencyLog
from tests.signatures.trust.repository import TARGET, RepositoryServer, TufRepository, run_repository

NOW = dt.datetime.now(dt.UTC)
LATER_LOG = "log3.rekor.example.com"


class Instance:
    """A repository with its server, and a client with one update behind it."""

    def __init__(self, folder: Path, server: RepositoryServer, repository: TufRepository, content: bytes) -> None:
        self.folder, self.server, self.repository, self.content = folder, server, repository, content
        self.first_root = repository.publish_root()
        repository.publish(content)
        self.update(root=self.first_root)

    def update(self, *, root: bytes = b"", url: str = "") -> TrustUpdate:
        return update_trust(TrustUpdateRequest(folder=self.folder, url=url or self.server.url, root=root), NOW)

    def list_logs(self) -> list[str]:
        return [log.url for log in select_root(self.folder, NOW).root.logs]

    def read(self) -> bytes:
        return (self.folder / PRIVATE_FILE).read_bytes()


def add_log(sigstore: PrivateSigstore) -> bytes:
    """Return the root with one more log."""
    document = sigstore.describe()
    document["tlogs"].append(TransparencyLog(LATER_LOG).describe())
    return json.dumps(document).encode()


@pytest.fixture
def instance(tmp_path: Path, sigstore: PrivateSigstore) -> Iterator[Instance]:
    repository = TufRepository(tmp_path / "repository")
    with run_repository(repository.folder) as server:
        yield Instance(tmp_path / "trust", server, repository, sigstore.encode_root())


def test_update_brings_a_new_log(instance: Instance, sigstore: PrivateSigstore) -> None:
    assert f"https://{LATER_LOG}" not in instance.list_logs()
    instance.repository.publish(add_log(sigstore))
    update = instance.update()
    assert update.has_changed
    assert instance.list_logs()[-1] == f"https://{LATER_LOG}"
    origin = select_root(instance.folder, NOW).root.origin
    assert (origin.kind, origin.name) == ("updated", instance.server.url)
    assert origin.updated == NOW.replace(microsecond=0)
    # The documents with long-lived keys decide; the timestamp expires after seven days.
    assert origin.expires == instance.repository.now + dt.timedelta(days=180)


def test_unchanged_root_is_not_loaded_again(instance: Instance) -> None:
    instance.server.requests.clear()
    assert not instance.update().has_changed
    assert not [path for path in instance.server.requests if path.startswith("/targets/")]


def test_url_of_the_last_update_is_remembered(instance: Instance, sigstore: PrivateSigstore) -> None:
    instance.repository.publish(add_log(sigstore))
    assert update_trust(TrustUpdateRequest(folder=instance.folder), NOW).has_changed


def test_root_keys_rotate(instance: Instance, sigstore: PrivateSigstore) -> None:
    instance.repository.rotate_root()
    instance.repository.rotate_root()
    # New keys of the other roles too, in a third version.
    for role in ("timestamp", "snapshot", "targets"):
        instance.repository.signers[role] = CryptoSigner.generate_ed25519()
    instance.repository.publish_root()
    instance.repository.publish(add_log(sigstore))
    state = instance.update().state
    assert json.loads(state.metadata["root"])["signed"]["version"] == 4
    assert instance.list_logs()[-1] == f"https://{LATER_LOG}"
    # The next update begins with the last root, also when the earlier ones are gone.
    for version in (1, 2, 3):
        (instance.repository.folder / f"{version}.root.json").unlink()
    assert not instance.update().has_changed


def refuse_expired(instance: Instance, _: bytes) -> None:
    """Publish a timestamp that is over: the answer of a frozen mirror."""
    instance.repository.lifetimes["timestamp"] = -1
    instance.repository.publish_timestamp()


def refuse_expired_root(instance: Instance, _: bytes) -> None:
    instance.repository.lifetimes["root"] = -1
    instance.repository.rotate_root()


def refuse_rotation_by_new_key_only(instance: Instance, content: bytes) -> None:
    instance.repository.signers["root"] = CryptoSigner.generate_ed25519()
    instance.repository.publish_root()
    instance.repository.publish(content)


def refuse_old_timestamp(instance: Instance, _: bytes) -> None:
    instance.repository.publish_timestamp()
    instance.update()
    instance.repository.versions["timestamp"] = 0
    instance.repository.publish_timestamp()


def refuse_old_snapshot(instance: Instance, content: bytes) -> None:
    instance.repository.publish(content)
    instance.update()
    instance.repository.versions["snapshot"] = 0
    instance.repository.publish_snapshot()


def refuse_old_targets(instance: Instance, content: bytes) -> None:
    instance.repository.publish(content)
    instance.update()
    instance.repository.versions["targets"] = 0
    instance.repository.publish(instance.content)


def refuse_wrong_signature(instance: Instance, content: bytes) -> None:
    instance.repository.signers["targets"] = CryptoSigner.generate_ed25519()
    instance.repository.publish(content)


def refuse_changed_target(instance: Instance, content: bytes) -> None:
    instance.repository.publish(content)
    path = instance.repository.find_target()
    path.write_bytes(content.replace(LATER_LOG.encode(), LATER_LOG.replace("3", "4").encode()))


def refuse_endless_timestamp(instance: Instance, _: bytes) -> None:
    instance.server.endless = "/timestamp.json"


def refuse_endless_root(instance: Instance, _: bytes) -> None:
    instance.server.endless = "/2.root.json"


def refuse_endless_target(instance: Instance, content: bytes) -> None:
    instance.repository.publish(content)
    instance.server.endless = f"/targets/{instance.repository.find_target().name}"


def refuse_large_target(instance: Instance, content: bytes) -> None:
    instance.repository.publish(content + b" " * (4 << 20))


def refuse_other_content(instance: Instance, _: bytes) -> None:
    instance.repository.publish(b'{"mediaType": "text/plain"}')


def refuse_missing_target(instance: Instance, content: bytes) -> None:
    instance.repository.names = ("other.json",)
    instance.repository.publish(content)


def refuse_redirect(instance: Instance, _: bytes) -> None:
    instance.server.redirected = "/timestamp.json"


def refuse_failure(instance: Instance, _: bytes) -> None:
    instance.server.failing = "/timestamp.json"


REFUSED: dict[str, tuple[Callable[[Instance, bytes], None], str]] = {
    "expired timestamp": (refuse_expired, "timestamp.json is expired: the repository, or a mirror of it"),
    "expired root": (refuse_expired_root, "root.json is expired"),
    "rotation without the old key": (refuse_rotation_by_new_key_only, "refused: root was signed by 0/1 keys"),
    "rollback of the timestamp": (refuse_old_timestamp, "refused: New timestamp version 1 must be >= 2"),
    "rollback of the snapshot": (refuse_old_snapshot, "refused: New snapshot version must be >= 2, got version 1"),
    "rollback of the targets": (refuse_old_targets, "refused: Expected targets.json version 1, got 2"),
    "wrong signature": (refuse_wrong_signature, "refused: targets was signed by 0/1 keys"),
    "changed target": (refuse_changed_target, "refused: Observed hash"),
    "endless timestamp": (refuse_endless_timestamp, "exceeding the maximum allowed length of 16384"),
    "endless root": (refuse_endless_root, "exceeding the maximum allowed length of 512000"),
    "endless target": (refuse_endless_target, "exceeding the maximum allowed length of "),
    "large target": (refuse_large_target, "the limit is 4,194,304"),
    "no trusted root": (refuse_other_content, "unsupported type 'text/plain'"),
    "no target": (refuse_missing_target, f"it has no {TARGET}"),
    "redirect": (refuse_redirect, "/elsewhere: not followed, use --url with that address"),
    "server error": (refuse_failure, "the server responded with 500"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_update_keeps_the_state(instance: Instance, sigstore: PrivateSigstore, name: str) -> None:
    attack, message = REFUSED[name]
    attack(instance, add_log(sigstore))
    before = instance.read()
    with pytest.raises(TrustUpdateError) as caught:
        instance.update()
    assert message in str(caught.value)
    assert instance.read() == before
    assert [path.name for path in instance.folder.iterdir()] == [PRIVATE_FILE]


def test_unreachable_repository(instance: Instance) -> None:
    before = instance.read()
    with pytest.raises(TrustUpdateError, match=r"http://127\.0\.0\.1:9.* cannot be fetched"):
        instance.update(url="http://127.0.0.1:9")
    assert instance.read() == before


def test_state_of_another_process_is_kept(instance: Instance, sigstore: PrivateSigstore) -> None:
    instance.repository.publish(add_log(sigstore))

    def update_meanwhile(path: str) -> None:
        if path == "/timestamp.json":
            instance.server.before = lambda _: None
            instance.update()

    instance.server.before = update_meanwhile
    with pytest.raises(TrustUpdateError, match="another process has updated"):
        instance.update()
    assert instance.list_logs()[-1] == f"https://{LATER_LOG}"


def test_new_first_root_begins_a_new_trust(instance: Instance, tmp_path: Path, sigstore: PrivateSigstore) -> None:
    other = TufRepository(tmp_path / "other")
    root = other.publish_root()
    other.publish(add_log(sigstore))
    with run_repository(other.folder) as server:
        with pytest.raises(TrustUpdateError, match="refused"):
            instance.update(url=server.url)
        assert instance.update(url=server.url, root=root).has_changed
    assert instance.list_logs()[-1] == f"https://{LATER_LOG}"


def test_public_root_is_required_without_a_private_one(tmp_path: Path, sigstore: PrivateSigstore) -> None:
    """The update begins with the public root of TUF, and so refuses a repository that Sigstore has not signed."""
    repository = TufRepository(tmp_path / "repository")
    repository.versions["root"] = 99
    repository.publish_root()
    repository.publish(sigstore.encode_root())
    with run_repository(repository.folder) as server:
        with pytest.raises(TrustUpdateError, match=r"timestamp was signed by 0/\d keys|root\.json is expired"):
            update_trust(TrustUpdateRequest(folder=tmp_path / "trust", url=server.url), NOW)
        version = int(server.requests[0].strip("/").partition(".")[0])
    assert version > 10
    assert not (tmp_path / "trust").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://mirror.example", "is not the URL of a repository"),
        ("https://ann:secret@mirror.example", "must not contain credentials"),
        ("https://mirror.example/?a=b", "is not the URL of a repository"),
        ("mirror", "is not the URL of a repository"),
    ],
)
def test_invalid_url(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(TrustError, match=message) as caught:
        update_trust(TrustUpdateRequest(folder=tmp_path, url=url), NOW)
    assert "secret" not in str(caught.value)


def store_public(folder: Path, instance: Instance, **fields: Any) -> None:
    """Store the state as one of the public instance."""
    state = read_state(instance.folder / PRIVATE_FILE)
    assert state is not None
    folder.mkdir()
    document = msgspec.to_builtins(msgspec.structs.replace(state, **fields))
    (folder / PUBLIC_FILE).write_bytes(msgspec.json.encode(document))


def test_usable_public_root_is_selected(instance: Instance, tmp_path: Path, sigstore: PrivateSigstore) -> None:
    newer = sigstore.encode_root().replace(b"2020-01-01", b"2026-01-01")
    store_public(tmp_path / "public", instance, trusted_root=newer.decode())
    selected = select_root(tmp_path / "public", NOW)
    assert (selected.root.origin.kind, selected.path) == ("updated", tmp_path / "public" / PUBLIC_FILE)
    assert selected.content == newer


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"expires": NOW - dt.timedelta(seconds=1)}, "expired at"),
        ({}, "the built-in root is newer"),
        ({"format": 2}, "unsupported format 2"),
        ({"trusted_root": "{}"}, "not a trusted root"),
        ({"expires": dt.datetime(2100, 1, 1)}, "no time zone"),  # noqa: DTZ001 - the problem
    ],
)
def test_unusable_public_root_leaves_the_built_in_one(
    instance: Instance, tmp_path: Path, fields: dict[str, Any], note: str
) -> None:
    store_public(tmp_path / "public", instance, **fields)
    selected = select_root(tmp_path / "public", NOW)
    assert selected.path is None
    assert selected.root.logs == load_public_root().logs
    assert note in selected.root.origin.note
    assert "run `kubekeep image trust update`" in selected.root.origin.note


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b" " * ((16 << 20) + 1)])
def test_damaged_state(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PUBLIC_FILE).write_bytes(content)
    assert "not a state of a trusted root" in select_root(tmp_path, NOW).root.origin.note
    (tmp_path / PRIVATE_FILE).write_bytes(content)
    with pytest.raises(TrustError, match="not a state of a trusted root"):
        select_root(tmp_path, NOW)


def test_expired_private_root_is_an_error(instance: Instance) -> None:
    with pytest.raises(TrustError, match=r"expired at .*: run `kubekeep image trust update`"):
        select_root(instance.folder, NOW + dt.timedelta(days=181))


def test_damaged_state_is_replaced(instance: Instance) -> None:
    (instance.folder / PRIVATE_FILE).write_bytes(b"{")
    with pytest.raises(TrustError, match="its first root is not known"):
        instance.update()
    assert instance.update(root=instance.first_root).has_changed
    assert select_root(instance.folder, NOW).root.origin.name == instance.server.url


def test_reset(instance: Instance) -> None:
    assert reset_trust(instance.folder) == (instance.folder / PRIVATE_FILE,)
    assert reset_trust(instance.folder) == ()
    assert select_root(instance.folder, NOW).root == load_public_root()
