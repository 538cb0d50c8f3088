"""The cache of manifests stays within its limit and keeps what was used last."""

from __future__ import annotations

import os
from pathlib import Path

from kubekeep.images.access.manifest_cache import ManifestCache
from kubekeep.registry.manifest import compute_digest

SIZE = 1000


def create_contents(count: int) -> list[bytes]:
    return [b"%0*d" % (SIZE, number) for number in range(count)]


def list_digests(folder: Path) -> set[str]:
    return {f"sha256:{file.name}" for file in (folder / "sha256").iterdir()}


def test_least_recently_used_manifests_are_deleted(tmp_path: Path) -> None:
    first, *others = create_contents(300)
    cache = ManifestCache(str(tmp_path), limit=100 * SIZE)
    cache.put(first)
    for number, content in enumerate(others):
        cache.put(content)
        # A file that is used again is the newest one.
        assert ManifestCache(str(tmp_path)).get(compute_digest(first)) == first
        if compute_digest(content).startswith("sha256:0"):
            assert len(list_digests(tmp_path)) <= 100, number
    kept = list_digests(tmp_path)
    assert 100 <= len(kept) < 200
    assert {compute_digest(content) for content in (first, *others[-50:])} <= kept
    assert sum(cache.get(digest) is not None for digest in kept) == len(kept)


def test_unfinished_files_are_deleted_after_a_day(tmp_path: Path) -> None:
    folder = tmp_path / "sha256"
    folder.mkdir()
    for name in (".new-old", ".new-now", "notes.txt"):
        (folder / name).write_bytes(b"x")
        if name != ".new-now":
            os.utime(folder / name, (1000, 1000))
    content = next(content for content in create_contents(100) if compute_digest(content).startswith("sha256:0"))
    ManifestCache(str(tmp_path)).put(content)
    assert {file.name for file in folder.iterdir()} == {".new-now", "notes.txt", compute_digest(content)[7:]}
