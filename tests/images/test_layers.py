"""Reading of layers: content, verification, threads and the cache."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kubekeep import _native
from kubekeep.images.access.opened import ByteStream, FileRange, LayerReference
from kubekeep.images.catalog.registry import Catalog, load_catalogs
from kubekeep.images.cataloguing import FileSelection
from kubekeep.images.content import (
    Archive,
    CatalogRecord,
    ContentProblem,
    FileMode,
    LayerContent,
    LayerFile,
)
from kubekeep.images.errors import ImageAccessError, ImageContentError
from kubekeep.images.layer_cache import LayerCache
from kubekeep.images.layers import LayerSettings, compute_shared_version, compute_version, read_folder, read_layers
from kubekeep.model.package import Package
from tests.images.layer_files import FolderImage, MemoryImage, build_tar, digest, entry, read_native, select

BASE = build_tar(
    [
        (entry("./etc", type=tarfile.DIRTYPE, mode=0o755), b""),
        (entry("./etc/motd"), b"hello"),
        (entry("/usr/bin/su", mode=0o4755, uid=0, gid=7), b"#!"),
        (entry("usr/bin/sh", type=tarfile.SYMTYPE, linkname="dash"), b""),
        (entry("tmp/shared", mode=0o666), b""),
    ]
)
UPPER = build_tar({"etc/.wh.motd": b"", "srv/.wh..wh..opq": b"", "srv/index.html": b"x" * 100})


def list_threads() -> list[str]:
    """Return the threads that read layers; other tests may have threads of their own."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("layer")]


def list_problems(content: LayerContent) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in content.problems]


def test_content_of_layers(tmp_path: Path) -> None:
    for image in (MemoryImage(BASE, UPPER), FolderImage(tmp_path, BASE, UPPER)):
        base, upper = read_layers(image)
        assert base.digest == image.layers[0].digest
        assert (base.size, base.diff_id) == (len(image.blobs[0]), digest(BASE))
        assert base.unpacked_size == len(BASE)
        assert base.paths.split("\n") == ["etc/motd", "tmp/shared", "usr/bin/sh", "usr/bin/su"]
        assert base.modes == (FileMode("tmp/shared", 0o666, 0, 0), FileMode("usr/bin/su", 0o4755, 0, 7))
        assert (upper.removed, upper.opaque, upper.paths) == (("etc/motd",), ("srv",), "srv/index.html")


def test_layer_without_compression_has_one_digest() -> None:
    image = MemoryImage(BASE, blobs=[BASE])
    (content,) = read_layers(image)
    assert content.digest == content.diff_id == digest(BASE)


def test_equal_layers_are_read_once() -> None:
    image = MemoryImage(BASE, UPPER, BASE)
    contents = read_layers(image)
    assert contents[0] == contents[2]
    assert len(image.opened) == 2


def test_wrong_digests_are_refused() -> None:
    image = MemoryImage(BASE)
    (layer,) = image.layers
    for field, document in (("digest", "the manifest"), ("diff_id", "the image configuration")):
        image.layers = (msgspec.structs.replace(layer, **{field: digest(b"other")}),)
        with pytest.raises(ImageContentError) as error:
            read_layers(image)
        assert f"{document} requires {digest(b'other')}" in str(error.value)
        assert getattr(layer, field) in str(error.value)
    image.layers = (msgspec.structs.replace(layer, digest="sha512:00"),)
    with pytest.raises(ImageContentError, match="is not supported; use sha256"):
        read_layers(image)


class BrokenStream:
    """A stream whose origin fails after the first chunk."""

    def __init__(self, chunk: bytes, error: Exception) -> None:
        self.chunk, self.error = chunk, error
        self.is_closed = False

    def read(self, size: int, /) -> bytes:
        chunk, self.chunk = self.chunk[:size], b""
        if not chunk:
            raise self.error
        return chunk

    def close(self) -> None:
        self.is_closed = True


class BrokenImage(MemoryImage):
    stream: BrokenStream

    def open_layer(self, layer: LayerReference) -> FileRange | ByteStream:
        return self.stream if layer == self.layers[-1] else super().open_layer(layer)


@pytest.mark.parametrize("count", [1, 3])
def test_error_of_a_stream_is_passed_on(count: int) -> None:
    image = BrokenImage(*[build_tar({f"a{number}": b"x" * 5000}) for number in range(count)])
    image.stream = BrokenStream(image.blobs[-1][:50], ImageAccessError("registry.test closed the connection"))
    with pytest.raises(ImageAccessError, match=r"^registry.test closed the connection$"):
        read_layers(image)
    assert image.stream.is_closed
    assert not list_threads()


def test_missing_file_of_a_layer(tmp_path: Path) -> None:
    image = FolderImage(tmp_path, BASE)
    image.file.unlink()
    with pytest.raises(ImageAccessError, match=r"layer sha256:\w+ of registry.test/app:1 cannot be read: No such file"):
        read_layers(image)
    image.file.write_bytes(image.blobs[0][:-10])
    with pytest.raises(ImageAccessError, match="the file ends within the layer"):
        read_layers(image)


def test_progress_counts_all_bytes(tmp_path: Path) -> None:
    for image in (MemoryImage(BASE, UPPER), FolderImage(tmp_path, BASE, UPPER)):
        counts: list[int] = []
        read_layers(image, on_bytes=counts.append)
        assert sum(counts) == sum(map(len, image.blobs))


def test_interrupt_stops_reading(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    for archives in ((BASE,), (BASE, UPPER)):
        with pytest.raises(KeyboardInterrupt):
            read_layers(FolderImage(tmp_path, *archives), on_bytes=interrupt)
    assert not list_threads()


def test_secrets_are_searched_on_request() -> None:
    key = "glpat-" + "Xy7Qw9Zr2Lm4Kp8Nt5Vb"
    archive = build_tar(
        {"app/settings.py": f"TOKEN = '{key}'\n".encode(), "root/.npmrc": b"", "bin/x": b"\0" + key.encode()}
    )
    image = MemoryImage(archive)
    assert read_layers(image)[0].secrets == ()
    (content,) = read_layers(image, LayerSettings(secrets=True))
    assert [(secret.path, secret.line) for secret in content.secrets] == [("app/settings.py", 1)]
    assert key not in repr(content)


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    return LayerCache(tmp_path / "cache" / "layers", b"1")


def test_cached_layers_are_not_opened(cache: LayerCache, tmp_path: Path) -> None:
    contents = read_layers(MemoryImage(BASE), cache=cache)
    image = MemoryImage(BASE, UPPER)
    cached, _ = read_layers(image, cache=cache)
    assert image.opened == [image.layers[1]]
    assert cached == contents[0]
    assert (tmp_path / "cache" / "layers").stat().st_mode & 0o777 == 0o700
    # Secrets are searched although the layer is known, and the result serves both kinds of scans.
    assert read_layers(image, LayerSettings(secrets=True), cache=cache) == (cached, image_content(image, 1))
    assert len(image.opened) == 3
    (tmp_path / "cache" / "layers" / f"{digest(BASE)[7:]}.layer").unlink()
    read_layers(image, cache=cache)
    assert len(image.opened) == 3


def test_other_blob_of_a_cached_layer_is_read(cache: LayerCache) -> None:
    read_layers(MemoryImage(BASE), cache=cache)
    image = MemoryImage(BASE, blobs=[gzip.compress(BASE, 1)])
    (content,) = read_layers(image, cache=cache)
    assert image.opened == [image.layers[0]]
    assert content.digest == image.layers[0].digest


def image_content(image: MemoryImage, index: int) -> LayerContent:
    """Read a layer without a cache."""
    single = MemoryImage(gzip.decompress(image.blobs[index]), blobs=[image.blobs[index]])
    return read_layers(single)[0]


def list_entries(folder: Path) -> Iterator[Path]:
    return folder.glob("cache/layers/*.layer")


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "writable", "link", "folder", "size"])
def test_unusable_entries_are_ignored(cache: LayerCache, tmp_path: Path, damage: str) -> None:
    expected = read_layers(MemoryImage(BASE), cache=cache)
    (path,) = list_entries(tmp_path)
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[:-1])
    elif damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "writable":
        path.chmod(0o666)
    elif damage == "link":
        path.rename(tmp_path / "other")
        path.symlink_to(tmp_path / "other")
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        # A right digest of a body that claims 4 GiB.
        import hashlib  # noqa: PLC0415

        body = b"\xff" * 16
        head = content[: content.index(b"\n") + 1 + 32]
        path.write_bytes(head + hashlib.blake2b(body, digest_size=32).digest() + body)
    image = MemoryImage(BASE)
    assert read_layers(image, cache=cache) == expected
    assert len(image.opened) == 1


def test_other_versions_and_folders_of_others_are_ignored(cache: LayerCache, tmp_path: Path) -> None:
    read_layers(MemoryImage(BASE), cache=cache)
    assert LayerCache(tmp_path / "cache" / "layers", b"1").get(digest(BASE), secrets=False)
    assert LayerCache(tmp_path / "cache" / "layers", b"2").get(digest(BASE), secrets=False) is None
    (tmp_path / "cache" / "layers").chmod(0o777)
    assert cache.get(digest(BASE), secrets=False) is None
    read_layers(MemoryImage(UPPER), cache=cache)
    assert len(list(list_entries(tmp_path))) == 1


def test_entry_of_another_layer_is_ignored(cache: LayerCache, tmp_path: Path) -> None:
    read_layers(MemoryImage(BASE), cache=cache)
    (path,) = list_entries(tmp_path)
    path.rename(path.with_name(f"{digest(UPPER)[7:]}.layer"))
    assert cache.get(digest(UPPER), secrets=False) is None
    assert cache.get("sha256:../../x", secrets=False) is None


def test_least_recently_used_entries_are_deleted(tmp_path: Path) -> None:
    archives = [build_tar({f"file{number}": os.urandom(64).hex().encode()}) for number in range(4)]
    folder = tmp_path / "cache" / "layers"
    read_layers(MemoryImage(archives[0]), cache=LayerCache(folder, b"1"))
    size = next(list_entries(tmp_path)).stat().st_size
    cache = LayerCache(folder, b"1", limit=3 * size + size // 2)
    for number, archive in enumerate(archives[:3]):
        read_layers(MemoryImage(archive), cache=cache)
        os.utime(folder / f"{digest(archive)[7:]}.layer", (1000 + number, 1000 + number))
    assert cache.get(digest(archives[0]), secrets=False)
    read_layers(MemoryImage(archives[3]), cache=cache)
    kept = [cache.get(digest(archive), secrets=False) is not None for archive in archives]
    assert kept == [True, False, True, True]


def test_version_covers_the_catalogues() -> None:
    assert compute_version() == compute_version()
    assert len(compute_shared_version()) == 128
    assert compute_version()[:64] == compute_shared_version()[:64]


def build_selection(*catalogs: Catalog) -> FileSelection:
    return FileSelection(catalogs, is_folder=False, secrets=False, limits={})


def build_content(selection: FileSelection, archive: bytes, folder: Path) -> LayerContent:
    return selection.build_content(selection.reader.read(io.BytesIO(archive), str(folder)))


def read_name(file: LayerFile) -> CatalogRecord | None:
    if not file.content:
        return None
    return CatalogRecord(file.path, "names", (Package(type="generic", name=file.content.decode()),))


def recurse(file: LayerFile) -> CatalogRecord | None:
    return recurse(file)


def test_catalogues_read_selected_files(tmp_path: Path) -> None:
    def read_archives(archives: object) -> list[CatalogRecord]:
        assert isinstance(archives, list)
        return [CatalogRecord(archive.path, "java") for archive in archives if isinstance(archive, Archive)]

    selection = build_selection(
        Catalog("names", ("**/name", "x/*"), read=read_name),
        Catalog("deep", ("x/deep",), read=recurse),
        Catalog("java", (), read_archives=read_archives),
    )
    files = {"b/name": b"second", "name": b"first", "x/empty": b"", "x/damaged": b"\xff", "x/deep": b"third", "y": b"z"}
    content = build_content(selection, build_tar({**files, "a.jar": b"no zip"}), tmp_path)
    assert [(record.path, record.packages[0].name) for record in content.records] == [
        ("b/name", "second"),
        ("name", "first"),
        ("x/deep", "third"),
    ]
    assert [path for path, _ in list_problems(content)] == ["a.jar", "x/damaged", "x/deep"]
    assert list_problems(content)[2] == ("x/deep", "the file cannot be read: RecursionError")


def test_all_catalogues_have_valid_patterns() -> None:
    FileSelection(load_catalogs(), is_folder=True, secrets=True, limits={})
    names = [catalog.name for catalog in load_catalogs()]
    assert names == sorted(set(names))


def test_later_entry_replaces_an_earlier_one(tmp_path: Path) -> None:
    replaced = [
        (entry("a/name"), b"old"),
        (entry("b/name"), b"gone"),
        (entry("a/name"), b"new"),
        (entry("b/name", type=tarfile.SYMTYPE, linkname="x"), b""),
        (entry("c", mode=0o4755), b""),
        (entry("./c", mode=0o755), b""),
    ]
    assert select(build_tar(replaced), tmp_path, "**/name") == {"a/name": b"new"}
    assert read_native(build_tar(replaced), tmp_path).modes == []


def test_hard_links_have_the_content_of_their_target(tmp_path: Path) -> None:
    selection = build_selection(Catalog("names", ("**/name",), read=read_name))
    archive = build_tar(
        [
            (entry("a/name"), b"first"),
            (entry("b/name", type=tarfile.LNKTYPE, linkname="./a/name"), b""),
            (entry("c/name", type=tarfile.LNKTYPE, linkname="b/name"), b""),
            (entry("d/other", type=tarfile.LNKTYPE, linkname="a/name"), b""),
            (entry("e/name", type=tarfile.LNKTYPE, linkname="../name"), b""),
            (entry("f/name", type=tarfile.LNKTYPE, linkname="f/name"), b""),
        ]
    )
    content = build_content(selection, archive, tmp_path)
    assert [record.path for record in content.records] == ["a/name", "b/name", "c/name"]
    assert list_problems(content) == [("e/name", "the target of the hard link leaves the image")]


def test_links_to_unselected_files_are_read_in_a_second_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    catalog = Catalog("names", ("app/**/name",), read=read_name)
    monkeypatch.setattr("kubekeep.images.layers.load_catalogs", lambda: (catalog,))
    archive = build_tar(
        [
            (entry("store/00"), b"first"),
            (entry("store/01"), b"unused"),
            (entry("app/x/name", type=tarfile.LNKTYPE, linkname="store/00"), b""),
            (entry("app/y/name", type=tarfile.LNKTYPE, linkname="store/00"), b""),
            (entry("app/z/name", type=tarfile.LNKTYPE, linkname="store/99"), b""),
        ]
    )
    for image in (MemoryImage(archive), FolderImage(tmp_path, archive)):
        (content,) = read_layers(image)
        assert [(record.path, record.packages[0].name) for record in content.records] == [
            ("app/x/name", "first"),
            ("app/y/name", "first"),
        ]
        assert list_problems(content) == [("app/z/name", "the target of the hard link is not in the layer")]
        assert len(image.opened) == 2


def test_large_content_is_in_temporary_files(tmp_path: Path) -> None:
    files = {f"{number}.db": os.urandom(300_000 * number) for number in range(1, 6)}
    reader = _reader("*.db", limits={"memory": 1_000_000, "kept_memory": 500_000})
    native = reader.read(io.BytesIO(build_tar(files)), str(tmp_path))
    spills = 0
    for index in range(native.file_count):
        path, _, content, spill = native.file(index)
        spills += bool(spill)
        assert (Path(spill).read_bytes() if spill else content) == files[path]
    assert spills == 2


def _reader(*patterns: str, limits: dict[str, int]) -> _native.LayerReader:
    return FileSelection(
        (Catalog("all", patterns, read=read_name),), is_folder=False, secrets=False, limits=limits
    ).reader


def test_folder_is_read_without_following_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "name").write_text("secret")
    folder = tmp_path / "folder"
    (folder / "a" / ".git").mkdir(parents=True)
    (folder / "a" / "name").write_text("first")
    (folder / "a" / ".git" / "name").write_text("git")
    (folder / "link").symlink_to(outside)
    (folder / "a" / "name2").symlink_to(outside / "name")
    os.mkfifo(folder / "name")
    (folder / "su").write_text("x")
    (folder / "su").chmod(0o4755)
    selection = build_selection(Catalog("names", ("**/name", "**/name2"), read=read_name))
    content = selection.build_content(selection.reader.read_folder(str(folder), str(tmp_path)))
    assert [record.path for record in content.records] == ["a/name"]
    assert content.paths.split("\n") == ["a/name", "a/name2", "link", "name", "su"]
    assert [mode.path for mode in content.modes] == ["su"]
    assert (content.digest, content.diff_id) == ("", "")
    assert read_folder(folder).paths == content.paths
    with pytest.raises(ImageAccessError, match=r"cannot read the folder .*/missing: No such file"):
        read_folder(tmp_path / "missing")


def test_two_layers_are_read_at_the_same_time() -> None:
    """Each stream waits for the other one, so that reading them one after the other would not end."""
    barrier = threading.Barrier(2, timeout=60)

    class WaitingStream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                barrier.wait()
            return super().read(size)

    class WaitingImage(MemoryImage):
        def open_layer(self, layer: LayerReference) -> FileRange | ByteStream:
            return WaitingStream(self.blobs[self.layers.index(layer)])

    assert len(read_layers(WaitingImage(BASE, UPPER))) == 2


def test_problem_is_one_line(tmp_path: Path) -> None:
    def refuse(file: LayerFile) -> CatalogRecord | None:
        raise ValueError("line\n" + "x" * 1000 + file.path)

    selection = build_selection(Catalog("names", ("a*",), read=refuse))
    content = build_content(selection, build_tar({"a\nb\x1b": b""}), tmp_path)
    (problem,) = content.problems
    assert isinstance(problem, ContentProblem)
    assert problem.path == "a\\x0ab\\x1b"
    assert content.paths == problem.path
    assert problem.message.startswith("line xxx")
    assert len(problem.message) <= 300
