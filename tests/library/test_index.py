"""The index of the library holds what its files hold, and is ignored after one of them changed."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from kubekeep.library.index import SEALED, LibraryIndex, compute_state, read_index, write_index
from kubekeep.library.load import ROOT, Library, builtin
from kubekeep.posture.byte_code import INTERPRETED
from kubekeep.posture.rulebook import Rulebook


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with one control and its index."""
    for name in ("controls/area/one", "frameworks", "lib"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "controls/area/one/control.rego").write_text("package one\n")
    write_index(tmp_path, LibraryIndex(compute_state(tmp_path), {}, {}, {}, {"one": "text"}, ()))
    return tmp_path


def test_index_is_read(library: Path) -> None:
    index = read_index(library)
    assert index is not None
    assert index.modules == {"one": "text"}


@pytest.mark.parametrize("name", ["controls/area/one/control.rego", "lib/new.rego", "controls/area/two.yaml"])
def test_index_of_changed_files_is_ignored(library: Path, name: str) -> None:
    (library / name).write_text("package two\n")
    assert read_index(library) is None


def test_index_of_a_removed_file_is_ignored(library: Path) -> None:
    (library / "controls/area/one/control.rego").unlink()
    assert read_index(library) is None


def test_changed_time_is_a_change(library: Path) -> None:
    os.utime(library / "controls/area/one/control.rego", ns=(1, 1))
    assert read_index(library) is None


def test_cases_are_not_compared(library: Path) -> None:
    (library / "controls/area/one/cases").mkdir()
    (library / "controls/area/one/cases/fail.yaml").write_text("kind: Pod\n")
    assert read_index(library) is not None


def test_sealed_index_is_not_compared(library: Path) -> None:
    write_index(library, LibraryIndex(SEALED, {}, {}, {}, {"one": "text"}, ()))
    (library / "lib/new.rego").write_text("package two\n")
    assert read_index(library) is not None


@pytest.mark.parametrize("content", [b"", b"\x93", b"[]", msgspec.msgpack.encode([SEALED, 1, 2, 3, 4, 5])])
def test_damaged_index_is_ignored(library: Path, content: bytes) -> None:
    (library / "index.msgpack").write_bytes(content)
    assert read_index(library) is None


def test_builtin_library_equals_its_files() -> None:
    if read_index(ROOT) is None:
        assert "CI" not in os.environ, "scripts/setup writes the index"
        pytest.skip("scripts/setup has not written the index for the present files")
    indexed, files = builtin(), Library(ROOT)
    assert list(indexed.controls.items()) == list(files.controls.items())
    assert dict(indexed.frameworks) == dict(files.frameworks)
    for control in files.controls.values():
        assert indexed.get_folder(control) == files.get_folder(control)
        if not control.is_manual:
            assert indexed.get_rule(control) == files.get_rule(control)
    assert files.shared_modules == indexed.shared_modules


def test_rules_without_byte_code_are_interpreted() -> None:
    library = builtin()
    controls = [control for control in library.controls.values() if not control.is_manual]
    shards = Rulebook(library, controls).shards
    sources = "\n".join(text for shard in shards if not isinstance(shard, bytes) for text in shard.values())
    for name in INTERPRETED:
        assert f"package kubekeep.controls.{name.replace('-', '_')}\n" in sources
