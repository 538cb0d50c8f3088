"""Packing of libraries: reproducible, lossless, and limited to the files of a library."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.library import package
from kubekeep.library.load import ROOT, Library, LibraryError

names = st.from_regex(r"[a-z][a-z0-9-]{0,80}\.(rego|yaml)", fullmatch=True)
paths = st.builds("{}/{}".format, st.sampled_from(["lib", "frameworks", "controls/area/slug"]), names)


@given(st.dictionaries(paths, st.binary(max_size=200), max_size=20), st.randoms())
def test_unpack_reverses_pack(files: dict[str, bytes], order: random.Random) -> None:
    packed = package.pack(files)
    assert package.unpack(packed) == files
    shuffled = list(files.items())
    order.shuffle(shuffled)
    assert package.pack(dict(shuffled)) == packed


@given(st.data())
def test_damaged_package_is_an_error_or_safe(draws: st.DataObject) -> None:
    packed = bytearray(package.pack({"lib/a.rego": b"package a\n" * 50, "frameworks/b.yaml": b"name: b"}))
    for _ in range(draws.draw(st.integers(1, 5))):
        packed[draws.draw(st.integers(0, len(packed) - 1))] = draws.draw(st.integers(0, 255))
    with contextlib.suppress(LibraryError):
        for path in package.unpack(bytes(packed)):
            assert path.split("/")[0] in {"lib", "frameworks", "controls"}
            assert ".." not in path


@given(st.binary(max_size=2000))
def test_random_bytes_are_an_error(noise: bytes) -> None:
    with pytest.raises(LibraryError):
        package.unpack(noise)


def test_builtin_library_can_be_packed() -> None:
    files = package.collect_files(Library(ROOT))
    assert package.unpack(package.pack(files)) == files


def test_too_large_library_is_an_error() -> None:
    noise = random.Random(1)
    with pytest.raises(LibraryError, match="the library is too large"):
        package.pack({f"lib/a{number}.rego": noise.randbytes(1 << 20) for number in range(17)})


def test_controls_without_an_area_are_packed_as_custom(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "one"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text("title: One\nseverity: 5\nasks: a\nwhy: b\nfix: c\naudit: look\n")
    for root in (folder.parent, folder):
        assert list(package.collect_files(Library(root))) == ["controls/custom/one/control.yaml"]
