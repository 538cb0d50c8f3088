"""Archives of common tools are read; hostile ones are in `test_hostile_archives.py`."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.sources.archive.unpack import ArchiveError, ArchiveLimits, is_archive, is_chart, unpack
from tests.sources.packing import POD, entry, pack_zip, tar

FILES = {"pod.yaml": POD, "deploy/app.json": b"{}", "deploy/empty": b"", "deploy/a b/\u00e9.yaml": b"\xff\x00" * 70_000}


def read_tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def run(*command: str | Path, cwd: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz", "A.TXZ"])
def test_tar_archives_are_read(tmp_path: Path, name: str) -> None:
    folder = write_tree(tmp_path / "tree", FILES)
    run("tar", "--create", "--auto-compress", "--file", tmp_path / name.lower(), ".", cwd=folder)
    assert is_archive(name)
    with unpack(str(tmp_path / name.lower())) as unpacked_archive:
        assert read_tree(Path(unpacked_archive.folder)) == FILES
        assert unpacked_archive.skipped == ()


def test_git_archives_are_read(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "tree", FILES)
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", ".", cwd=folder)
    run("git", *identity, "commit", "--quiet", "--message", "all", cwd=folder)
    for name in ("a.tar", "a.tgz", "a.zip"):
        run("git", "archive", "--prefix=app-1.0/", "--output", tmp_path / name, "HEAD", cwd=folder)
        with unpack(str(tmp_path / name)) as unpacked_archive:
            assert read_tree(Path(unpacked_archive.folder)) == {
                f"app-1.0/{path}": content for path, content in FILES.items()
            }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.lists(st.text("abcdefg.-_ é\U0001f600", min_size=1, max_size=60), min_size=1, max_size=5)
        .map(lambda parts: "/".join(f"x{part}" for part in parts))
        .filter(lambda name: len(name) < 250),
        st.binary(max_size=300) | st.binary(min_size=1, max_size=3).map(lambda content: content * 40_000),
        max_size=8,
    ),
    st.sampled_from(["gz", "bz2", "xz", "", "zip", "stored"]),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_packed_files_are_unpacked_unchanged(tmp_path: Path, files: dict[str, bytes], kind: str, format: int) -> None:
    # Leave out files that are also the folder of another file.
    files = {
        name: content for name, content in files.items() if not any(other.startswith(f"{name}/") for other in files)
    }
    file = tmp_path / "archive"
    if kind in {"zip", "stored"}:
        pack_zip(file, files.items(), zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED)
    else:
        tar(file, *(entry(name, content) for name, content in files.items()), mode=kind, format=format)
    with unpack(str(file)) as unpacked_archive:
        assert read_tree(Path(unpacked_archive.folder)) == files


def test_temporary_folder_is_private_and_removed(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tar", entry("deploy/pod.yaml"), entry("./empty/", b"", tarfile.DIRTYPE))
    with unpack(str(file)) as unpacked_archive:
        folder = Path(unpacked_archive.folder)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
        assert modes == {folder.name: 0o700, "deploy": 0o700, "empty": 0o700, "pod.yaml": 0o600}
    assert not folder.exists()


def test_repeated_folder_entry_is_accepted(tmp_path: Path) -> None:
    folder = entry("deploy/", b"", tarfile.DIRTYPE)
    with unpack(str(tar(tmp_path / "a.tar", entry("deploy/a.yaml"), folder, folder))) as unpacked_archive:
        assert set(read_tree(Path(unpacked_archive.folder))) == {"deploy/a.yaml"}


def test_omitted_files_are_reported(tmp_path: Path) -> None:
    chart = tar(tmp_path / "b.tgz", entry("b/Chart.yaml"), mode="gz").read_bytes()
    files = {
        "big.yaml": b"a" * 2000,
        "big.mp4": b"a" * 2000,
        "in.zip": b"PK",
        "b.tgz": chart,
        "c.tgz": b"\x1f\x8b",
        "d": b"",
    }
    for file in (
        tar(tmp_path / "a.tar", *(entry(*unread) for unread in files.items())),
        pack_zip(tmp_path / "a.zip", files.items()),
    ):
        with unpack(str(file), ArchiveLimits(file=1000)) as unpacked_archive:
            assert set(read_tree(Path(unpacked_archive.folder))) == {"in.zip", "b.tgz", "c.tgz", "d"}
            assert unpacked_archive.skipped == (
                UnreadInput(Location("big.yaml"), "larger than 1000 bytes: not read"),
                UnreadInput(Location("in.zip"), "archive inside an archive: not read"),
                UnreadInput(Location("c.tgz"), "archive inside an archive: not read"),
            )


def test_concatenated_compressed_streams_are_read(tmp_path: Path) -> None:
    plain = tar(tmp_path / "a.tar", entry("a.yaml", POD * 1000)).read_bytes()
    for pack in ("gzip", "bzip2", "xz"):
        run(pack, "--version", cwd=tmp_path)
        halves = [
            subprocess.run([pack], input=half, check=True, capture_output=True).stdout
            for half in (plain[:700], plain[700:])
        ]
        (tmp_path / "a.tgz").write_bytes(b"".join(halves))
        with unpack(str(tmp_path / "a.tgz")) as unpacked_archive:
            assert read_tree(Path(unpacked_archive.folder)) == {"a.yaml": POD * 1000}


def test_missing_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), unpack(str(tmp_path / "a.tar")):
        pass
    os.mkfifo(tmp_path / "b.tar")
    with pytest.raises(OSError, match="not a regular file"), unpack(str(tmp_path / "b.tar")):
        pass
    assert not is_chart(str(tmp_path / "b.tgz"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["app/Chart.yaml", "app/templates/a.yaml"], True),
        (["./app/values.yaml", "./app/Chart.yaml"], True),
        (["app/charts/sub/Chart.yaml", "app/values.yaml"], False),
        (["app/values.yaml", "other/a.yaml", "app/Chart.yaml"], False),
        (["Chart.yaml", "templates/a.yaml"], False),
        (["README", "app/Chart.yaml"], False),
        ([], False),
    ],
)
def test_packed_charts_are_detected(tmp_path: Path, names: list[str], expected: bool) -> None:  # noqa: FBT001
    assert is_chart(str(tar(tmp_path / "a.tgz", *map(entry, names), mode="gz"))) is expected
    assert not is_chart(str(tar(tmp_path / "a.tar", *map(entry, names))))


def test_packaged_chart_is_detected(tmp_path: Path) -> None:
    run("helm", "create", "app", cwd=tmp_path)
    run("helm", "package", "app", cwd=tmp_path)
    assert is_chart(str(tmp_path / "app-0.1.0.tgz"))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"not an archive", b"\x1f\x8b\x08" + b"\xff" * 50])
def test_other_files_are_not_charts(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tgz").write_bytes(content)
    assert not is_chart(str(tmp_path / "a.tgz"))
    with pytest.raises(ArchiveError, match=r"^damaged|no archive"), unpack(str(tmp_path / "a.tgz")):
        pass
