"""Hostile archives and folders of VEX repositories: nothing outside is read or written, and memory stays bounded."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.vulnerabilities.database.errors import AdvisoryInputError
from kubekeep.vulnerabilities.database.vex_repositories import files as repository_files
from kubekeep.vulnerabilities.database.vex_repositories.files import find_root, open_repository
from kubekeep.vulnerabilities.database.vex_repositories.index import read_index
from kubekeep.vulnerabilities.database.vex_repositories.reader import get_repository_path
from tests.vulnerabilities.database.bucket import Bucket
from tests.vulnerabilities.database.records import run_db
from tests.vulnerabilities.database.vex_repository import UPDATED, lay_out, pack, publish, suppress

LEFT_PAD = "pkg:npm/left-pad"
DOCUMENT = suppress(LEFT_PAD)
FILES = lay_out({LEFT_PAD: DOCUMENT})
PATH = "pkg/0/vex.json"
SECRET = suppress(LEFT_PAD, "pkg:npm/secret")


def _write_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue())


def _link(kind: bytes, target: str, name: str = PATH) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def _link_to(kind: bytes, target: str) -> bytes:
    return _write_tar((tarfile.TarInfo("index.json"), FILES["index.json"]), _link(kind, target))


def _large_header() -> bytes:
    """Return an archive whose pax header has more bytes than memory should."""
    member = tarfile.TarInfo("index.json")
    member.pax_headers = {"comment": "x" * (16 << 20)}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO())
    return gzip.compress(stream.getvalue())


def _zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
        archive.writestr("bomb", bytes(128 << 20))
    return stream.getvalue()


def _count(number: int) -> bytes:
    entries = [{"id": f"pkg:npm/p{index}", "location": "x"} for index in range(number)]
    return pack({"index.json": json.dumps({"updated_at": UPDATED, "packages": entries}).encode()})


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (lambda: b"", "is neither a tar nor a zip archive|is empty"),
        (lambda: gzip.compress(b""), "is empty"),
        (lambda: gzip.compress(b'{"packages": []}'), "is neither a tar nor a zip archive"),
        (lambda: pack(FILES)[:-20], "cannot be read: "),
        (lambda: pack(FILES, "zip")[:-20], "the end of the archive is missing"),
        (lambda: pack({"other.json": b"{}"}), "there is no index.json in the root"),
        (lambda: pack({"other.json": b"{}"}, "zip"), "has no index.json: not a VEX repository"),
        (lambda: pack({"a/index.json": b"{}", "b/index.json": b"{}"}), "there is no index.json in the root"),
        (lambda: pack({"index.json": b"[" * 100_000}), "is not the index of a VEX repository"),
        (lambda: pack({"index.json": b'{"updated_at": "now", "packages": []}'}), "is not a time in RFC 3339"),
        (lambda: _count(200_001), "has 200,001 packages; the limit is 200,000"),
        (lambda: _link_to(tarfile.SYMTYPE, "/etc/hostname"), "none of its documents can be read"),
        (lambda: _link_to(tarfile.SYMTYPE, "../../../../etc/hostname"), "none of its documents can be read"),
        (lambda: _link_to(tarfile.LNKTYPE, "etc/hostname"), "none of its documents can be read"),
        (lambda: _link_to(tarfile.SYMTYPE, "vex.json"), "is a link to itself"),
        (lambda: _write_tar(_link(tarfile.CHRTYPE, "", "index.json")), "there is no index.json"),
        (_large_header, "the archive has a head of"),
        (lambda: gzip.compress(bytes(257) + b"ustar" + bytes(64 << 20)), "bytes when unpacked"),
        (lambda: lzma.compress(bytes(257) + b"ustar" + bytes(64 << 20)), "bytes when unpacked"),
        (_zip_bomb, "the archive has more content"),
        (lambda: pack(lay_out({LEFT_PAD: b" " * ((16 << 20) + 1)})), "is larger than 16,777,216 bytes"),
    ],
)
def test_hostile_archives(bucket: Bucket, tmp_path: Path, create: Callable[[], bytes], message: str) -> None:
    database = tmp_path / "database"
    publish(bucket, pack(FILES))
    run_db("update", "--vex-repository", f"hub={bucket.address}", database=database)
    before = get_repository_path(database, "hub").read_bytes()
    publish(bucket, create())
    stderr = run_db("update", "--vex-repository", f"hub={bucket.address}", code=3, database=database).stderr
    assert any(part in stderr for part in message.split("|")), stderr
    assert get_repository_path(database, "hub").read_bytes() == before
    # Neither the archive nor a part of it remains.
    assert sorted(path.name for path in database.rglob("*") if path.is_file()) == [".lock", "hub.statements"]


def test_names_of_members_are_no_paths(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    members = [tarfile.TarInfo(name) for name in ("../../escaped.json", "/escaped.json", "./index.json", f"./{PATH}")]
    contents = (b"x", b"x", FILES["index.json"], DOCUMENT)
    publish(bucket, _write_tar(*zip(members, contents, strict=True)))
    run_db("update", "--vex-repository", f"hub={bucket.address}", database=database)
    assert not [path for path in tmp_path.rglob("*") if "escaped" in path.name]


def test_folder_in_the_location_stays_in_the_archive(bucket: Bucket, tmp_path: Path) -> None:
    publish(bucket, pack(FILES), folder="../..")
    words = ("update", "--vex-repository", f"hub={bucket.address}")
    assert "there is no index.json in the folder ../.." in run_db(*words, code=3, database=tmp_path / "x").stderr


def test_links_and_pipes_in_folders(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_bytes(SECRET)
    folder = tmp_path / "hub"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg" / "link.json").symlink_to("../../secret.json")
    os.mkfifo(folder / "pkg" / "pipe.json")
    (folder / "pkg" / "inner.json").symlink_to("real.json")
    (folder / "pkg" / "real.json").write_bytes(DOCUMENT)
    entries = [{"id": f"pkg:npm/{name}", "location": f"pkg/{name}.json"} for name in ("link", "pipe", "inner")]
    (folder / "index.json").write_text(json.dumps({"updated_at": UPDATED, "packages": entries}))
    result = run_db("import", folder, code=3, database=tmp_path / "database")
    assert "not read: pkg/link.json is a link out of the folder" in result.stderr
    assert "not read: pkg/pipe.json is missing in the folder" in result.stderr
    assert "imported 1 document into the VEX repository hub" in result.stderr


def test_xz_with_a_large_dictionary(tmp_path: Path) -> None:
    """A few bytes can require gigabytes of memory to decompress."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    path = tmp_path / "x.tar.xz"
    compressor = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    path.write_bytes(compressor.compress(bytes(10_000)) + compressor.flush())
    with pytest.raises(AdvisoryInputError, match="Memory usage limit"), open_repository(path, tmp_path):
        pass


def test_concatenated_xz_streams(tmp_path: Path) -> None:
    content = gzip.decompress(pack(FILES))
    path = tmp_path / "x.tar.xz"
    path.write_bytes(lzma.compress(content[:600]) + lzma.compress(content[600:]))
    with open_repository(path, tmp_path) as files:
        assert find_root(files) == ""
        assert read_index(files.read("index.json", 1000)).packages[0].id == LEFT_PAD


def test_archives_of_tar_and_zip(tmp_path: Path) -> None:
    """Archives of the programs that publishers use."""
    for name, content in FILES.items():
        (tmp_path / "hub" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "hub" / name).write_bytes(content)
    for number, command in enumerate(
        (
            ("tar", "-czf", "1.tar.gz", "hub"),
            ("tar", "-cjf", "2.tar.bz2", "-C", "hub", "."),
            ("tar", "-cJf", "3.tar.xz", "--format=pax", "hub"),
            ("zip", "-qr", "4.zip", "hub"),
        )
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
        database = tmp_path / f"database{number}"
        stderr = run_db(
            "import", tmp_path / max(command, key=lambda word: "." in word), "--feed", "x", database=database
        ).stderr
        assert "imported 1 document into the VEX repository x" in stderr


def test_large_archive(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(bucket, pack(FILES))
    limit = len(pack(FILES)) - 1
    monkeypatch.setattr("kubekeep.vulnerabilities.database.vex_repositories.update.MAX_ARCHIVE", limit)
    words = ("update", "--vex-repository", f"hub={bucket.address}")
    assert f"the limit is {limit}" in run_db(*words, code=3, database=tmp_path / "x").stderr
    monkeypatch.setattr(repository_files, "MAX_ARCHIVE", limit)
    (tmp_path / "x.tar.gz").write_bytes(pack(FILES))
    with (
        pytest.raises(AdvisoryInputError, match=f"has more than {limit} bytes"),
        open_repository(tmp_path / "x.tar.gz", tmp_path),
    ):
        pass
